//! `psql`, as the role that the documents service has.

use demo::World;
use throwaway::tools;

use crate::support::{Ran, run, world, write};

async fn psql(world: &World, sql: &str) -> Option<Ran> {
    let program = tools::or_skip(tools::apt("postgresql-client", "psql"))?;
    let url = world.database.url(&world.serving_role);
    let quiet = ["--no-psqlrc", "--quiet", "--tuples-only", "--no-align"];
    let arguments = [&quiet[..], &["-v", "ON_ERROR_STOP=1", "-v", "VERBOSITY=verbose"]].concat();
    // From standard input, statement by statement as somebody types them: `-c` would make one
    // transaction of all.
    let file = world.folder().join("typed.sql");
    std::fs::write(&file, sql).unwrap();
    let typed = ["--file", file.to_str().unwrap(), &url];
    Some(run(&program, &[&arguments[..], &typed].concat()).await)
}

async fn two_tenants() -> World {
    let world = world().await;
    write(&world, "acme", "Merger plan").await;
    write(&world, "globex", "Doomsday device").await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_binding_there_are_no_rows_to_read_change_or_write() {
    let world = two_tenants().await;
    let sql = "SELECT count(*) FROM documents;
        UPDATE documents SET title = 'x' RETURNING title;
        DELETE FROM documents RETURNING title;
        SET app.tenant_id = '';
        SELECT count(*) FROM documents;";
    let Some(ran) = psql(&world, sql).await else { return };
    assert_eq!(ran.printed(), "0\n0\n");

    let sql = "INSERT INTO documents (title, body) VALUES ('x', '');";
    let Some(ran) = psql(&world, sql).await else { return };
    // Not null, or the policy: whichever Postgres asks first.
    assert!(ran.stderr.contains("42501") || ran.stderr.contains("23502"), "{}", ran.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_transaction_cannot_write_for_another_tenant() {
    let world = two_tenants().await;
    for statement in [
        "INSERT INTO documents (tenant_id, title, body) VALUES ('globex', 'x', '')",
        "UPDATE documents SET tenant_id = 'globex'",
    ] {
        let sql = format!("BEGIN; SET LOCAL app.tenant_id = 'acme'; {statement}; COMMIT;");
        let Some(ran) = psql(&world, &sql).await else { return };
        assert!(ran.stderr.contains("42501"), "{statement}: {}", ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_binding_ends_with_its_transaction() {
    let world = two_tenants().await;
    let sql = "BEGIN; SET LOCAL app.tenant_id = 'acme'; SELECT title FROM documents; COMMIT;
        SELECT title FROM documents;
        BEGIN; SET LOCAL app.tenant_id = 'globex'; SELECT title FROM documents; ROLLBACK;
        SET LOCAL app.tenant_id = 'acme';
        SELECT title FROM documents;";
    let Some(ran) = psql(&world, sql).await else { return };
    assert_eq!(ran.printed(), "Merger plan\nDoomsday device\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_serving_role_cannot_lift_the_policy() {
    let world = two_tenants().await;
    for statement in [
        "ALTER TABLE documents DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE documents NO FORCE ROW LEVEL SECURITY",
        "CREATE POLICY mine ON documents USING (true)",
        "TRUNCATE documents",
        "SET ROLE postgres",
        "CREATE TABLE copy AS SELECT * FROM documents",
    ] {
        let Some(ran) = psql(&world, &format!("{statement};")).await else { return };
        assert!(ran.stderr.contains("42501"), "{statement}: {}", ran.stderr);
    }
}
