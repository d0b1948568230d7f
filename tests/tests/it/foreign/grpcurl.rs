//! `grpcurl`, which is grpc-go.

use std::path::PathBuf;

use demo::{World, issuer};
use serde_json::Value;
use throwaway::tools;

use super::PROTO;
use crate::support::{Ran, run, world, write};

/// Where the messages are that details of errors hold.
const DETAILS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign");

struct Grpcurl {
    program: PathBuf,
    world: World,
}

impl Grpcurl {
    async fn start() -> Option<Self> {
        let program = tools::or_skip(tools::grpcurl())?;
        Some(Self { program, world: world().await })
    }

    async fn call(&self, headers: &[&str], method: &str, message: &str) -> Ran {
        let address = self.world.documents_address.to_string();
        let method = format!("acmedocs.v1.Documents/{method}");
        let mut arguments = vec!["-plaintext", "-import-path", PROTO, "-import-path", DETAILS];
        arguments.extend(["-proto", "acmedocs/v1/documents.proto"]);
        arguments.extend(["-proto", "google/rpc/error_details.proto", "-d", message]);
        for header in headers {
            arguments.extend(["-H", header]);
        }
        arguments.extend([address.as_str(), &method]);
        run(&self.program, &arguments).await
    }

    fn token(&self, tenant: &str) -> String {
        let token = self.world.services.txn_token(tenant, "alice", issuer::now());
        format!("txn-token: {token}")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_with_a_raw_token_reads_one_answer_and_a_stream() {
    let Some(grpcurl) = Grpcurl::start().await else { return };
    write(&grpcurl.world, "globex", "Doomsday device").await;
    let acme = grpcurl.token("acme");
    let title = r#"{"title":"Merger plan"}"#;
    let created = grpcurl.call(&[&acme], "Create", title).await.printed();
    let created: Value = serde_json::from_str(&created).unwrap();

    let found = format!(r#"{{"id":{}}}"#, created["id"]);
    let found = grpcurl.call(&[&acme], "Get", &found).await.printed();
    assert_eq!(serde_json::from_str::<Value>(&found).unwrap(), created);

    let streamed = grpcurl.call(&[&acme], "Export", "{}").await.printed();
    assert!(streamed.contains("Merger plan") && !streamed.contains("Doomsday"), "{streamed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_reads_the_code_and_the_details_of_a_refusal() {
    let Some(grpcurl) = Grpcurl::start().await else { return };
    for method in ["List", "Export"] {
        let refused = grpcurl.call(&[], method, "{}").await;
        assert_ne!(refused.code, Some(0));
        for promised in [
            "Code: Unauthenticated",
            "Message: no identity was presented. Present a token",
            "type.googleapis.com/google.rpc.ErrorInfo",
            r#""domain": "tenantkit""#,
            r#""reason": "NO_TENANT""#,
            r#""reason": "no-identity""#,
        ] {
            assert!(refused.stderr.contains(promised), "{promised}\n{}", refused.stderr);
        }
    }

    let suspended = grpcurl.token("initech");
    let refused = grpcurl.call(&[&suspended], "List", "{}").await;
    assert!(refused.stderr.contains("Code: PermissionDenied"), "{}", refused.stderr);
    assert!(refused.stderr.contains(r#""reason": "SUSPENDED""#), "{}", refused.stderr);
    assert!(!refused.stderr.contains("initech"), "{}", refused.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_argument_is_told_and_another_tenants_document_is_not_found() {
    let Some(grpcurl) = Grpcurl::start().await else { return };
    let id = write(&grpcurl.world, "globex", "Doomsday device").await;
    let acme = grpcurl.token("acme");
    let theirs = format!(r#"{{"id":"{id}","title":"mine"}}"#);
    for method in ["Update", "Delete"] {
        let message =
            if method == "Update" { theirs.clone() } else { format!(r#"{{"id":"{id}"}}"#) };
        let answer = grpcurl.call(&[&acme], method, &message).await;
        assert!(answer.stderr.contains("Code: NotFound"), "{}", answer.stderr);
    }
    let answer = grpcurl.call(&[&acme], "Get", r#"{"id":"1 OR 1=1"}"#).await;
    assert!(answer.stderr.contains("Code: InvalidArgument"), "{}", answer.stderr);
    assert!(!answer.stderr.contains("OR 1=1"), "{}", answer.stderr);
}
