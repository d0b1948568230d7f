//! What several promises need.

use std::{future::Future, path::Path, process::Output, time::Duration};

use demo::{Acmedocs, Setup, World, issuer};
use hyper::Method;
use sqlx::{Connection, PgConnection};
use throwaway::{Postgres, PostgresVersion};
use tokio::process::Command;

pub(crate) const DOCUMENTS: &str = "/v1/documents";

/// The server that all tests share which do not stop it.
pub(crate) fn postgres() -> &'static Postgres {
    Postgres::shared(PostgresVersion::System).unwrap()
}

/// A world like any other.
pub(crate) async fn world() -> World {
    world_of(Setup::default()).await
}

/// A world on the shared server.
pub(crate) async fn world_of(setup: Setup) -> World {
    World::of(setup.on(postgres()), Acmedocs::InProcess).await.unwrap()
}

/// What alice of this tenant sends as `authorization`.
pub(crate) fn bearer(world: &World, tenant: &str) -> String {
    format!("Bearer {}", world.idp.bearer(tenant, "alice", issuer::now()))
}

/// Writes a document through the edge, and gives its id.
pub(crate) async fn write(world: &World, tenant: &str, title: &str) -> String {
    let body = serde_json::json!({ "title": title }).to_string();
    let bearer = bearer(world, tenant);
    let headers = [("authorization", bearer.as_str())];
    let answer = world.edge.call(Method::POST, DOCUMENTS, &headers, Some(&body)).await.unwrap();
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.member("id")
}

/// The titles that this tenant's list has.
pub(crate) async fn titles(world: &World, tenant: &str) -> Vec<String> {
    let bearer = bearer(world, tenant);
    let headers = [("authorization", bearer.as_str())];
    let answer = world.edge.call(Method::GET, DOCUMENTS, &headers, None).await.unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let listing: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let documents = listing["documents"].as_array().unwrap();
    documents.iter().map(|document| document["title"].as_str().unwrap().to_owned()).collect()
}

/// Runs a program to its end.
pub(crate) async fn run(program: &Path, arguments: &[&str]) -> Ran {
    let run = Command::new(program).args(arguments).kill_on_drop(true).output();
    let Output { status, stdout, stderr } =
        tokio::time::timeout(Duration::from_secs(60), run).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Ran { code: status.code(), stdout: text(&stdout), stderr: text(&stderr) }
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What it printed, having ended well.
    #[track_caller]
    pub(crate) fn printed(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }
}

/// Waits until something is so, for what happens in the background.
pub(crate) async fn eventually<F: Future<Output = bool>>(what: &str, is_so: impl Fn() -> F) {
    let wait = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(15), wait).await.is_ok(), "never: {what}");
}

/// Sessions of `role` that are in a transaction or run a statement.
pub(crate) async fn busy_sessions(admin_url: &str, role: &str) -> i64 {
    let mut admin = PgConnection::connect(admin_url).await.unwrap();
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 AND state <> 'idle'",
    )
    .bind(role)
    .fetch_one(&mut admin)
    .await
    .unwrap()
}

/// Waits until no session of the serving role is in a transaction.
pub(crate) async fn nothing_is_left_open(world: &World) {
    let url = world.database.admin_url();
    eventually("no transaction is open", async || {
        busy_sessions(&url, &world.serving_role).await == 0
    })
    .await;
}
