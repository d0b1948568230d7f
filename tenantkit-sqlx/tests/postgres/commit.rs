//! What the commit verifies, and what it says.

use std::time::Duration;

use tenantkit_core::{AuditAction, Door, Reason, RefusalCode};
use tenantkit_sqlx::Error;

use super::fixture::{Fixture, on_each_server, pid};

const INSERT: &str = "INSERT INTO documents (id, title) VALUES (2, 'new')";

async fn saved(fixture: &Fixture) -> i64 {
    let admin = fixture.admin().await;
    sqlx::query_scalar("SELECT count(*) FROM documents WHERE id <> 1")
        .fetch_one(&admin)
        .await
        .unwrap()
}

on_each_server! {
    async fn an_insert_needs_no_tenant_column(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let tenant: String = sqlx::query_scalar(
            "INSERT INTO documents (id, title) VALUES (2, 'new') RETURNING tenant_id")
            .fetch_one(&mut tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
        assert_eq!((&*tenant, saved(fixture).await), ("acme", 1));
    }

    async fn a_row_of_another_tenant_cannot_be_written(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let foreign = "INSERT INTO documents (tenant_id, id, title) VALUES ('globex', 2, 'x')";
        let refused = Error::from(sqlx::query(foreign).execute(&mut tx).await.unwrap_err());
        assert!(matches!(refused, Error::RowForbidden(_)), "{refused:?}");
        let refusal = refused.refusal().unwrap();
        assert_eq!(refusal.code(), RefusalCode::NotAllowed);
        let event = fixture.authority.audited().pop().unwrap();
        assert_eq!(event.action, AuditAction::Refused(refusal));
        assert_eq!(event.tenant.unwrap(), "acme");
        drop(tx);

        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let others = "UPDATE documents SET title = 'x' WHERE tenant_id = 'globex'";
        let updated = sqlx::query(others).execute(&mut tx).await.unwrap();
        assert_eq!(updated.rows_affected(), 0);
        let moved = sqlx::query("UPDATE documents SET tenant_id = 'globex', id = 7").execute(&mut tx);
        assert!(matches!(Error::from(moved.await.unwrap_err()), Error::RowForbidden(_)));
        drop(tx);
        assert_eq!(saved(fixture).await, 0);
    }

    async fn a_commit_of_an_aborted_transaction_errs(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let first = pid(&mut tx).await;
        sqlx::query(INSERT).execute(&mut tx).await.unwrap();
        sqlx::query("SELECT 1 / 0").execute(&mut tx).await.unwrap_err();
        let refused = tx.commit().await;
        assert!(matches!(refused, Err(Error::CommitAborted)), "{refused:?}");
        assert_eq!(saved(fixture).await, 0);
        assert_eq!(pid(&mut pool.begin(&fixture.acme()).await.unwrap()).await, first);
    }

    async fn a_commit_whose_binding_is_lost_errs(fixture: &Fixture) {
        // The injected statement that no scanner of statements can see.
        fixture.database.execute(
            "CREATE FUNCTION innocent() RETURNS text LANGUAGE sql
                AS $$ SELECT set_config('app.tenant_id', 'globex', true) $$").unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query("SELECT innocent()").execute(&mut tx).await.unwrap();
        sqlx::query(INSERT).execute(&mut tx).await.unwrap();
        let refused = tx.commit().await;
        assert!(matches!(refused, Err(Error::BindingLost)), "{refused:?}");
        assert_eq!(saved(fixture).await, 0);
        let events = fixture.authority.audited();
        let event = events.last().unwrap();
        let Some(AuditAction::Refused(refusal)) = events.last().map(|it| it.action) else {
            panic!("not audited: {events:?}");
        };
        assert_eq!(refusal.door(), Door::Transaction);
        assert_eq!(event.tenant.unwrap(), "acme");

        // Also where operators and functions of the same names stand in front.
        fixture.database.execute(
            "CREATE SCHEMA front; GRANT USAGE ON SCHEMA front TO PUBLIC;
             CREATE FUNCTION front.eq(text, text) RETURNS boolean LANGUAGE sql AS 'SELECT true';
             CREATE OPERATOR front.= (FUNCTION = front.eq, LEFTARG = text, RIGHTARG = text);
             CREATE FUNCTION front.current_setting(text, boolean) RETURNS text LANGUAGE sql
                AS $$ SELECT 'acme' $$").unwrap();
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query("SET LOCAL search_path = front, pg_catalog, public").execute(&mut tx).await.unwrap();
        sqlx::query("SELECT innocent()").execute(&mut tx).await.unwrap();
        let refused = tx.commit().await;
        assert!(matches!(refused, Err(Error::BindingLost)), "{refused:?}");
    }

    async fn without_execute_on_set_config_a_query_cannot_rebind(fixture: &Fixture) {
        fixture.database.execute(
            "CREATE FUNCTION innocent() RETURNS text LANGUAGE sql
                AS $$ SELECT set_config('app.tenant_id', 'globex', true) $$").unwrap();
        fixture.database.execute(tenantkit_sqlx::rls::HARDENING).unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let union = "SELECT title FROM documents UNION ALL SELECT innocent()";
        let refused = Error::from(sqlx::query(union).fetch_all(&mut tx).await.unwrap_err());
        assert_eq!(refused.sqlstate(), Some("42501"));
        drop(tx);
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        let object = "SELECT lo_from_bytea(0, 'for everybody')";
        let refused = Error::from(sqlx::query(object).execute(&mut tx).await.unwrap_err());
        assert_eq!(refused.sqlstate(), Some("42501"));
        drop(tx);
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query(INSERT).execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(saved(fixture).await, 1);
    }

    async fn a_commit_that_a_deferred_constraint_refuses_errs(fixture: &Fixture) {
        fixture.database.execute(
            "ALTER TABLE documents ADD UNIQUE (tenant_id, title) DEFERRABLE INITIALLY DEFERRED")
            .unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query("INSERT INTO documents (id, title) VALUES (2, 'plan')")
            .execute(&mut tx).await.unwrap();
        let refused = tx.commit().await.unwrap_err();
        assert_eq!(refused.sqlstate(), Some("23505"));
        assert!(!refused.to_string().contains("plan"), "{refused}");
        assert_eq!(saved(fixture).await, 0);
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query(INSERT).execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn a_link_that_breaks_during_the_commit_is_told_as_what_it_is(fixture: &Fixture) {
        let (link, pool) = fixture.over_link().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query(INSERT).execute(&mut tx).await.unwrap();
        link.set_delay(Duration::from_millis(200));
        let sent = link.bytes_to_server();
        let commit = tokio::spawn(tx.commit());
        while link.bytes_to_server() == sent {
            tokio::task::yield_now().await;
        }
        link.cut();
        let refused = commit.await.unwrap().unwrap_err();
        assert!(matches!(refused, Error::CommitUnknown(_)), "{refused:?}");
        // It may be saved, and nobody is told that it was not.
        let refusal = refused.refusal().unwrap();
        assert_eq!(refusal.reason(), Reason::OutcomeUnknown);
        assert_eq!(refusal.code().http_status(), 503);
    }

    async fn a_read_only_transaction_stays_read_only(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin_read_only(&fixture.acme()).await.unwrap();
        // As the first statement, Postgres would let each of them.
        for sql in ["SET TRANSACTION READ WRITE", "SET LOCAL TRANSACTION READ WRITE"] {
            let refused = sqlx::query(sql).execute(&mut tx).await.unwrap_err();
            assert!(matches!(Error::from(refused), Error::Statement(_)));
        }
        let refused = Error::from(sqlx::query(INSERT).execute(&mut tx).await.unwrap_err());
        assert_eq!(refused.sqlstate(), Some("25006"));
    }
}
