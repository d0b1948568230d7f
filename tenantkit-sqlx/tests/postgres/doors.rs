//! Who is let in, and what they see.

use std::time::Duration;

use tenantkit_core::{
    AuditAction, Grant, Reason, RefusalCode, Subject, TenantRecord, TenantStatus, Text,
    test_util::TestAuthority,
};
use tenantkit_sqlx::{CrossTenantPool, Error};
use throwaway::tools;

use super::fixture::{Fixture, on_each_server};

fn grant() -> Grant {
    let actor = Subject::new(Text::new("test").unwrap(), Text::new("operator").unwrap());
    Grant::new(actor, Text::new("ticket 7").unwrap(), Duration::from_secs(60))
}

/// A role of its own, with the policies that the kit gives it.
async fn support(fixture: &Fixture) -> String {
    let role = fixture.database.role("support", "").unwrap();
    let open = format!("SELECT tenantkit.open_across('documents', '{role}')");
    fixture.database.execute(open).unwrap();
    fixture.database.url(&role)
}

fn reason<T: std::fmt::Debug>(result: Result<T, Error>) -> Reason {
    match result {
        Err(Error::Refused(refusal)) => refusal.reason(),
        other => panic!("not refused: {other:?}"),
    }
}

on_each_server! {
    async fn the_door_refuses_what_every_door_refuses(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let foreign = TestAuthority::new().context("acme");
        assert_eq!(reason(pool.begin(&foreign).await), Reason::ForeignAuthority);

        let (acme, globex) = (fixture.acme(), fixture.globex());
        let inside = acme.scope(async { reason(pool.begin(&globex).await) }).unwrap().await;
        assert_eq!(inside, Reason::ScopeDisagrees);

        fixture.authority.change("acme", |mut record| {
            record.status = TenantStatus::Suspended;
            record
        });
        assert_eq!(reason(pool.begin(&acme).await), Reason::TenantSuspended);
        fixture.authority.clock().advance(Duration::from_secs(300));
        assert_eq!(reason(pool.begin(&globex).await), Reason::Expired);
        assert_eq!(reason(pool.begin_read_only(&globex).await), Reason::Expired);
    }

    async fn what_was_begun_before_the_expiry_may_be_committed(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        fixture.authority.clock().advance(Duration::from_secs(300));
        let insert = "INSERT INTO documents (id, title) VALUES (2, 'x')";
        sqlx::query(insert).execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn system_work_sees_no_tenants_rows(fixture: &Fixture) {
        let pool = fixture.pool().await;
        let work = fixture.authority().system_work(TestAuthority::SYSTEM, grant()).await.unwrap();
        let mut tx = pool.begin_system(&work).await.unwrap();
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM documents").fetch_one(&mut tx).await.unwrap();
        let insert = "INSERT INTO documents (tenant_id, id, title) VALUES ('acme', 2, 'x')";
        let refused = Error::from(sqlx::query(insert).execute(&mut tx).await.unwrap_err());
        assert_eq!(count, 0);
        assert!(matches!(refused, Error::RowForbidden(_)), "{refused:?}");
        assert!(matches!(tx.commit().await, Err(Error::CommitAborted)));

        fixture.authority.clock().advance(Duration::from_secs(60));
        assert_eq!(reason(pool.begin_system(&work).await), Reason::Expired);
    }

    async fn work_of_no_tenant_that_turns_to_a_tenants_rows_is_told_to_the_audit_log(
        fixture: &Fixture
    ) {
        fixture.database.execute(
            "CREATE FUNCTION innocent() RETURNS text LANGUAGE sql
                AS $$ SELECT set_config('app.tenant_id', 'acme', true) $$").unwrap();
        let told = || {
            let event = fixture.authority.audited().pop().unwrap();
            let AuditAction::Refused(refusal) = event.action else { panic!("{event:?}") };
            assert_eq!((refusal.reason(), event.tenant), (Reason::BindingLost, None));
            (event.capability.unwrap(), event.why.unwrap())
        };
        let why: Text = "ticket 7".parse().unwrap();

        let work = fixture.authority().system_work(TestAuthority::SYSTEM, grant()).await.unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin_system(&work).await.unwrap();
        sqlx::query("SELECT innocent()").execute(&mut tx).await.unwrap();
        assert!(matches!(tx.commit().await, Err(Error::BindingLost)));
        assert_eq!(told(), (TestAuthority::SYSTEM.name(), why.clone()));

        let pool = CrossTenantPool::connect(&support(fixture).await, fixture.authority()).await.unwrap();
        let work = fixture.authority().cross_tenant(TestAuthority::CROSS, grant()).await.unwrap();
        let mut tx = pool.begin(&work).await.unwrap();
        sqlx::query("SELECT innocent()").execute(&mut tx).await.unwrap();
        assert!(matches!(tx.commit().await, Err(Error::BindingLost)));
        assert_eq!(told(), (TestAuthority::CROSS.name(), why));
    }

    async fn an_empty_binding_is_no_error_where_the_tenant_is_a_uuid(fixture: &Fixture) {
        let sql = format!(
            "CREATE TABLE notes (tenant_id uuid, id bigint, PRIMARY KEY (tenant_id, id));
             SELECT tenantkit.protect('notes', '{}')",
            fixture.serving
        );
        fixture.database.execute(sql).unwrap();
        let id = "0e3f8f3c-9d0f-4f2b-8b35-5d1f7f1b8a11";
        let gold = fixture.acme().tier();
        fixture.authority.directory().set(id.parse().unwrap(), TenantRecord::active(gold));
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.authority.context(id)).await.unwrap();
        sqlx::query("INSERT INTO notes (id) VALUES (1)").execute(&mut tx).await.unwrap();
        tx.commit().await.unwrap();

        // The same session, in which the setting is empty from now on, and not null.
        let work = fixture.authority().system_work(TestAuthority::SYSTEM, grant()).await.unwrap();
        let mut tx = pool.begin_system(&work).await.unwrap();
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM notes").fetch_one(&mut tx).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(count, 0);
    }

    async fn psql_as_the_serving_role_sees_nothing_until_it_says_who_it_is(fixture: &Fixture) {
        let Some(psql) = tools::or_skip(tools::apt("postgresql-client", "psql")) else { return };
        let said = |commands: &[&str]| {
            let commands = commands.iter().flat_map(|command| ["-c", command]);
            let output = std::process::Command::new(&psql)
                .args(["-X", "-q", "-A", "-t", &fixture.database.url(&fixture.serving)])
                .args(commands)
                .output()
                .unwrap();
            String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
        };
        let select = "SELECT title FROM documents";
        assert_eq!(said(&[select]), "");
        assert_eq!(said(&["SET app.tenant_id = 'acme'", select]), "plan\n");
        assert_eq!(said(&["SET row_security = off", select]).matches("ERROR").count(), 1);
        let insert = "INSERT INTO documents (tenant_id, id, title) VALUES ('acme', 2, 'x')";
        assert!(said(&[insert]).contains("row-level security"));
        assert!(said(&["TRUNCATE documents"]).contains("permission denied"));
        assert!(said(&["ALTER TABLE documents DISABLE ROW LEVEL SECURITY"]).contains("must be owner"));
    }

    async fn cross_tenant_work_sees_all_rows_and_is_audited_before(fixture: &Fixture) {
        let pool = CrossTenantPool::connect(&support(fixture).await, fixture.authority()).await.unwrap();
        let work = fixture.authority().cross_tenant(TestAuthority::CROSS, grant()).await.unwrap();
        let audited = fixture.authority.audited().len();
        let mut tx = pool.begin(&work).await.unwrap();
        let events = fixture.authority.audited();
        let used = &events[audited];
        assert_eq!(used.action, AuditAction::Granted);
        assert_eq!(used.actor.as_ref(), Some(work.actor()));
        assert_eq!(used.why.as_ref(), Some(work.reason()));
        assert_eq!(used.expires, Some(work.expires()));

        let titles: Vec<String> = sqlx::query_scalar("SELECT title FROM documents ORDER BY title")
            .fetch_all(&mut tx)
            .await
            .unwrap();
        assert_eq!(titles, ["plan", "plot"]);
        tx.commit().await.unwrap();

        let mut tx = pool.begin(&work).await.unwrap();
        let refused = Error::from(sqlx::query("CREATE TABLE a ()").execute(&mut tx).await.unwrap_err());
        assert_eq!(refused.sqlstate(), Some("25006"));
        drop(tx);
        let mut tx = pool.begin_read_write(&work).await.unwrap();
        let refused = sqlx::query("UPDATE documents SET title = 'x'").execute(&mut tx).await.unwrap_err();
        assert_eq!(Error::from(refused).sqlstate(), Some("42501"));
        drop(tx);

        let inside = fixture.acme().scope(async { reason(pool.begin(&work).await) }).unwrap().await;
        assert_eq!(inside, Reason::ScopeDisagrees);
        fixture.authority.clock().advance(Duration::from_secs(60));
        assert_eq!(reason(pool.begin(&work).await), Reason::Expired);
    }

    async fn the_serving_role_cannot_read_across_by_saying_so(fixture: &Fixture) {
        support(fixture).await;
        fixture.database.execute(
            "CREATE FUNCTION innocent() RETURNS text LANGUAGE sql
                AS $$ SELECT set_config('app.cross_tenant', 'on', true) $$").unwrap();
        let pool = fixture.pool().await;
        let mut tx = pool.begin(&fixture.acme()).await.unwrap();
        sqlx::query("SELECT innocent()").execute(&mut tx).await.unwrap();
        let titles: Vec<String> =
            sqlx::query_scalar("SELECT title FROM documents").fetch_all(&mut tx).await.unwrap();
        assert_eq!(titles, ["plan"]);
    }

    async fn a_serving_role_that_can_become_the_cross_tenant_one_is_refused(fixture: &Fixture) {
        let role = fixture.database.role("second", "").unwrap();
        let open = format!(
            "SELECT tenantkit.open_across('documents', '{role}'); GRANT {role} TO {}",
            fixture.serving
        );
        fixture.database.execute(open).unwrap();
        let url = fixture.database.url(&fixture.serving);
        let refused = fixture.builder(1).connect(&url).await;
        assert!(matches!(refused, Err(Error::Unsafe(_))), "{refused:?}");
    }
}

#[test]
fn an_error_answers_as_the_table_of_refusals_says() {
    let unavailable = Error::from(sqlx::Error::PoolTimedOut).refusal().unwrap();
    assert_eq!(unavailable.code(), RefusalCode::Overloaded);
    assert!(unavailable.wait().is_some());
    assert_eq!(Error::from(sqlx::Error::RowNotFound).refusal(), None);
}
