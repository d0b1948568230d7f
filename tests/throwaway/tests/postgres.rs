//! What a test may rely on when it asks for a Postgres.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{net::TcpStream, time::Duration};

use sqlx::{Connection, PgConnection};
use throwaway::{Error, Postgres, PostgresVersion, Proxy, tools};

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    PgConnection::connect(url).await
}

async fn text(connection: &mut PgConnection, sql: &'static str) -> String {
    sqlx::query_scalar(sql).fetch_one(connection).await.unwrap()
}

fn start(version: PostgresVersion) -> Option<Postgres> {
    tools::or_skip(Postgres::start(version))
}

#[tokio::test]
async fn each_version_starts_and_its_end_leaves_nothing() {
    for version in PostgresVersion::ALL {
        let Some(postgres) = start(version) else { return };
        let mut connection = connect(&postgres.admin_url()).await.unwrap();
        let said = text(&mut connection, "SHOW server_version").await;
        if version == PostgresVersion::V18 {
            assert!(said.starts_with("18."), "{said}");
        }
        let data = text(&mut connection, "SHOW data_directory").await;
        let folder = std::path::Path::new(&data).parent().unwrap().to_owned();
        assert!(folder.exists());
        let address = postgres.address().unwrap();

        drop(postgres);
        assert!(!folder.exists());
        assert!(TcpStream::connect(address).is_err());
    }
}

#[tokio::test]
async fn a_stopped_server_refuses_and_a_restarted_one_has_what_was_committed() {
    let Some(postgres) = start(PostgresVersion::System) else { return };
    let database = postgres.fresh_database().unwrap();
    database.execute("CREATE TABLE kept AS SELECT 'it'").unwrap();

    postgres.stop().unwrap();
    assert!(TcpStream::connect(postgres.address().unwrap()).is_err());

    postgres.restart().unwrap();
    let mut connection = connect(&database.admin_url()).await.unwrap();
    assert_eq!(text(&mut connection, "TABLE kept").await, "it");
}

#[tokio::test]
async fn a_paused_server_hangs_and_a_resumed_one_answers() {
    let Some(postgres) = start(PostgresVersion::System) else { return };
    let mut connection = connect(&postgres.admin_url()).await.unwrap();

    postgres.pause().unwrap();
    let mut answer = Box::pin(text(&mut connection, "SELECT 'late'"));
    let patience = Duration::from_millis(300);
    assert!(tokio::time::timeout(patience, &mut answer).await.is_err());

    postgres.resume().unwrap();
    assert_eq!(answer.await, "late");
}

#[test]
fn a_paused_server_can_be_stopped_too() {
    let Some(postgres) = start(PostgresVersion::System) else { return };
    postgres.pause().unwrap();
    let address = postgres.address().unwrap();
    drop(postgres);
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn a_fresh_database_and_its_roles_are_gone_with_the_value() {
    let Some(postgres) = tools::or_skip(Postgres::shared(PostgresVersion::System)) else { return };
    let database = postgres.fresh_database().unwrap();
    let role = database.role("serving", "NOBYPASSRLS").unwrap();
    database.execute(format!("CREATE TABLE owned (); ALTER TABLE owned OWNER TO {role}")).unwrap();
    let url = database.url(&role);
    let mut connection = connect(&url).await.unwrap();
    assert_eq!(text(&mut connection, "SELECT current_user::text").await, role);

    // Also while somebody is connected.
    drop(database);
    let mut admin = connect(&postgres.admin_url()).await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_roles WHERE rolname = $1")
        .bind(&role)
        .fetch_one(&mut admin)
        .await
        .unwrap();
    assert_eq!(left, 0);
    assert!(connect(&url).await.is_err());
}

#[tokio::test]
async fn two_fresh_databases_do_not_see_each_other() {
    let Some(postgres) = tools::or_skip(Postgres::shared(PostgresVersion::System)) else { return };
    let (one, other) = (postgres.fresh_database().unwrap(), postgres.fresh_database().unwrap());
    one.execute("CREATE TABLE here ()").unwrap();
    other.execute("CREATE TABLE here ()").unwrap();
    assert_ne!(one.role("serving", "").unwrap(), other.role("serving", "").unwrap());
}

#[tokio::test]
async fn statements_over_a_proxy_are_counted_as_round_trips() {
    let Some(postgres) = tools::or_skip(Postgres::shared(PostgresVersion::System)) else { return };
    let database = postgres.fresh_database().unwrap();
    let role = database.role("serving", "").unwrap();
    let link = Proxy::start(postgres.address().unwrap()).unwrap();
    let mut connection = connect(&database.url_through(&link, &role)).await.unwrap();

    let before = link.round_trips();
    for _ in 0..3 {
        sqlx::raw_sql("SELECT 1; SELECT 2").execute(&mut connection).await.unwrap();
    }
    assert_eq!(link.round_trips() - before, 3);
}

#[test]
fn what_postgres_refuses_is_an_error() {
    let Some(postgres) = tools::or_skip(Postgres::shared(PostgresVersion::System)) else { return };
    let database = postgres.fresh_database().unwrap();
    assert!(matches!(database.execute("SELEKT"), Err(Error::Sql(_))));
}
