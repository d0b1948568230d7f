//! Statements that are refused, and all the ways to send one.

use sqlx::{AssertSqlSafe, Executor as _};
use tenantkit_sqlx::{Error, StatementRefused, TenantConn};

use super::fixture::{on_each_server, pid};

/// A repository function, for a transaction and for a savepoint.
async fn titles(conn: &mut TenantConn) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT title FROM documents ORDER BY id").fetch_all(conn).await
}

on_each_server! {
    async fn what_ends_or_rebinds_is_refused_and_costs_nothing(fixture: &Fixture) {
        let (link, pool) = fixture.over_link().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let sent = link.bytes_to_server();
        for sql in ["/* x */ COMMIT", "SET LOCAL app.tenant_id = 'globex'", "SELECT 1; COMMIT"] {
            let ways = [
                sqlx::query(sql).execute(&mut tx).await.map(drop),
                sqlx::raw_sql(sql).execute(&mut tx).await.map(drop),
                (&mut tx).execute(sql).await.map(drop),
                (&mut tx).fetch_all(AssertSqlSafe(sql.to_owned())).await.map(drop),
                (&mut tx).prepare(sqlx::SqlStr::from_static(sql)).await.map(drop),
                (&mut tx).describe(sqlx::SqlStr::from_static(sql)).await.map(drop),
            ];
            for way in ways {
                let refused = Error::from(way.unwrap_err());
                assert!(matches!(refused, Error::Statement(_)), "{sql}: {refused:?}");
            }
        }
        assert_eq!(link.bytes_to_server(), sent);
        tx.commit().await.unwrap();
    }

    async fn several_statements_are_impossible_also_where_they_are_not_recognised(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        // What leads with CREATE may have semicolons in it.
        let sql = "CREATE TEMPORARY TABLE a (); COMMIT";
        let refused = sqlx::raw_sql(sql).execute(&mut tx).await.unwrap_err();
        assert_eq!(Error::from(refused).sqlstate(), Some("42601"));
        drop(tx);
    }

    async fn a_repository_function_works_in_a_transaction_and_in_a_savepoint(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        assert_eq!(titles(&mut tx).await.unwrap(), ["plan"]);
        let mut savepoint = tx.savepoint().await.unwrap();
        (&mut savepoint).execute("DELETE FROM documents").await.unwrap();
        assert_eq!(titles(&mut savepoint).await.unwrap(), [""; 0]);
        savepoint.rollback().await.unwrap();
        assert_eq!(titles(&mut tx).await.unwrap(), ["plan"]);
        tx.commit().await.unwrap();
    }

    async fn a_savepoint_restores_the_binding_and_the_transaction(fixture: &Fixture) {
        fixture.database.execute(
            "CREATE FUNCTION innocent() RETURNS text LANGUAGE sql
                AS $$ SELECT set_config('app.tenant_id', 'globex', true) $$").unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let mut savepoint = tx.savepoint().await.unwrap();
        sqlx::query("SELECT innocent()").execute(&mut savepoint).await.unwrap();
        let refused = savepoint.release().await;
        assert!(matches!(refused, Err(Error::BindingLost)), "{refused:?}");
        assert_eq!(titles(&mut tx).await.unwrap(), ["plan"]);

        let mut savepoint = tx.savepoint().await.unwrap();
        sqlx::query("SELECT 1 / 0").execute(&mut savepoint).await.unwrap_err();
        let refused = savepoint.release().await;
        assert!(matches!(refused, Err(Error::CommitAborted)), "{refused:?}");
        assert_eq!(titles(&mut tx).await.unwrap(), ["plan"]);
        tx.commit().await.unwrap();
    }

    async fn a_savepoint_in_an_aborted_transaction_does_not_revive_it(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        tx.savepoint().await.unwrap().release().await.unwrap();
        sqlx::query("SELECT 1 / 0").execute(&mut tx).await.unwrap_err();
        tx.savepoint().await.unwrap_err();
        sqlx::query("SELECT 1").execute(&mut tx).await.unwrap_err();
        let refused = tx.commit().await;
        assert!(matches!(refused, Err(Error::CommitAborted)), "{refused:?}");
    }

    async fn a_finished_savepoint_is_released_with_the_next(fixture: &Fixture) {
        let admin = fixture.admin().await;
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let pid = pid(&mut tx).await;
        let last = async || -> String {
            sqlx::query_scalar("SELECT query FROM pg_stat_activity WHERE pid = $1")
                .bind(pid)
                .fetch_one(&admin)
                .await
                .unwrap()
        };
        let mut outer = tx.savepoint().await.unwrap();
        outer.savepoint().await.unwrap().release().await.unwrap();
        outer.release().await.unwrap();
        tx.savepoint().await.unwrap().rollback().await.unwrap();
        let _open = tx.savepoint().await.unwrap();
        assert_eq!(last().await, "RELEASE SAVEPOINT tenantkit_3; SAVEPOINT tenantkit_4");
    }

    async fn many_savepoints_in_a_row_do_not_pile_up(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        for turn in 0..30 {
            let mut outer = tx.savepoint().await.unwrap();
            let mut inner = outer.savepoint().await.unwrap();
            sqlx::query("INSERT INTO documents (id, title) VALUES ($1, 'x')")
                .bind(100 + turn)
                .execute(&mut inner)
                .await
                .unwrap();
            match turn % 3 {
                0 => inner.release().await.unwrap(),
                1 => inner.rollback().await.unwrap(),
                _ => drop(inner),
            }
            if turn % 2 == 0 {
                outer.release().await.unwrap();
            }
        }
        tx.commit().await.unwrap();
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let kept: Vec<i64> = sqlx::query_scalar("SELECT id FROM documents WHERE id >= 100 ORDER BY id")
            .fetch_all(&mut tx)
            .await
            .unwrap();
        assert_eq!(kept, [100, 106, 112, 118, 124]);
    }

    async fn swapping_two_transactions_swaps_everything(fixture: &Fixture) {
        let url = fixture.database.url(&fixture.serving);
        let pool = fixture.builder(2).connect(&url).await.unwrap();
        let mut one = pool.begin(&fixture.acme()).await.unwrap();
        let mut other = pool.begin(&fixture.globex()).await.unwrap();
        std::mem::swap::<TenantConn>(&mut one, &mut other);
        assert_eq!(one.context().tenant(), "globex");
        assert_eq!(titles(&mut one).await.unwrap(), ["plot"]);
        one.commit().await.unwrap();
        other.commit().await.unwrap();
    }

    async fn swapping_away_a_savepoint_loses_no_write_unnoticed(fixture: &Fixture) {
        let url = fixture.database.url(&fixture.serving);
        let pool = fixture.builder(2).connect(&url).await.unwrap();
        let mut one = pool.begin(&fixture.acme()).await.unwrap();
        let mut other = pool.begin(&fixture.globex()).await.unwrap();
        let insert = "INSERT INTO documents (id, title) VALUES ($1, 'x')";
        let mut kept = one.savepoint().await.unwrap();
        sqlx::query(insert).bind(2_i64).execute(&mut kept).await.unwrap();
        kept.release().await.unwrap();
        let mut of_one = one.savepoint().await.unwrap();
        let mut of_other = other.savepoint().await.unwrap();
        std::mem::swap::<TenantConn>(&mut of_one, &mut of_other);
        drop(of_one);
        drop(of_other);
        for tx in [one, other] {
            let refused = tx.commit().await;
            assert!(
                matches!(refused, Err(Error::Statement(StatementRefused::MixedUp))),
                "{refused:?}"
            );
        }
    }

    async fn a_forgotten_savepoint_takes_those_that_were_finished_in_it_along(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let insert = "INSERT INTO documents (id, title) VALUES ($1, 'x')";
        sqlx::query(insert).bind(2_i64).execute(&mut tx).await.unwrap();
        let mut outer = tx.savepoint().await.unwrap();
        sqlx::query(insert).bind(3_i64).execute(&mut outer).await.unwrap();
        outer.savepoint().await.unwrap().release().await.unwrap();
        #[expect(clippy::mem_forget, reason = "it is what is tested")]
        std::mem::forget(outer);
        tx.commit().await.unwrap();
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let saved: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM documents ORDER BY id").fetch_all(&mut tx).await.unwrap();
        assert_eq!(saved, [1, 2]);
    }

    async fn a_forgotten_savepoint_is_not_committed(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let insert = "INSERT INTO documents (id, title) VALUES ($1, 'x')";
        sqlx::query(insert).bind(2_i64).execute(&mut tx).await.unwrap();
        let mut savepoint = tx.savepoint().await.unwrap();
        sqlx::query(insert).bind(3_i64).execute(&mut savepoint).await.unwrap();
        #[expect(clippy::mem_forget, reason = "it is what is tested")]
        std::mem::forget(savepoint);
        tx.commit().await.unwrap();
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let saved: Vec<i64> =
            sqlx::query_scalar("SELECT id FROM documents ORDER BY id").fetch_all(&mut tx).await.unwrap();
        assert_eq!(saved, [1, 2]);
    }

    async fn a_procedure_cannot_end_the_transaction(fixture: &Fixture) {
        fixture
            .database
            .execute(
                "CREATE PROCEDURE ends() LANGUAGE plpgsql AS $$
                BEGIN
                    INSERT INTO documents (id, title) VALUES (2, 'x');
                    COMMIT;
                END $$",
            )
            .unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let refused = sqlx::query("CALL ends()").execute(&mut tx).await.unwrap_err();
        assert_eq!(Error::from(refused).sqlstate(), Some("2D000"));
        assert!(matches!(tx.commit().await, Err(Error::CommitAborted)));
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        assert_eq!(titles(&mut tx).await.unwrap(), ["plan"]);
    }

    async fn what_is_let_through_never_calls_set_config(fixture: &Fixture) {
        // What ends a string, and what does not. Postgres itself says which of it is a call.
        const PIECES: [&str; 14] = [
            "'", "\\'", "\n'", "E'", ",", "/*'*/", "--'", "$$", "\"", " ", "1", "\\", "U&'",
            ",set_config($q$app.tenant_id$q$,$q$globex$q$,true)",
        ];
        const BEGINS: [&str; 6] = ["", "E'a", "E'", "1", "1e5", "'"];
        // Always the same statements.
        let mut state = 88_172_645_463_325_252_u64;
        let mut choose = |ways: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 11) as usize % ways
        };
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let (mut sent, mut understood) = (0, 0);
        for _ in 0..60_000 {
            let mut sql = format!("SELECT {}", BEGINS[choose(BEGINS.len())]);
            for _ in 0..3 + choose(7) {
                sql += PIECES[choose(PIECES.len())];
            }
            if !sql.contains("set_config") {
                continue;
            }
            let mut attempt = tx.savepoint().await.unwrap();
            let query = sqlx::query(AssertSqlSafe(sql.clone())).persistent(false);
            match query.execute(&mut attempt).await.map_err(Error::from) {
                Err(Error::Statement(_)) => continue,
                Err(_) => sent += 1,
                Ok(_) => {
                    understood += 1;
                    let kept = attempt.release().await;
                    assert!(kept.is_ok(), "it rebinds: {sql:?}");
                }
            }
        }
        assert!(sent > 100 && understood > 100, "{sent} sent, {understood} understood");
    }

    async fn copy_is_refused_before_it_can_hang_the_connection(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let refused = sqlx::query("COPY documents FROM STDIN").execute(&mut tx).await.unwrap_err();
        assert!(matches!(Error::from(refused), Error::Statement(StatementRefused::Copy)));
        assert_eq!(titles(&mut tx).await.unwrap(), ["plan"]);
    }

    async fn the_checked_macros_work(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let found = sqlx::query!(
            r#"SELECT $1::text AS "given!", current_setting('app.tenant_id') AS "tenant!""#,
            "x"
        )
        .fetch_one(&mut tx)
        .await
        .unwrap();
        assert_eq!((&*found.given, &*found.tenant), ("x", "acme"));
        tx.commit().await.unwrap();
    }

    async fn a_statement_can_be_prepared_and_described(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let sql = "SELECT title FROM documents";
        let statement = (&mut tx).prepare(sqlx::SqlStr::from_static(sql)).await.unwrap();
        let titles: Vec<String> = sqlx::Statement::query_scalar(&statement)
            .fetch_all(&mut tx)
            .await
            .unwrap();
        assert_eq!(titles, ["plan"]);
        let described = (&mut tx).describe(sqlx::SqlStr::from_static(sql)).await.unwrap();
        assert_eq!(described.columns().len(), 1);
        tx.commit().await.unwrap();
    }
}
