//! What the role is, and what it can become.

use sqlx::PgConnection;

use super::{Finding, Problem, Scope};

/// Who this is, as SQL names it.
pub(super) async fn current(conn: &mut PgConnection) -> Result<String, sqlx::Error> {
    sqlx::query_scalar("SELECT quote_ident(current_user)").persistent(false).fetch_one(conn).await
}

/// A role by name: whether the server was made with it, and then each of the attributes.
type Row = (String, bool, bool, bool, bool, bool, bool, bool);

/// What to do where the service connects as the role of the migrations. Taking a superuser's attributes
/// or an owner's tables away would lock out whoever migrates.
pub(super) fn serve_as_another(role: &str, grant: &str) -> String {
    format!(
        "-- {role} is the role of the migrations: let it be, and serve with another\n\
         CREATE ROLE serving LOGIN;\n\
         GRANT {grant} TO serving;"
    )
}

/// Whoever takes its attributes from the superuser that the server was made with may lock everybody out.
const SERVE_AS_ANOTHER: &str = "-- the service connects as the server's first superuser: give it a role of its own\n\
    CREATE ROLE serving LOGIN;\n\
    -- and for each table with tenants: SELECT tenantkit.protect('...', 'serving');";

pub(super) async fn check(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    // A superuser counts as a member of every role, so only itself is asked about.
    let roles: Vec<Row> = sqlx::query_as(
        "SELECT quote_ident(r.rolname), r.oid = 10, r.rolsuper, r.rolbypassrls, r.rolreplication, r.rolcreaterole,
             r.rolname IN ('pg_execute_server_program', 'pg_read_server_files',
                 'pg_write_server_files'),
             r.rolname ~ '^pg_' AND r.rolname NOT IN ('pg_execute_server_program',
                 'pg_read_server_files', 'pg_write_server_files', 'pg_database_owner')
         FROM pg_roles r, pg_roles me
         WHERE me.rolname = current_user
             AND (r.oid = me.oid OR NOT me.rolsuper AND pg_has_role(me.oid, r.oid, 'MEMBER'))
         ORDER BY r.oid <> me.oid, r.rolname",
    )
    .persistent(false)
    .fetch_all(conn)
    .await?;
    let mut findings = Vec::new();
    for (role, first, superuser, bypass, replication, create_role, server, predefined) in roles {
        let attributes = [
            (superuser, Problem::Superuser, "NOSUPERUSER"),
            (bypass, Problem::BypassRls, "NOBYPASSRLS"),
            (replication, Problem::Replication, "NOREPLICATION"),
            (create_role, Problem::CreateRole, "NOCREATEROLE"),
            (server, Problem::ServerAccess, ""),
            (predefined, Problem::PredefinedRole, ""),
        ];
        // Whatever else a superuser may is no finding of its own.
        let found = attributes.into_iter().filter(|(has, ..)| *has);
        for (_, problem, without) in found.take(if superuser { 1 } else { usize::MAX }) {
            let remedy = if first && role == scope.role {
                SERVE_AS_ANOTHER.to_owned()
            } else if role == scope.role {
                format!("ALTER ROLE {role} {without};")
            } else {
                format!("REVOKE {role} FROM {};", scope.role)
            };
            findings.push(Finding::new(role.clone(), problem, remedy));
        }
    }
    Ok(findings)
}
