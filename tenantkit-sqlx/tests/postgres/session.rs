//! What a tenant did to a session is gone before the next borrower.

use sqlx::Row;
use tenantkit_sqlx::{TenantConn, TenantTx};

use super::fixture::{Fixture, on_each_server, pid};

/// By way of a function, because most of this is refused as a statement.
const DIRT: &str = "
    CREATE SEQUENCE numbers;
    GRANT USAGE ON SEQUENCE numbers TO PUBLIC;
    CREATE FUNCTION dirty() RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM set_config('app.tenant_id', 'acme', false);
        PERFORM set_config('work_mem', '77MB', false);
        PERFORM set_config('app.user', 'somebody', false);
        PERFORM pg_advisory_lock(7);
        PERFORM nextval('numbers');
        EXECUTE 'CREATE TEMPORARY TABLE documents (title text)';
        EXECUTE 'INSERT INTO documents VALUES (''acme'')';
        EXECUTE 'LISTEN acme';
        EXECUTE 'DECLARE kept CURSOR WITH HOLD FOR SELECT 1';
        PERFORM set_config('search_path', 'pg_temp', false);
        EXECUTE 'SET SESSION ROLE other';
        PERFORM set_config('app.tenant_id', 'acme', true);
    END $$;";

async fn make_dirty(conn: &mut TenantConn) {
    sqlx::query("SELECT dirty()").execute(&mut *conn).await.unwrap();
    let role: bool = sqlx::query_scalar("SELECT current_user::text LIKE 'other%'")
        .fetch_one(conn)
        .await
        .unwrap();
    assert!(role);
}

async fn is_clean(fixture: &Fixture, tx: &mut TenantTx) {
    let row = sqlx::query(
        "SELECT current_setting('work_mem') = '77MB' AS setting,
            coalesce(current_setting('app.user', true), '') <> '' AS custom,
            EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())
                AS lock,
            EXISTS (SELECT FROM pg_listening_channels()) AS listens,
            EXISTS (SELECT FROM pg_cursors WHERE is_holdable) AS cursor,
            EXISTS (SELECT FROM pg_class WHERE relpersistence = 't'
                AND relnamespace = pg_my_temp_schema()) AS temporary,
            current_user::text <> session_user::text AS role,
            current_setting('TimeZone') <> 'UTC' AS sqlx_lost",
    )
    .fetch_one(&mut *tx)
    .await
    .unwrap();
    let dirt: Vec<_> = row
        .columns()
        .iter()
        .filter(|column| row.get::<bool, _>(sqlx::Column::ordinal(*column)))
        .map(|column| sqlx::Column::name(column).to_owned())
        .collect();
    assert!(dirt.is_empty(), "{dirt:?}");
    let found: Vec<String> =
        sqlx::query_scalar("SELECT title FROM documents").fetch_all(&mut *tx).await.unwrap();
    assert_eq!(found, ["plot"]);
    let last = sqlx::query("SELECT lastval()").execute(&mut *tx).await.unwrap_err();
    let last = last.into_database_error().unwrap();
    assert_eq!(last.code().as_deref(), Some("55000"), "{}", fixture.serving);
}

async fn soil(fixture: &Fixture) {
    let other = fixture.database.role("other", "").unwrap();
    let dirt = DIRT.replace("ROLE other", &format!("ROLE {other}"));
    fixture
        .database
        .execute(format!(
            "{dirt} GRANT {other} TO {0}; GRANT SELECT ON documents TO {other}",
            fixture.serving
        ))
        .unwrap();
}

on_each_server! {
    async fn a_session_is_clean_after_a_commit(fixture: &Fixture) {
        soil(fixture).await;
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let first = pid(&mut tx).await;
        make_dirty(&mut tx).await;
        tx.commit().await.unwrap();
        let mut tx = pool.begin(&fixture.globex()).await.unwrap();
        assert_eq!(pid(&mut tx).await, first);
        is_clean(fixture, &mut tx).await;
    }

    async fn a_session_is_clean_after_a_rollback(fixture: &Fixture) {
        soil(fixture).await;
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let first = pid(&mut tx).await;
        make_dirty(&mut tx).await;
        tx.rollback().await.unwrap();
        let mut tx = pool.begin(&fixture.globex()).await.unwrap();
        assert_eq!(pid(&mut tx).await, first);
        is_clean(fixture, &mut tx).await;
    }

    async fn a_session_is_clean_after_a_drop(fixture: &Fixture) {
        soil(fixture).await;
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let first = pid(&mut tx).await;
        make_dirty(&mut tx).await;
        drop(tx);
        let mut tx = pool.begin(&fixture.globex()).await.unwrap();
        assert_eq!(pid(&mut tx).await, first);
        is_clean(fixture, &mut tx).await;
    }

    async fn what_the_pool_was_given_at_start_survives_the_cleaning(fixture: &Fixture) {
        let options: sqlx::postgres::PgConnectOptions =
            fixture.database.url(&fixture.serving).parse().unwrap();
        let options = options.options([("work_mem", "33MB")]).application_name("acmedocs");
        let pool = fixture.builder(1).connect_with(options).await.unwrap();
        for _ in 0..2 {
            let mut tx = pool.begin(&fixture.acme()).await.unwrap();
            let (memory, name): (String, String) = sqlx::query_as(
                "SELECT current_setting('work_mem'), current_setting('application_name')")
                .fetch_one(&mut tx)
                .await
                .unwrap();
            assert_eq!((&*memory, &*name), ("33MB", "acmedocs"));
            tx.commit().await.unwrap();
        }
    }
}
