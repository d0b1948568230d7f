//! The tables that the role can reach.

use sqlx::{PgConnection, Row, postgres::types::Oid};

use super::{Finding, Problem, Scope, role::serve_as_another};

/// A table that the role can reach.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) oid: Oid,
    /// With its schema, as SQL names it.
    pub(super) name: String,
    pub(super) tenant: Option<TenantColumn>,
    foreign: bool,
    enabled: bool,
    forced: bool,
    owner: String,
    owned: bool,
    /// Whether the role may read it.
    pub(super) selects: bool,
    /// Who of this role, those that it can become, and PUBLIC has any privilege.
    grantees: Option<String>,
    /// Privileges that pass row-level security by, and who has them: this role, one that it can become,
    /// or PUBLIC.
    excess: Option<(String, String)>,
}

/// The column of the tenant.
#[derive(Debug)]
pub(super) struct TenantColumn {
    /// As SQL names it.
    pub(super) name: String,
    /// As SQL names it.
    pub(super) type_name: String,
    /// Whether taking it for a text changes nothing in it, so that an index can be used.
    pub(super) is_text: bool,
    /// Whether only the same texts are equal.
    pub(super) is_exact: bool,
}

/// Everything that can be reached by any privilege, or by being its owner.
///
/// By any role that this one can become, whether it inherits its privileges or not.
const REACHABLE: &str = "
    WITH mine AS (SELECT oid FROM pg_roles WHERE pg_has_role(oid, 'MEMBER'))
    SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name,
        c.relkind = 'f' AS is_foreign, c.relrowsecurity, c.relforcerowsecurity,
        quote_ident(pg_get_userbyid(c.relowner)) AS owner,
        pg_has_role(c.relowner, 'MEMBER') AS owned,
        EXISTS (SELECT FROM mine WHERE has_any_column_privilege(mine.oid, c.oid, 'SELECT')) AS selects,
        excess.all_grantees, excess.privileges, excess.grantees,
        quote_ident(a.attname) AS tenant_column,
        format_type(a.atttypid, NULL) AS column_type,
        a.atttypid IN ('text'::regtype, 'varchar'::regtype) AS is_text,
        COALESCE((SELECT collisdeterministic FROM pg_collation l WHERE l.oid = a.attcollation), true)
            AS is_exact
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $3 AND NOT a.attisdropped
    CROSS JOIN LATERAL (
        SELECT string_agg(DISTINCT e.grantee, ', ') AS all_grantees,
            string_agg(DISTINCT e.privilege, ', ') FILTER (WHERE e.passes_by) AS privileges,
            string_agg(DISTINCT e.grantee, ', ') FILTER (WHERE e.passes_by) AS grantees
        FROM (
            SELECT a.privilege_type AS privilege,
                a.privilege_type IN ('TRUNCATE', 'REFERENCES', 'TRIGGER', 'MAINTAIN') AS passes_by,
                CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END
                    AS grantee
            FROM (SELECT * FROM aclexplode(c.relacl)
                UNION ALL SELECT of_column.* FROM pg_attribute it, aclexplode(it.attacl) of_column
                    WHERE it.attrelid = c.oid AND NOT it.attisdropped) a
            WHERE a.grantee = 0 OR pg_has_role(a.grantee, 'MEMBER')) e
    ) excess
    WHERE c.relkind IN ('r', 'p', 'f')
        AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
        AND ($1::text[] = '{}' OR n.nspname = ANY ($1))
        AND NOT format('%s.%s', n.nspname, c.relname) = ANY ($2::text[])
        AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                AND d.deptype = 'e')
        AND (pg_has_role(c.relowner, 'MEMBER')
            OR EXISTS (SELECT FROM mine WHERE has_table_privilege(mine.oid, c.oid,
                    'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                OR has_any_column_privilege(mine.oid, c.oid,
                    'SELECT, INSERT, UPDATE, REFERENCES')))
    ORDER BY name";

pub(super) async fn find(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Table>, sqlx::Error> {
    let rows = sqlx::query(REACHABLE)
        .bind(&scope.auditor.schemas)
        .bind(&scope.auditor.without_tenants)
        .bind(&scope.auditor.column)
        .persistent(false)
        .fetch_all(conn)
        .await?;
    rows.into_iter()
        .map(|row| {
            let tenant = match row.try_get::<Option<String>, _>("tenant_column")? {
                None => None,
                Some(name) => Some(TenantColumn {
                    name,
                    type_name: row.try_get("column_type")?,
                    is_text: row.try_get("is_text")?,
                    is_exact: row.try_get("is_exact")?,
                }),
            };
            Ok(Table {
                oid: row.try_get("oid")?,
                name: row.try_get("name")?,
                tenant,
                foreign: row.try_get("is_foreign")?,
                enabled: row.try_get("relrowsecurity")?,
                forced: row.try_get("relforcerowsecurity")?,
                owner: row.try_get("owner")?,
                owned: row.try_get("owned")?,
                selects: row.try_get("selects")?,
                grantees: row.try_get("all_grantees")?,
                excess: row
                    .try_get::<Option<String>, _>("privileges")?
                    .zip(row.try_get("grantees")?),
            })
        })
        .collect()
}

pub(super) fn check(scope: &Scope<'_>, table: &Table) -> Vec<Finding> {
    let Table { name, owner, .. } = table;
    let role = &scope.role;
    let grantees = table.grantees.as_ref().unwrap_or(role);
    let mut findings = Vec::new();
    let mut found = |problem, remedy| findings.push(Finding::new(name.clone(), problem, remedy));
    if table.owned {
        found(
            Problem::Owner,
            if owner == role {
                serve_as_another(role, &format!("SELECT, INSERT, UPDATE, DELETE ON {name}"))
            } else {
                format!("REVOKE {owner} FROM {role};")
            },
        );
    }
    if table.foreign {
        found(Problem::ForeignTable, format!("REVOKE ALL ON {name} FROM {grantees};"));
        return findings;
    }
    if table.tenant.is_none() {
        found(
            Problem::NoTenantColumn,
            format!(
                "REVOKE ALL ON {name} FROM {grantees}; \
                 -- or declare `Auditor::without_tenants` for it"
            ),
        );
    }
    if !table.enabled {
        found(
            Problem::RlsDisabled,
            format!("ALTER TABLE {name} ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"),
        );
    } else if !table.forced {
        found(Problem::RlsNotForced, format!("ALTER TABLE {name} FORCE ROW LEVEL SECURITY;"));
    }
    // An owner has them whatever is revoked, and is found as such.
    if let Some((privileges, grantees)) = table.excess.as_ref().filter(|_| !table.owned) {
        found(Problem::ExcessGrant, format!("REVOKE {privileges} ON {name} FROM {grantees};"));
    }
    findings
}
