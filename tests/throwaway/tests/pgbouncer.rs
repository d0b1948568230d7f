//! What a test may rely on when it asks for a PgBouncer.

use std::net::TcpStream;

use sqlx::{Connection, PgConnection};
use throwaway::{PgBouncer, Postgres, PostgresVersion, tools};

#[tokio::test]
async fn clients_share_a_session_and_find_what_others_left_in_it() {
    let Some(postgres) = tools::or_skip(Postgres::shared(PostgresVersion::System)) else {
        return;
    };
    let Some(bouncer) = tools::or_skip(PgBouncer::start(postgres, 1)) else {
        return;
    };
    let database = postgres.fresh_database().unwrap();
    let role = database.role("serving", "NOBYPASSRLS").unwrap();
    let url = database.url_at(bouncer.address(), &role);
    let mut one = PgConnection::connect(&url).await.unwrap();
    let mut other = PgConnection::connect(&url).await.unwrap();

    sqlx::raw_sql("SET app.tenant_id = 'acme'").execute(&mut one).await.unwrap();
    let row = sqlx::raw_sql("SELECT current_setting('app.tenant_id', true)")
        .fetch_one(&mut other)
        .await
        .unwrap();
    assert_eq!(sqlx::Row::get::<String, _>(&row, 0), "acme");

    let address = bouncer.address();
    drop(bouncer);
    assert!(TcpStream::connect(address).is_err());
}
