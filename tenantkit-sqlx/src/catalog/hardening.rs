//! What every new database lets everybody do, and a hardened one does not.

use sqlx::PgConnection;

use super::{Finding, Problem, Scope};
use crate::rls::HARDENING;

/// Whether there is a function that [`HARDENING`] takes away and that the role can still execute.
const FUNCTIONS: &str = "
    SELECT EXISTS (
        SELECT FROM pg_proc f, pg_roles r
        WHERE f.pronamespace = 'pg_catalog'::regnamespace
            AND (f.proname ~ '^lo_' OR f.proname IN ('loread', 'lowrite', 'set_config'))
            AND pg_has_role(r.oid, 'MEMBER') AND has_function_privilege(r.oid, f.oid, 'EXECUTE'))";

const TEMPORARY: &str = "
    SELECT quote_ident(d.datname)
    FROM pg_database d, pg_roles r
    WHERE d.datname = current_database()
        AND pg_has_role(r.oid, 'MEMBER') AND has_database_privilege(r.oid, d.oid, 'TEMPORARY')
    LIMIT 1";

pub(super) async fn check(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let mut findings = Vec::new();
    let role = &scope.role;
    if sqlx::query_scalar(FUNCTIONS).persistent(false).fetch_one(&mut *conn).await? {
        findings.push(Finding::new(role.clone(), Problem::Functions, HARDENING.to_owned()));
    }
    let temporary: Option<String> =
        sqlx::query_scalar(TEMPORARY).persistent(false).fetch_optional(conn).await?;
    if let Some(database) = temporary {
        let remedy = format!("REVOKE TEMPORARY ON DATABASE {database} FROM {role}, PUBLIC;");
        findings.push(Finding::new(database, Problem::Temporary, remedy));
    }
    Ok(findings)
}
