//! What a tenant may do is limited at both doors of acmedocs, told in words that strangers understand,
//! and is nobody else's loss.

use std::{
    fmt::Write as _,
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

use acmedocs::{
    Config, Started,
    limits::RESOURCES,
    proto::{ListRequest, ListResponse, documents_client::DocumentsClient},
};
use demo::{Acmedocs, Answer, Edge, Setup, World, issuer};
use futures_util::{StreamExt, future::join_all, stream};
use hyper::Method;
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use throwaway::{free_port, tools};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt;

use crate::{
    foreign::PROTO,
    service::with_token,
    support::{bearer, eventually, postgres, run},
};

const EXPORTS: &str = "/v1/exports";
const DOCUMENTS: &str = "/v1/documents";

const FREE: &str = r#"{ rate = "unlimited", in_flight = "unlimited" }"#;
/// Nothing of it comes back while a test runs.
const THREE: &str =
    r#"{ rate = { per_day = { count = 24, burst = 3 } }, in_flight = "unlimited" }"#;
const ONE_AT_ONCE: &str = r#"{ rate = "unlimited", in_flight = 1 }"#;

/// A document in which this is said of one resource, of every tier, and all else is unlimited.
fn only(limited: &str, allowance: &str) -> String {
    let mut document = String::new();
    for resource in RESOURCES {
        let allowance = if resource == limited { allowance } else { FREE };
        // A `String` takes what is written to it.
        let _ = writeln!(document, "[resources.{resource}.tiers]");
        for tier in ["bronze", "silver", "gold", "platinum"] {
            let _ = writeln!(document, "{tier} = {allowance}");
        }
    }
    document
}

/// An acmedocs with limits, beside the one of a world that has none.
struct Limited {
    world: World,
    edge: Edge,
    started: Started,
    document: PathBuf,
}

impl Limited {
    async fn by(document: &str) -> Self {
        Self::of(document, Setup::default(), |_| ()).await
    }

    async fn of(document: &str, setup: Setup, change: impl FnOnce(&mut Config)) -> Self {
        let world = World::of(setup.on(postgres()), Acmedocs::InProcess).await.unwrap();
        let folder = world.folder();
        let file = folder.join("limits.toml");
        fs::write(&file, document).unwrap();
        let config = folder.join("acmedocs.toml");
        let mut config = Config::load(&config.to_string_lossy()).unwrap();
        config.limits = Some(file.clone());
        config.edge.listen.set_port(0);
        config.documents.listen = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        config.edge.documents_url = format!("http://{}", config.documents.listen);
        change(&mut config);
        let started = acmedocs::start(&config).await.unwrap();
        Self { edge: Edge::at(started.edge), world, started, document: file }
    }

    async fn call(&self, tenant: &str, method: Method, path: &str, body: Option<&str>) -> Answer {
        let bearer = bearer(&self.world, tenant);
        let headers = [("authorization", bearer.as_str())];
        self.edge.call(method, path, &headers, body).await.unwrap()
    }

    async fn export(&self, tenant: &str, rounds: u32) -> Answer {
        let order = format!(r#"{{"rounds":{rounds}}}"#);
        self.call(tenant, Method::POST, EXPORTS, Some(&order)).await
    }

    async fn lists(&self, tenant: &str) -> u16 {
        self.call(tenant, Method::GET, DOCUMENTS, None).await.status.as_u16()
    }

    async fn list_over_grpc(&self, tenant: &str) -> Result<Response<ListResponse>, Status> {
        let url = format!("http://{}", self.started.documents);
        let mut client = DocumentsClient::connect(url).await.unwrap();
        let token = self.world.services.txn_token(tenant, "alice", issuer::now());
        client.list(with_token(&token, ListRequest::default())).await
    }
}

fn problem(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.member("type"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_tells_what_the_tenant_has_and_nothing_of_others() {
    let acmedocs = Limited::by(&only("exports", FREE)).await;
    let draft = r#"{"title":"Merger plan","body":"buy them all"}"#;
    acmedocs.call("acme", Method::POST, DOCUMENTS, Some(draft)).await;
    let export = acmedocs.export("acme", 32).await;
    assert_eq!(export.status, 200, "{export}");
    assert_eq!((export.member("rows"), export.member("words")), ("1".into(), "5".into()));
    assert_eq!(export.member("digest").len(), 64);
    // No body is 32 rounds.
    let bare = acmedocs.call("acme", Method::POST, EXPORTS, None).await;
    assert_eq!(bare.body, export.body);
    assert_eq!(acmedocs.export("globex", 1).await.member("rows"), "0");
    for wrong in ["0", "3201", "-1", "null"] {
        let order = format!(r#"{{"rounds":{wrong}}}"#);
        let answer = acmedocs.call("globex", Method::POST, EXPORTS, Some(&order)).await;
        assert_eq!(answer.status, 422, "{wrong}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn curl_is_told_when_a_tenant_has_exported_enough_and_another_exports_on() {
    let Some(curl) = tools::or_skip(tools::apt("curl", "curl")) else { return };
    let acmedocs = Limited::by(&only("exports", THREE)).await;
    let export = async |tenant: &str| {
        let authorization = format!("authorization: {}", bearer(&acmedocs.world, tenant));
        let url = format!("http://{}{EXPORTS}", acmedocs.started.edge);
        let arguments = ["--silent", "--include", "--header", &authorization, "-X", "POST", &url];
        run(&curl, &arguments).await.printed()
    };
    for _ in 0..3 {
        assert!(export("acme").await.starts_with("HTTP/1.1 200"));
    }
    let refused = export("acme").await;
    let (head, body) = refused.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 429"), "{refused}");
    let wait = head.lines().find_map(|line| line.strip_prefix("retry-after: ")).unwrap();
    // One an hour, of which little has passed.
    assert!((3_500..=3_600).contains(&wait.parse().unwrap()), "{wait}");
    assert!(head.contains("ratelimit-policy: \"86400s\";q=24;w=86400"), "{head}");
    assert!(head.contains("content-type: application/problem+json"), "{head}");
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["type"], "urn:tenantkit:rate-limited");
    assert_eq!(problem["status"], 429);
    assert!(!refused.contains("acme"), "{refused}");

    assert!(export("globex").await.starts_with("HTTP/1.1 200"));
    // What was refused is exports, and not the tenant.
    assert_eq!(acmedocs.lists("acme").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_no_more_exports_under_way_than_it_may_and_another_has_its_own() {
    let acmedocs = Limited::by(&only("exports", ONE_AT_ONCE)).await;
    let acme = join_all((0..8).map(|_| acmedocs.export("acme", 320)));
    let (acme, globex) = tokio::join!(acme, acmedocs.export("globex", 1));
    assert_eq!(globex.status, 200, "{globex}");
    let (served, refused): (Vec<_>, Vec<_>) = acme.iter().partition(|it| it.status == 200);
    assert!(!served.is_empty() && !refused.is_empty(), "{acme:?}");
    for refused in refused {
        assert_eq!(problem(refused), (429, "urn:tenantkit:too-many-in-flight".to_owned()));
        assert!(refused.headers.contains_key("retry-after"));
    }
    assert_eq!(acmedocs.export("acme", 1).await.status, 200, "what has ended is under way no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_waits_for_as_long_as_it_was_told_over_grpc_is_served() {
    let slow = r#"{ rate = { per_second = { count = 1, burst = 1 } }, in_flight = "unlimited" }"#;
    let acmedocs = Limited::by(&only("calls", slow)).await;
    // Where so many take more than a second each, there is no telling.
    let calls = stream::repeat(()).take(100).then(|()| acmedocs.list_over_grpc("acme"));
    let mut refused = pin!(calls.filter_map(async |called| called.err()));
    let refused = refused.next().await.expect("none of the calls is refused");
    assert_eq!(refused.code(), Code::ResourceExhausted);
    let violation = &refused.get_details_quota_failure().unwrap().violations[0];
    assert_eq!(violation.subject, "tenant");
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(Duration::ZERO < wait && wait <= Duration::from_secs(1), "{wait:?}");
    tokio::time::sleep(wait).await;
    acmedocs.list_over_grpc("acme").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_behind_refuses_the_edge_answers_with_the_same_wait() {
    let acmedocs = Limited::by(&only("calls", THREE)).await;
    for _ in 0..3 {
        acmedocs.list_over_grpc("acme").await.unwrap();
    }
    let refused = acmedocs.call("acme", Method::GET, DOCUMENTS, None).await;
    assert_eq!(problem(&refused), (429, "urn:tenantkit:rate-limited".to_owned()));
    let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3_500..=3_600).contains(&wait), "{wait}");
    assert_eq!(acmedocs.lists("globex").await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpcurl_reads_that_a_tenant_has_called_enough() {
    let Some(grpcurl) = tools::or_skip(tools::grpcurl()) else { return };
    let acmedocs = Limited::by(&only("calls", THREE)).await;
    for _ in 0..3 {
        acmedocs.list_over_grpc("acme").await.unwrap();
    }
    let token = acmedocs.world.services.txn_token("acme", "alice", issuer::now());
    let token = format!("txn-token: {token}");
    let address = acmedocs.started.documents.to_string();
    let details = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/foreign");
    let mut arguments = vec!["-plaintext", "-import-path", PROTO, "-import-path", details];
    arguments.extend(["-proto", "acmedocs/v1/documents.proto"]);
    arguments.extend(["-proto", "google/rpc/error_details.proto", "-H", &token]);
    arguments.extend([&address, "acmedocs.v1.Documents/List"]);
    let refused = run(&grpcurl, &arguments).await;
    assert_ne!(refused.code, Some(0));
    for promised in [
        "Code: ResourceExhausted",
        r#""reason": "RATE_LIMITED""#,
        "type.googleapis.com/google.rpc.RetryInfo",
        r#""retryDelay": "3"#,
        "type.googleapis.com/google.rpc.QuotaFailure",
        r#""subject": "tenant""#,
    ] {
        assert!(refused.stderr.contains(promised), "{promised}\n{}", refused.stderr);
    }
}

/// Replaces the document at once, as a good editor does.
fn replace(document: &Path, text: &str) {
    let next = document.with_extension("next");
    fs::write(&next, text).unwrap();
    fs::rename(next, document).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_changes_while_running_is_in_force_and_what_was_used_still_counts() {
    let acmedocs = Limited::by(&only("exports", THREE)).await;
    for _ in 0..2 {
        assert_eq!(acmedocs.export("acme", 1).await.status, 200);
    }
    let five = THREE.replace("burst = 3", "burst = 5");
    // A sign by which the change is seen, without an export.
    let sign = "[resources.reads.tenants]\nglobex = { rate = { per_day = 1 }, in_flight = 1 }\n";
    replace(&acmedocs.document, &(only("exports", &five) + sign));
    eventually("the limits have changed", async || acmedocs.lists("globex").await == 429).await;
    for _ in 0..3 {
        assert_eq!(acmedocs.export("acme", 1).await.status, 200);
    }
    assert_eq!(acmedocs.export("acme", 1).await.status, 429, "2 of 5 were used before");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_all_ask_for_at_once_beyond_the_capacity_is_shed_with_a_wait() {
    let tenants: Vec<_> = (0..8).map(|at| format!("tenant{at}")).collect();
    let setup = Setup::default().tenants(tenants.clone());
    let one = |config: &mut Config| {
        config.capacity = Some(acmedocs::config::Capacity {
            global_in_flight: 1.try_into().unwrap(),
            adaptive_up_to: None,
            shed_after_ms: 1.try_into().unwrap(),
            shed_all_after_ms: 1.try_into().unwrap(),
        });
    };
    let acmedocs = Limited::of(&only("exports", FREE), setup, one).await;
    let all = join_all(tenants.iter().map(|tenant| acmedocs.export(tenant, 320))).await;
    let (served, shed): (Vec<_>, Vec<_>) = all.iter().partition(|it| it.status == 200);
    assert!(!served.is_empty() && !shed.is_empty(), "{all:?}");
    for shed in shed {
        assert_eq!(problem(shed), (503, "urn:tenantkit:overloaded".to_owned()));
        assert!(shed.headers.contains_key("retry-after"));
    }
    assert_eq!(acmedocs.export("acme", 1).await.status, 200, "the capacity is there again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_of_a_low_tier_is_ended_sooner() {
    let bronze = |config: &mut Config| {
        let soon = 50.try_into().unwrap();
        config.documents.statement_timeout_ms.insert("bronze".to_owned(), soon);
    };
    let acmedocs = Limited::of(&only("exports", FREE), Setup::default(), bronze).await;
    let mut admin = PgConnection::connect(&acmedocs.world.database.admin_url()).await.unwrap();
    let mut lock = admin.begin().await.unwrap();
    sqlx::query("LOCK TABLE documents").execute(&mut *lock).await.unwrap();
    let gold = acmedocs.lists("acme");
    let bronze_first = async {
        let ended = acmedocs.lists("globex").await;
        lock.rollback().await.unwrap();
        ended
    };
    // A statement that takes too long is a fault of the service, as any other that fails.
    assert_eq!(tokio::join!(gold, bronze_first), (200, 500));
}
