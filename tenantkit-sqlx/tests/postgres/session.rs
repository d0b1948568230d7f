//! What a tenant did to a session is gone before the next borrower.

use std::time::Duration;

use sqlx::Row;
use tenantkit_core::Reason;
use tenantkit_sqlx::{Error, TenantConn, TenantTx};

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

    async fn a_statement_that_a_tenant_prepared_is_run_by_nobody_else(fixture: &Fixture) {
        // Puts the tenant's own statement in the place of the service's.
        fixture
            .database
            .execute(
                "CREATE FUNCTION poison() RETURNS void LANGUAGE plpgsql AS $$
                DECLARE victim text;
                BEGIN
                    SELECT name INTO STRICT victim FROM pg_prepared_statements
                        WHERE statement = 'SELECT title FROM documents';
                    EXECUTE 'DEALLOCATE ' || victim;
                    EXECUTE 'PREPARE ' || victim || ' AS SELECT ''poisoned''::text AS title';
                END $$",
            )
            .unwrap();
        let pool = fixture.pool().await;
        for ending in 0..3 {
            let mut tx = pool.begin(&fixture.acme()).await.unwrap();
            sqlx::query("SELECT title FROM documents").fetch_all(&mut tx).await.unwrap();
            sqlx::query("SELECT poison()").execute(&mut tx).await.unwrap();
            match ending {
                0 => tx.commit().await.unwrap(),
                1 => tx.rollback().await.unwrap(),
                _ => drop(tx),
            }
            let mut tx = pool.begin(&fixture.globex()).await.unwrap();
            let found: Vec<String> = sqlx::query_scalar("SELECT title FROM documents")
                .fetch_all(&mut tx)
                .await
                .unwrap();
            assert_eq!(found, ["plot"]);
            tx.commit().await.unwrap();
        }
    }

    async fn a_connection_whose_statements_were_spoiled_is_not_lent_again(fixture: &Fixture) {
        fixture
            .database
            .execute(
                "CREATE FUNCTION forget() RETURNS void LANGUAGE plpgsql AS $$
                BEGIN EXECUTE 'DEALLOCATE ALL'; END $$",
            )
            .unwrap();
        let pool = fixture.pool().await;
        let titles = async || -> Result<Vec<String>, sqlx::Error> {
            let mut tx = pool.begin(&fixture.globex()).await.unwrap();
            let found =
                sqlx::query_scalar("SELECT title FROM documents").fetch_all(&mut tx).await?;
            tx.commit().await.unwrap();
            Ok(found)
        };
        titles().await.unwrap();
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query("SELECT forget()").execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        // The first borrower meets it, and is the last who does.
        titles().await.unwrap_err();
        assert_eq!(titles().await.unwrap(), ["plot"]);

        // Also where a savepoint takes the error away.
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query("SELECT forget()").execute(&mut tx).await.unwrap();
        let mut attempt = tx.savepoint().await.unwrap();
        let met = sqlx::query("SELECT title FROM documents").execute(&mut attempt).await;
        met.unwrap_err();
        attempt.rollback().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(titles().await.unwrap(), ["plot"]);
    }

    async fn a_connection_that_is_spoiled_after_a_stream_was_dropped_is_not_lent_again(fixture: &Fixture) {
        use futures_util::TryStreamExt;

        // As where what a cached statement reads was changed under it.
        fixture
            .database
            .execute(
                "CREATE FUNCTION late(n int) RETURNS int LANGUAGE plpgsql AS $$
                BEGIN
                    IF n = 5000 THEN RAISE 'late' USING ERRCODE = '0A000'; END IF;
                    RETURN n;
                END $$",
            )
            .unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let first = pid(&mut tx).await;
        let mut rows = sqlx::query("SELECT late(n) FROM generate_series(1, 9000) n").fetch(&mut tx);
        rows.try_next().await.unwrap().unwrap();
        drop(rows);
        tx.rollback().await.unwrap();
        assert_ne!(pid(&mut pool.begin(&fixture.globex()).await.unwrap()).await, first);
    }

    async fn a_statement_cached_under_another_search_path_reads_the_real_table(fixture: &Fixture) {
        let pool = fixture.pool().await;
        fixture
            .database
            .execute(
                "CREATE SCHEMA front; GRANT USAGE ON SCHEMA front TO PUBLIC;
                 CREATE TABLE front.documents (title) AS VALUES ('forged');
                 GRANT SELECT ON front.documents TO PUBLIC",
            )
            .unwrap();
        let titles = async |tx: &mut TenantTx| -> Vec<String> {
            sqlx::query_scalar("SELECT title FROM documents").fetch_all(tx).await.unwrap()
        };
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let first = pid(&mut tx).await;
        sqlx::query("SET search_path = front, public").execute(&mut tx).await.unwrap();
        assert_eq!(titles(&mut tx).await, ["forged"]);
        tx.commit().await.unwrap();
        let mut tx = pool.begin(&fixture.globex()).await.unwrap();
        assert_eq!(titles(&mut tx).await, ["plot"]);
        assert_eq!(pid(&mut tx).await, first);
    }

    async fn a_connection_that_believes_in_a_tenants_own_type_is_not_lent_again(fixture: &Fixture) {
        #[derive(Debug, PartialEq, sqlx::Type)]
        #[sqlx(type_name = "mood", rename_all = "lowercase")]
        enum Mood {
            Happy,
        }
        fixture.database.execute("CREATE TYPE mood AS ENUM ('happy')").unwrap();
        let pool = fixture.pool().await;
        let mood = async |tx: &mut TenantTx, sql: &'static str| -> Result<Mood, sqlx::Error> {
            sqlx::query_scalar(sql).bind(Mood::Happy).fetch_one(tx).await
        };
        // sqlx looks the type up by its name, and remembers what it finds.
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let shadow = "CREATE TYPE pg_temp.mood AS ENUM ('happy')";
        sqlx::query(shadow).execute(&mut tx).await.unwrap();
        mood(&mut tx, "SELECT $1").await.unwrap();
        tx.commit().await.unwrap();

        // The first borrower meets it, in another statement too, and is the last who does.
        let mut tx = pool.begin(&fixture.globex()).await.unwrap();
        mood(&mut tx, "SELECT $1 AS mood").await.unwrap_err();
        drop(tx);
        let mut tx = pool.begin(&fixture.globex()).await.unwrap();
        assert_eq!(mood(&mut tx, "SELECT $1 AS mood").await.unwrap(), Mood::Happy);
    }

    async fn a_transaction_that_does_nothing_is_ended(fixture: &Fixture) {
        let url = fixture.database.url(&fixture.serving);
        let pool = fixture.builder(1).idle_timeout(Duration::from_millis(300)).connect(&url).await.unwrap();
        let tx = pool.begin(&fixture.acme()).await.unwrap();
        // Ended by Postgres, while it is still held here.
        let admin = fixture.admin().await;
        fixture.no_transaction_is_open(&admin).await;
        let refused = tx.commit().await.unwrap_err();
        assert!(matches!(refused, Error::TimedOut(_)), "{refused:?}");
        assert_eq!(refused.refusal().unwrap().reason(), Reason::DependencyUnavailable);

        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        fixture.no_transaction_is_open(&admin).await;
        let refused = sqlx::query("SELECT 1").execute(&mut tx).await.unwrap_err();
        assert!(matches!(Error::from(refused), Error::TimedOut(_)));
        drop(tx);

        // Also one that was aborted, and with it what was set for it only.
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let session = pid(&mut tx).await;
        sqlx::query("SELECT 1 / 0").execute(&mut tx).await.unwrap_err();
        let patience = std::time::Instant::now() + Duration::from_secs(10);
        while sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1)")
            .bind(session)
            .fetch_one(&admin)
            .await
            .unwrap()
        {
            assert!(std::time::Instant::now() < patience, "it is held still");
        }
        assert!(matches!(tx.commit().await, Err(Error::TimedOut(_))));
        pool.begin(&fixture.globex()).await.unwrap().rollback().await.unwrap();
    }

    async fn a_transaction_of_many_short_statements_is_ended_too(fixture: &Fixture) {
        let url = fixture.database.url(&fixture.serving);
        let pool = fixture
            .builder(1)
            .transaction_timeout(Duration::from_millis(500))
            .connect(&url)
            .await
            .unwrap();
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let known: Option<String> =
            sqlx::query_scalar("SELECT current_setting('transaction_timeout', true)")
                .fetch_one(&mut tx)
                .await
                .unwrap();
        // Only from 17 on; before, the transaction has to begin without it.
        if known.is_some() {
            let many = async {
                loop {
                    if let Err(refused) = sqlx::query("SELECT 1").execute(&mut tx).await {
                        return Error::from(refused);
                    }
                }
            };
            let patience = Duration::from_secs(10);
            let refused = tokio::time::timeout(patience, many).await.unwrap();
            assert!(matches!(refused, Error::TimedOut(_)), "{refused:?}");
            drop(tx);
            pool.begin(&fixture.globex()).await.unwrap().rollback().await.unwrap();
        }
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
