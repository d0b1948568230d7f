//! The views that the role can read.

use sqlx::PgConnection;

use super::{Finding, Problem, Scope, reach::grantees};

/// What a view shows that runs as its owner depends on that owner's policies, and on each table in it:
/// more than is looked at here.
const READABLE: &str = concat!(
    "
    WITH mine AS (SELECT oid FROM pg_roles WHERE pg_has_role(oid, 'MEMBER'))
    SELECT format('%I.%I', n.nspname, c.relname) AS name, c.relkind = 'm',
        ",
    grantees!("c.relacl"),
    "
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND ($1::text[] = '{}' OR n.nspname = ANY ($1))
        AND NOT format('%s.%s', n.nspname, c.relname) = ANY ($2::text[])
        AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.deptype = 'e')
        AND (c.relkind = 'm' OR c.relkind = 'v'
            AND NOT COALESCE(c.reloptions && '{security_invoker=true,security_invoker=on}', false))
        AND EXISTS (SELECT FROM mine WHERE has_table_privilege(mine.oid, c.oid,
                'SELECT, INSERT, UPDATE, DELETE')
            OR has_any_column_privilege(mine.oid, c.oid, 'SELECT, INSERT, UPDATE'))
    ORDER BY name"
);

pub(super) async fn check(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let views: Vec<(String, bool, Option<String>)> = sqlx::query_as(READABLE)
        .bind(&scope.auditor.schemas)
        .bind(&scope.auditor.without_tenants)
        .persistent(false)
        .fetch_all(conn)
        .await?;
    let found = views.into_iter().map(|(name, materialized, grantees)| {
        let grantees = grantees.as_ref().unwrap_or(&scope.role);
        let (problem, remedy) = if materialized {
            (Problem::MaterializedView, format!("REVOKE ALL ON {name} FROM {grantees};"))
        } else {
            (Problem::DefinerView, format!("ALTER VIEW {name} SET (security_invoker = true);"))
        };
        Finding::new(name, problem, remedy)
    });
    Ok(found.collect())
}
