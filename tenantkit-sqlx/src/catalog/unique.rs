//! Keys that are unique over all tenants.
//!
//! A duplicate is refused whoever's it is: an insert tells one tenant what another has, and takes a
//! value away from all others. Where the value is a number of a sequence or a UUID, a caller learns only
//! of ids that it may choose and can guess.

use sqlx::{PgConnection, Row};

use super::{Finding, Problem, Scope, reach::reaching};

const UNIQUE: &str = reaching!(
    "
    SELECT format('%I.%I', n.nspname, c.relname) AS on_table,
        format('%I.%I', n.nspname, i.relname) AS index,
        quote_ident(i.relname) AS index_name,
        quote_ident(con.conname) AS key,
        pg_get_constraintdef(con.oid) AS definition,
        pg_get_indexdef(i.oid) AS index_definition,
        t.name AS tenant,
        EXISTS (
            SELECT FROM pg_attribute a
            LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
            WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey)
                AND (a.atttypid = 'uuid'::regtype OR a.attidentity <> ''
                    OR pg_get_expr(d.adbin, d.adrelid) ~ '^nextval\\(')) AS is_id
    FROM written w
    JOIN tenants t ON t.oid = w.oid
    JOIN pg_class c ON c.oid = w.oid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_index x ON x.indrelid = c.oid AND (x.indisunique OR x.indisexclusion)
    JOIN pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
    LEFT JOIN pg_constraint con ON con.conindid = i.oid AND con.conrelid = c.oid
        AND con.contype IN ('p', 'u', 'x')
    WHERE NOT EXISTS (
        SELECT FROM generate_series(0, x.indnkeyatts - 1) k
        WHERE x.indkey[k] = t.attnum AND (con.conexclop IS NULL OR EXISTS (
            SELECT FROM pg_operator o WHERE o.oid = con.conexclop[k + 1] AND o.oprname = '=')))
    ORDER BY 1, 2"
);

pub(super) async fn check(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let rows = sqlx::query(UNIQUE)
        .bind(&scope.auditor.schemas)
        .bind(&scope.auditor.without_tenants)
        .bind(&scope.auditor.column)
        .persistent(false)
        .fetch_all(conn)
        .await?;
    rows.into_iter()
        .map(|row| {
            let table: String = row.try_get("on_table")?;
            let tenant: String = row.try_get("tenant")?;
            let name: String = row.try_get("index_name")?;
            let remedy = match row.try_get::<Option<String>, _>("key")? {
                Some(key) => replaced(&table, &key, &tenant, row.try_get("definition")?),
                None => {
                    let index: String = row.try_get("index")?;
                    let definition: &str = row.try_get("index_definition")?;
                    let definition = definition.replacen(" ON ONLY ", " ON ", 1);
                    let led = led(&definition, " USING btree (", &format!("{tenant}, "));
                    format!("DROP INDEX {index};\n{led};")
                }
            };
            let problem = if row.try_get("is_id")? {
                Problem::IdAcrossTenants
            } else {
                Problem::UniqueAcrossTenants
            };
            Ok(Finding::new(format!("{name} on {table}"), problem, remedy))
        })
        .collect()
}

/// The constraint, led by the tenant.
fn replaced(table: &str, key: &str, tenant: &str, definition: &str) -> String {
    let exclusion = definition.starts_with("EXCLUDE ");
    let first = if exclusion { format!("{tenant} WITH =, ") } else { format!("{tenant}, ") };
    let led = led(definition, "(", &first);
    // What such an index needs to know of a text.
    let gist =
        exclusion && definition.contains(" gist ") || definition.contains("WITHOUT OVERLAPS");
    let extension = if gist { "CREATE EXTENSION IF NOT EXISTS btree_gist;\n" } else { "" };
    format!("{extension}ALTER TABLE {table} DROP CONSTRAINT {key}, ADD CONSTRAINT {key} {led};")
}

/// `first` behind the place where the columns begin.
fn led(definition: &str, begin: &str, first: &str) -> String {
    definition.replacen(begin, &format!("{begin}{first}"), 1)
}
