//! Headers that are made to be read differently by different hops, as the bytes that they are.

use acmedocs::proto::ListRequest;
use demo::{Issuer, World, issuer};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tonic::{Code, Request, Status, metadata::MetadataMap};
use tonic_types::StatusExt;

use crate::support::{bearer, eventually, titles, world};

/// What came back over HTTP/1.1.
#[derive(Debug)]
struct Answer {
    status: u16,
    text: String,
}

impl Answer {
    fn reason(&self) -> String {
        let body = self.text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        body["reason"].as_str().unwrap_or_default().to_owned()
    }
}

async fn send(world: &World, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(world.edge_address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // A server that refuses before it has read everything may reset the connection.
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    Answer { status, text }
}

/// A request that would write, with these lines in its head.
async fn post(world: &World, lines: &[&[u8]]) -> Answer {
    let body = br#"{"title":"forged"}"#;
    let mut bytes = b"POST /v1/documents HTTP/1.1\r\nHost: edge\r\n".to_vec();
    for line in lines {
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    if !lines.iter().any(|line| line.to_ascii_lowercase().starts_with(b"connection:")) {
        bytes.extend_from_slice(b"Connection: close\r\n");
    }
    let rest = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    bytes.extend_from_slice(rest.as_bytes());
    bytes.extend_from_slice(body);
    send(world, &bytes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_is_not_as_it_should_be_is_refused_and_not_repaired() {
    let world = world().await;
    let acme = format!("Authorization: {}", bearer(&world, "acme")).into_bytes();
    let other = format!("Authorization: {}", bearer(&world, "globex")).into_bytes();
    let token = world.services.txn_token("acme", "alice", issuer::now());
    let token = format!("Txn-Token: {token}").into_bytes();
    let oversize = format!("Authorization: Bearer {}", "a".repeat(9000)).into_bytes();
    let long_tenant = format!("X-Tenant-Id: {}", "a".repeat(9000)).into_bytes();

    let cases: &[(&[&[u8]], &str)] = &[
        (&[], "no-identity"),
        (&[&acme, &acme], "duplicate-header"),
        (&[&acme, &other], "duplicate-header"),
        (&[b"x_tenant_id: acme"], "aliased-header"),
        (&[&acme, b"x_tenant_id: acme"], "aliased-header"),
        (&[&acme, b"X-Tenant_Id: globex"], "aliased-header"),
        (&[&acme, b"txn_token: x"], "aliased-header"),
        (&[&acme, b"X-Tenant-Id: acme"], "not-admitted"),
        (&[&acme, b"x-TENANT-id: globex"], "not-admitted"),
        (&[&acme, b"X-Tenant-Id:"], "malformed-header"),
        (&[&acme, b"X-Tenant-Id: acme", b"X-Tenant-Id: acme"], "duplicate-header"),
        (&[&acme, &long_tenant], "oversize-header"),
        // The edge's own token, come back from outside.
        (&[&token], "not-admitted"),
        (&[&acme, &token], "not-admitted"),
        (&[&acme, b"Connection: close, txn-token"], "hop-by-hop-header"),
        (&[&acme, b"Connection: close", b"Connection: Txn_Token"], "hop-by-hop-header"),
        (&[&acme, b"Connection: close,authorization"], "hop-by-hop-header"),
        (&[&oversize], "oversize-header"),
        (&[b"Authorization: Bearer \xff\xfe"], "malformed-header"),
        (&[b"Authorization: Bearer ac\xc3\xa9"], "malformed-header"),
        (&[b"Authorization: Bearer a b"], "malformed-header"),
        (&[b"Authorization: Bearer"], "malformed-header"),
        (&[b"Authorization: Basic YWxpY2U6cGFzcw=="], "malformed-header"),
        (&[b"Authorization: Bearer a.b"], "malformed-token"),
    ];
    for (lines, reason) in cases {
        let answer = post(&world, lines).await;
        let lines: Vec<_> = lines.iter().map(|line| String::from_utf8_lossy(line)).collect();
        assert_eq!((answer.status, &*answer.reason()), (401, *reason), "{lines:?}: {answer:?}");
        assert!(!answer.text.contains("acme") && !answer.text.contains("globex"), "{answer:?}");
    }
    for tenant in ["acme", "globex"] {
        assert!(titles(&world, tenant).await.is_empty(), "something was written for {tenant}");
    }
    for (_, reason) in cases {
        let audited = async || world.audited().unwrap().contains(reason);
        eventually(&format!("{reason} is audited"), audited).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_no_request() {
    let world = world().await;
    let acme = format!("Authorization: {}", bearer(&world, "acme")).into_bytes();
    let cases: &[&[&[u8]]] = &[
        &[&acme, b"X-Tenant-Id : globex"],
        &[&acme, b" X-Tenant-Id: globex"],
        &[&acme, b"X-Tenant-Id: acme\0globex"],
        &[&acme, b"X-Tenant\xc3\xa9-Id: globex"],
    ];
    for lines in cases {
        let answer = post(&world, lines).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    assert!(titles(&world, "acme").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_must_be_the_proven_tenants_wherever_it_stands() {
    let world = world().await;
    let acme = bearer(&world, "acme");
    let get = async |target: &str, hosts: &[&str]| {
        let hosts: String = hosts.iter().map(|host| format!("Host: {host}\r\n")).collect();
        let request = format!(
            "GET {target} HTTP/1.1\r\n{hosts}Authorization: {acme}\r\nConnection: close\r\n\r\n"
        );
        send(&world, request.as_bytes()).await
    };
    let (own, other) = ("acme.acmedocs.example", "globex.acmedocs.example");
    assert_eq!(get("/v1/ping", &[own]).await.status, 200);
    assert_eq!(get("/v1/ping", &[other]).await.status, 403);
    for spelling in
        ["GLOBEX.acmedocs.example", "globex.Acmedocs.Example:8080", "globex.acmedocs.example."]
    {
        let answer = get("/v1/ping", &[spelling]).await;
        assert_eq!((answer.status, &*answer.reason()), (403, "sources-disagree"), "{spelling}");
        let own = spelling.to_lowercase().replace("globex", "Acme");
        assert_eq!(get("/v1/ping", &[&own]).await.status, 200, "{own}");
    }
    assert_eq!(get("/v1/ping", &["acme.globex.acmedocs.example"]).await.status, 401);
    assert_eq!(get("/v1/ping", &["globex:x@acme.acmedocs.example"]).await.status / 100, 4);
    let absolute = |host: &str| format!("http://{host}/v1/ping");
    assert_eq!(get(&absolute(own), &[own]).await.status, 200);
    assert_eq!(get(&absolute(other), &[other]).await.status, 403);
    // Two hosts, of which another hop may have believed the other one.
    let disagree = [
        get(&absolute(other), &[own]).await,
        get(&absolute(own), &[other]).await,
        get("/v1/ping", &[own, other]).await,
        get("/v1/ping", &[other, own]).await,
    ];
    for answer in disagree {
        assert_eq!((answer.status, &*answer.reason()), (401, "duplicate-header"), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_change_nothing() {
    let world = world().await;
    let body = r#"{"title":"chunked"}"#;
    let request = format!(
        "POST /v1/documents HTTP/1.1\r\nHost: edge\r\nAuthorization: {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: x-tenant-id\r\n\r\n\
         {:x}\r\n{body}\r\n0\r\nx-tenant-id: globex\r\n\r\n",
        bearer(&world, "acme"),
        body.len(),
    );
    assert_eq!(send(&world, request.as_bytes()).await.status, 201);
    assert_eq!(titles(&world, "acme").await, ["chunked"]);
    assert!(titles(&world, "globex").await.is_empty());
}

async fn list(world: &World, fill: impl FnOnce(&mut MetadataMap)) -> Result<(), Status> {
    let mut request = Request::new(ListRequest::default());
    fill(request.metadata_mut());
    world.documents().await.unwrap().list(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documents_service_believes_transaction_tokens_and_nothing_beside_them() {
    let world = world().await;
    let now = issuer::now();
    let token = world.services.txn_token("acme", "alice", now);
    assert!(list(&world, |it| drop(it.insert("txn-token", token.parse().unwrap()))).await.is_ok());

    let outside = bearer(&world, "acme");
    let bare = world.idp.bearer("acme", "alice", now);
    let as_bearer = format!("Bearer {token}");
    let forged = Issuer::new("edge-1").unwrap().txn_token("acme", "alice", now);
    let stranger = Issuer::new("edge-2").unwrap().txn_token("acme", "alice", now);
    let mut cut = token.clone();
    cut.pop();
    let oversize = "a".repeat(9000);
    let cases: &[(&[(&'static str, &str)], &str)] = &[
        (&[("authorization", &outside)], "not-admitted"),
        (&[("authorization", &as_bearer)], "not-admitted"),
        (&[("txn-token", &token), ("authorization", &outside)], "not-admitted"),
        (&[("txn-token", &token), ("x-tenant-id", "acme")], "not-admitted"),
        (&[("txn-token", &token), ("x_tenant_id", "acme")], "aliased-header"),
        (&[("txn-token", &token), ("txn_token", &token)], "aliased-header"),
        (&[("txn-token", &token), ("txn-token", &token)], "duplicate-header"),
        (&[("txn-token", &oversize)], "oversize-header"),
        // A token of the outside world where one of ours belongs.
        (&[("txn-token", &bare)], "wrong-token-type"),
        (&[("txn-token", &forged)], "bad-signature"),
        (&[("txn-token", &stranger)], "unknown-key"),
        (&[("txn-token", &cut)], "malformed-token"),
    ];
    for (metadata, reason) in cases {
        let status = list(&world, |it| {
            for (name, value) in *metadata {
                it.append(*name, value.parse().unwrap());
            }
        })
        .await
        .unwrap_err();
        let told = status.get_details_error_info().map(|info| info.metadata["reason"].clone());
        assert_eq!((status.code(), told.as_deref()), (Code::Unauthenticated, Some(*reason)));
    }
}
