//! Whether the schemas that are to be looked at are there.

use sqlx::PgConnection;

use super::{Finding, Problem, Scope};

/// Those that are asked for and that the role cannot see into.
const MISSING: &str = "
    SELECT quote_ident(asked.name)
    FROM unnest($1::text[]) AS asked(name)
    LEFT JOIN pg_namespace n ON n.nspname = asked.name
    WHERE n.oid IS NULL OR NOT has_schema_privilege(n.oid, 'USAGE')
    ORDER BY 1";

pub(super) async fn check(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let missing: Vec<String> = sqlx::query_scalar(MISSING)
        .bind(&scope.auditor.schemas)
        .persistent(false)
        .fetch_all(conn)
        .await?;
    let finding = |schema: String| {
        let role = &scope.role;
        let remedy = format!(
            "CREATE SCHEMA IF NOT EXISTS {schema}; GRANT USAGE ON SCHEMA {schema} TO {role};"
        );
        Finding::new(schema, Problem::NoSchema, remedy)
    };
    Ok(missing.into_iter().map(finding).collect())
}
