//! Whatever happens to a request, the next one on the same connection, thread or task finds nothing
//! of its tenant.

use std::time::Duration;

use acmedocs::proto::{CreateRequest, ExportRequest, ListRequest};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use demo::Edge;
use futures_util::{StreamExt, stream};
use hyper::Method;
use sqlx::AssertSqlSafe;
use tenantkit::{Error, TenantContext, TenantPool, task};

use crate::service::{Service, with_token};

async fn titles(service: &Service, tenant: &str) -> Vec<String> {
    let mut client = service.client().await;
    let listed = client.list(service.request(tenant, ListRequest::default())).await.unwrap();
    listed.into_inner().documents.into_iter().map(|document| document.title).collect()
}

/// On one thread, so that one tenant's scope is entered where the other's was left.
#[tokio::test]
async fn two_tenants_export_at_once_and_each_receives_all_of_its_own() {
    let service = Service::start(2).await;
    service.fill("acme", 2_000);
    service.fill("globex", 1_500);
    let mut client = service.client().await;
    let acme = client.export(service.request("acme", ExportRequest {})).await.unwrap();
    let globex = client.export(service.request("globex", ExportRequest {})).await.unwrap();
    let (mut acme, mut globex) = (acme.into_inner(), globex.into_inner());
    let (mut of_acme, mut of_globex) = (0, 0);
    // Over one connection, message by message in turn.
    loop {
        let (one, other) = (acme.message().await.unwrap(), globex.message().await.unwrap());
        if one.is_none() && other.is_none() {
            break;
        }
        if let Some(document) = one {
            assert!(document.title.starts_with("of acme "), "{}", document.title);
            of_acme += 1;
        }
        if let Some(document) = other {
            assert!(document.title.starts_with("of globex "), "{}", document.title);
            of_globex += 1;
        }
    }
    assert_eq!((of_acme, of_globex), (2_000, 1_500));
    service.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_whose_caller_hangs_up_leaves_no_transaction() {
    let service = Service::start(1).await;
    service.fill("acme", 5_000);
    service.fill("globex", 1);
    for received in [0, 1, 150] {
        let mut client = service.client().await;
        let stream = client.export(service.request("acme", ExportRequest {})).await.unwrap();
        let mut stream = stream.into_inner();
        for _ in 0..received {
            assert!(stream.message().await.unwrap().is_some());
        }
        drop((stream, client));
        service.nothing_is_left().await;
        assert_eq!(titles(&service, "globex").await, ["of globex 1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_cancelled_at_any_moment_leaves_nothing_to_the_next_tenant() {
    let service = Service::start(1).await;
    service.fill("globex", 1);
    let mut client = service.client().await;
    service.link.set_delay(Duration::from_millis(3));
    let mut cancelled = 0;
    for moment in 0..40 {
        let create = CreateRequest { title: "cut".to_owned(), body: String::new() };
        let call = client.create(service.request("acme", create));
        let patience = Duration::from_millis(moment);
        cancelled += u32::from(tokio::time::timeout(patience, call).await.is_err());
        // Nobody else has to come by for it to be clean.
        service.nothing_is_left().await;
        // The pool has one connection: whatever was left behind is what this one finds.
        assert_eq!(titles(&service, "globex").await, ["of globex 1"]);
    }
    assert!(cancelled >= 10, "{cancelled} of 40 were cut off");
    service.link.set_delay(Duration::ZERO);
    service.nothing_is_left().await;
    assert!(titles(&service, "acme").await.iter().all(|title| title == "cut"));
}

/// Handlers that go wrong, each in the middle of a transaction.
fn going_wrong() -> Router<TenantPool> {
    async fn panics(tenant: TenantContext, State(pool): State<TenantPool>) -> Result<(), Error> {
        let mut tx = pool.begin(&tenant).await?;
        let insert = "INSERT INTO documents (title, body) VALUES ('panicked', '')";
        sqlx::query(insert).execute(&mut tx).await?;
        panic!("a handler of a test goes wrong");
    }
    async fn returns(tenant: TenantContext, State(pool): State<TenantPool>) -> Result<(), Error> {
        let mut tx = pool.begin(&tenant).await?;
        let insert = "INSERT INTO documents (title, body) VALUES ('returned', '')";
        sqlx::query(insert).execute(&mut tx).await?;
        sqlx::query("SELECT 1/0").execute(&mut tx).await?;
        tx.commit().await?;
        Ok(())
    }
    async fn swallows(tenant: TenantContext, State(pool): State<TenantPool>) -> Result<(), Error> {
        let mut tx = pool.begin(&tenant).await?;
        let insert = "INSERT INTO documents (title, body) VALUES ('swallowed', '')";
        sqlx::query(insert).execute(&mut tx).await?;
        let _ = sqlx::query("SELECT 1/0").execute(&mut tx).await;
        tx.commit().await?;
        Ok(())
    }
    async fn leaves(tenant: TenantContext, State(pool): State<TenantPool>) -> Result<(), Error> {
        let mut tx = pool.begin(&tenant).await?;
        // What a session would keep: none of it may reach the next borrower.
        for statement in [
            "CREATE TEMPORARY TABLE documents AS SELECT * FROM documents",
            "SET SESSION search_path = pg_temp",
            "SET SESSION row_security = off",
            "SELECT pg_advisory_lock(1)",
        ] {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut tx).await?;
        }
        tx.commit().await?;
        Ok(())
    }
    Router::new()
        .route("/panics", post(panics))
        .route("/returns", post(returns))
        .route("/swallows", post(swallows))
        .route("/leaves", post(leaves))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_goes_wrong_saves_nothing_and_leaves_nothing() {
    let mut service = Service::start(1).await;
    service.fill("globex", 1);
    let edge = Edge::at(service.serve(going_wrong()).await);
    for path in ["/panics", "/returns", "/swallows", "/leaves"] {
        for _ in 0..3 {
            let token = service.token("acme");
            let headers = [("txn-token", token.as_str())];
            // A panic ends the connection without an answer.
            let answer = edge.call(Method::POST, path, &headers, None).await.ok();
            let served = answer.is_some_and(|answer| answer.status.is_success());
            assert_eq!(served, path == "/leaves", "{path}");
            assert_eq!(titles(&service, "globex").await, ["of globex 1"], "after {path}");
            assert!(titles(&service, "acme").await.is_empty(), "after {path}");
        }
    }
    service.nothing_is_left().await;
}

/// Handlers that look at the scope from where it is easily lost.
fn looking() -> Router<TenantPool> {
    fn who(found: Result<TenantContext, tenantkit::Refusal>) -> String {
        found.map_or_else(|refusal| refusal.reason().to_string(), |it| it.tenant().to_string())
    }
    async fn body() -> Response {
        // Polled after this handler has returned.
        let late = stream::iter(0..3).then(|_| async {
            tokio::task::yield_now().await;
            Ok::<_, std::io::Error>(Bytes::from(who(TenantContext::current()) + ";"))
        });
        Body::from_stream(late).into_response()
    }
    async fn bare() -> String {
        tokio::spawn(async { who(TenantContext::current()) }).await.unwrap()
    }
    async fn scoped() -> Result<String, Error> {
        Ok(task::spawn(async { who(TenantContext::current()) })?.await.unwrap())
    }
    async fn blocking() -> Result<String, Error> {
        Ok(task::spawn_blocking(|| who(TenantContext::current()))?.await.unwrap())
    }
    async fn orphan(State(pool): State<TenantPool>) -> Result<StatusCode, Error> {
        let lost = tokio::spawn(async move {
            let tenant = TenantContext::current()?;
            pool.begin(&tenant).await?.commit().await?;
            Ok::<_, Error>(())
        });
        lost.await.unwrap().map(|()| StatusCode::OK)
    }
    Router::new()
        .route("/body", get(body))
        .route("/bare", get(bare))
        .route("/scoped", get(scoped))
        .route("/blocking", get(blocking))
        .route("/orphan", get(orphan))
}

/// On one thread, so that one tenant's scope is entered where the other's was left.
#[tokio::test]
async fn the_scope_reaches_the_body_and_scoped_tasks_and_no_bare_task() {
    let mut service = Service::start(1).await;
    let edge = Edge::at(service.serve(looking()).await);
    let both = ["acme", "globex"].repeat(20).into_iter().map(|tenant| {
        let (edge, token) = (edge.clone(), service.token(tenant));
        async move {
            let headers = [("txn-token", token.as_str())];
            let answer = edge.call(Method::GET, "/body", &headers, None).await.unwrap();
            assert_eq!(answer.body, format!("{tenant};").repeat(3));
        }
    });
    futures_util::future::join_all(both).await;
    for tenant in ["acme", "globex"] {
        let token = service.token(tenant);
        let get = async |path: &str| {
            edge.call(Method::GET, path, &[("txn-token", &token)], None).await.unwrap()
        };
        assert_eq!(get("/body").await.body, format!("{tenant};").repeat(3));
        assert_eq!(get("/scoped").await.body, tenant);
        assert_eq!(get("/blocking").await.body, tenant);
        assert_eq!(get("/bare").await.body, "no identity was presented");
        let orphan = get("/orphan").await;
        assert_eq!((orphan.status.as_u16(), &*orphan.member("reason")), (401, "no-identity"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_context_of_one_tenant_is_refused_in_the_scope_of_another() {
    let service = Service::start(1).await;
    let listener = service.authority.listener().admit(tenantkit::Source::TxnToken);
    let context = |tenant: &str| {
        let request = with_token(&service.token(tenant), ());
        let headers = request.metadata().clone().into_headers();
        listener.identify(tenantkit::Inbound::new(&headers)).unwrap()
    };
    let (acme, globex) = (context("acme"), context("globex"));
    let begun = acme.scope(service.pool.begin(&globex)).unwrap().await;
    let refusal = begun.map(drop).unwrap_err().refusal().unwrap();
    assert_eq!(refusal.reason(), tenantkit::Reason::ScopeDisagrees);
    assert!(acme.scope(service.pool.begin(&acme)).unwrap().await.is_ok());
}
