//! Functions that run as somebody else, or as another tenant.

use sqlx::{PgConnection, Row};

use super::{
    Finding, Problem, Scope,
    reach::{grantees, reaching},
};

/// Those that the role can call, with whether their owner sees more than a tenant: it is above
/// row-level security, has policies of its own, or reaches a table that is not protected. A function of
/// a trigger is called by nobody, and what an owner may that the role can become is found as such.
const FUNCTIONS: &str = reaching!(
    ",
    callable AS (
        SELECT f.*, f.oid::regprocedure::text AS function,
            EXISTS (SELECT FROM unnest(f.proconfig) s
                WHERE s ~* '^app\\.(tenant_id|cross_tenant)=') AS rebinds
        FROM pg_proc f
        JOIN pg_namespace n ON n.oid = f.pronamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
            AND ($1::text[] = '{}' OR n.nspname = ANY ($1))
            AND NOT EXISTS (
                SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = f.oid
                    AND d.deptype = 'e')
            AND f.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
            AND EXISTS (SELECT FROM mine WHERE has_function_privilege(mine.oid, f.oid, 'EXECUTE'))
            AND EXISTS (SELECT FROM mine WHERE has_schema_privilege(mine.oid, n.oid, 'USAGE')))
    SELECT f.function, f.rebinds,
        o.rolsuper OR o.rolbypassrls
            OR EXISTS (SELECT FROM pg_policy p, unnest(p.polroles) r
                WHERE r <> 0 AND pg_has_role(f.proowner, r, 'USAGE'))
            OR EXISTS (SELECT FROM tenants t JOIN pg_class c ON c.oid = t.oid
                WHERE (NOT c.relrowsecurity
                        OR NOT c.relforcerowsecurity AND pg_has_role(f.proowner, c.relowner, 'USAGE'))
                    AND has_any_column_privilege(f.proowner, c.oid, 'SELECT, INSERT, UPDATE'))
            AS sees_more,
        ",
    grantees!("COALESCE(f.proacl, acldefault('f', f.proowner))"),
    " AS grantees
    FROM callable f
    JOIN pg_roles o ON o.oid = f.proowner
    WHERE f.rebinds OR f.prosecdef AND NOT pg_has_role(f.proowner, 'MEMBER')
    ORDER BY 1"
);

pub(super) async fn check(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let rows = sqlx::query(FUNCTIONS)
        .bind(&scope.auditor.schemas)
        .bind(&scope.auditor.without_tenants)
        .bind(&scope.auditor.column)
        .persistent(false)
        .fetch_all(conn)
        .await?;
    rows.into_iter()
        .map(|row| {
            let function: String = row.try_get("function")?;
            let problem = if row.try_get("rebinds")? {
                Problem::RebindingFunction
            } else if row.try_get("sees_more")? {
                Problem::DefinerFunction
            } else {
                Problem::OwnersFunction
            };
            let grantees: Option<String> = row.try_get("grantees")?;
            let remedy = if problem == Problem::RebindingFunction {
                format!("ALTER ROUTINE {function} RESET app.tenant_id RESET app.cross_tenant;")
            } else {
                format!(
                    "REVOKE EXECUTE ON ROUTINE {function} FROM {}; \
                     -- or ALTER ROUTINE {function} SECURITY INVOKER;",
                    grantees.as_deref().unwrap_or("PUBLIC")
                )
            };
            Ok(Finding::new(function, problem, remedy))
        })
        .collect()
}
