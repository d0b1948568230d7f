//! What the role may do with the database itself.

use sqlx::PgConnection;

use super::{Finding, Problem, Scope, reach::grantees, role::serve_as_another};

/// The database and its owner, whether this role is that, and whether it can make schemas.
const DATABASE: &str = concat!(
    "
    SELECT quote_ident(d.datname), quote_ident(pg_get_userbyid(d.datdba)),
        pg_has_role(d.datdba, 'MEMBER'),
        EXISTS (SELECT FROM pg_roles r
            WHERE pg_has_role(r.oid, 'MEMBER') AND has_database_privilege(r.oid, d.oid, 'CREATE')),
        ",
    grantees!("d.datacl", "e.privilege_type = 'CREATE'"),
    "
    FROM pg_database d
    WHERE d.datname = current_database()"
);

/// The schemas in which it can make tables, their owners, and whether this role is that.
const SCHEMAS: &str = concat!(
    "
    SELECT quote_ident(n.nspname), quote_ident(pg_get_userbyid(n.nspowner)),
        pg_has_role(n.nspowner, 'MEMBER'),
        ",
    grantees!("n.nspacl", "e.privilege_type = 'CREATE'"),
    "
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND ($1::text[] = '{}' OR n.nspname = ANY ($1))
        AND EXISTS (SELECT FROM pg_roles r
            WHERE pg_has_role(r.oid, 'MEMBER') AND has_schema_privilege(r.oid, n.oid, 'CREATE'))
    ORDER BY n.nspname"
);

pub(super) async fn check(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let role = &scope.role;
    let (database, owner, owns, creates, grantees): (String, String, bool, bool, Option<String>) =
        sqlx::query_as(DATABASE).persistent(false).fetch_one(&mut *conn).await?;
    if owns {
        // It has every privilege below, which would drown the finding.
        let remedy = disown("DATABASE", &database, &owner, role);
        return Ok(vec![Finding::new(database, Problem::DatabaseOwner, remedy)]);
    }
    let mut findings = Vec::new();
    if creates {
        let remedy = format!(
            "REVOKE CREATE ON DATABASE {database} FROM {};",
            grantees.as_ref().unwrap_or(role)
        );
        findings.push(Finding::new(database, Problem::Creates, remedy));
    }
    let schemas: Vec<(String, String, bool, Option<String>)> = sqlx::query_as(SCHEMAS)
        .bind(&scope.auditor.schemas)
        .persistent(false)
        .fetch_all(conn)
        .await?;
    findings.extend(schemas.into_iter().map(|(schema, owner, owns, grantees)| {
        let remedy = if owns {
            disown("SCHEMA", &schema, &owner, role)
        } else {
            let grantees = grantees.as_ref().unwrap_or(role);
            format!("REVOKE CREATE ON SCHEMA {schema} FROM {grantees};")
        };
        Finding::new(schema, Problem::Creates, remedy)
    }));
    Ok(findings)
}

fn disown(kind: &str, name: &str, owner: &str, role: &str) -> String {
    if owner == role {
        let privilege = if kind == "DATABASE" { "CONNECT" } else { "USAGE" };
        serve_as_another(role, &format!("{privilege} ON {kind} {name}"))
    } else {
        format!("REVOKE {owner} FROM {role};")
    }
}
