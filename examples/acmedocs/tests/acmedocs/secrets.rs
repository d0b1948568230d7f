//! What acmedocs writes down, however much it is told to, and what it answers, tell no secret.

use acmedocs::proto::ListRequest;
use demo::{Acmedocs, Issuer, Setup, World, issuer, kafka::Brokers};
use hyper::Method;
use throwaway::{Collector, tools};
use tonic::Request;

/// What stands in a document, and nowhere else.
const SECRET: &str = "sesame-4711";

struct Driven {
    world: World,
    tokens: Vec<String>,
    refusals: Vec<String>,
}

impl Driven {
    async fn call(&mut self, token: String, body: Option<&str>, more: &[(&str, &str)]) {
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(more);
        let answer = self.world.edge.call(method, "/v1/documents", &headers, body).await.unwrap();
        if !answer.status.is_success() {
            self.refusals.push(answer.body);
        }
        self.tokens.push(token);
    }

    async fn list(&mut self, token: String) {
        let mut request = Request::new(ListRequest::default());
        request.metadata_mut().insert("txn-token", token.parse().unwrap());
        let answer = self.world.documents().await.unwrap().list(request).await;
        self.refusals.extend(answer.err().map(|status| format!("{status:?}")));
        self.tokens.push(token);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_written_down_has_a_token_or_a_document_in_it() {
    let setup = Setup::default().log("trace").kafka(Brokers::Embedded);
    let collector = tools::or_skip(Collector::start());
    let setup = match &collector {
        Some(it) => setup.telemetry(&format!("collector = \"{}\"", it.grpc())),
        None => setup,
    };
    let world = World::of(setup, Acmedocs::Process).await.unwrap();
    // What cannot be indexed has something to say as well.
    let wrong = format!("ALTER TABLE search ADD CHECK (title IS DISTINCT FROM '{SECRET}')");
    world.database.execute(wrong).unwrap();
    let mut driven = Driven { world, tokens: Vec::new(), refusals: Vec::new() };
    let now = issuer::now();
    let forger = Issuer::new("idp-1").unwrap();
    let idp = |driven: &Driven, tenant: &str| driven.world.idp.bearer(tenant, "alice", now);
    let document = format!(r#"{{"title":"{SECRET}","body":"{SECRET}"}}"#);
    for tenant in ["acme", "globex", "initech", "hooli"] {
        let token = idp(&driven, tenant);
        driven.call(token.clone(), Some(&document), &[]).await;
        driven.call(token.clone(), None, &[]).await;
        driven.call(token.clone(), None, &[("x-tenant-id", "globex")]).await;
        driven.call(token.clone(), None, &[("host", "umbrella.acmedocs.example")]).await;
        let long = format!(r#"{{"title":"{}"}}"#, SECRET.repeat(50));
        driven.call(token, Some(&long), &[]).await;
        driven.call(forger.bearer(tenant, "mallory", now), None, &[]).await;
        let expired = driven.world.idp.bearer(tenant, "alice", now - 3600);
        driven.call(expired, None, &[]).await;
        let token = driven.world.services.txn_token(tenant, "alice", now);
        driven.list(token.clone()).await;
        driven.call(idp(&driven, tenant), None, &[("txn-token", &token)]).await;
        driven.list(forger.txn_token(tenant, "mallory", now)).await;
    }
    driven.world.kafka.as_ref().unwrap().dead_letter("handler-failed").await.unwrap();
    // The database goes away in the middle.
    driven.world.link.refuse();
    driven.world.link.cut();
    driven.call(idp(&driven, "acme"), Some(&document), &[]).await;

    let mut written = driven.world.said().unwrap() + &driven.world.audited().unwrap();
    if let Some(collector) = &collector {
        driven.world.terminate().await.unwrap();
        collector.stop().unwrap();
        let [traces, logs, metrics] =
            ["traces", "logs", "metrics"].map(|it| collector.received(it));
        assert!(traces.contains("tenant.id") && metrics.contains("tenantkit.refusals"));
        assert!(logs.contains("tenantkit.audit") && logs.contains("a change was not indexed"));
        written.extend([traces, logs, metrics]);
    }
    assert!(written.contains("sources-disagree"), "the audit log is not there");
    assert!(written.contains("INSERT INTO documents"), "the log is not as loud as it was told");
    assert!(written.contains("a change was not indexed"), "nothing is told of what is not indexed");
    // What opens a door: a token, and the part of it that nobody but the issuer can make.
    let parts = driven.tokens.iter().flat_map(|token| [token.as_str(), signature(token)]);
    for secret in parts.chain([SECRET, "Bearer ey"]) {
        let line = written.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} was written down");
    }
    assert!(driven.refusals.len() > 20, "{:?}", driven.refusals);
    for refusal in &driven.refusals {
        for name in ["acme", "globex", "initech", "hooli", "umbrella", SECRET] {
            assert!(!refusal.contains(name), "{refusal}");
        }
    }
}

fn signature(token: &str) -> &str {
    token.rsplit('.').next().unwrap_or(token)
}
