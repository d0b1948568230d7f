//! Foreign keys that do not compare the tenants.
//!
//! Postgres checks a foreign key, and does what it says on a delete, past row-level security. So one
//! tenant's row can hang on another's; whether it may tells that the other is there; and it is deleted
//! with the other, or keeps it from being deleted.

use sqlx::{PgConnection, Row, postgres::PgRow};

use super::{Finding, Problem, Scope, reach::reaching};

/// `changes` is whether a statement of the role's, on the table that is referenced, has an action on
/// rows of tenants.
const FOREIGN_KEYS: &str = reaching!(
    ",
    names AS (
        SELECT c.oid, format('%I.%I', n.nspname, c.relname) AS name, c.relname
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace),
    keys AS (
        SELECT con.*, t.name AS tenant, r.name AS referenced_tenant, r.attnum AS referenced_attnum,
            r.oid IS NOT NULL AND con.conrelid IN (SELECT oid FROM written) AS tells,
            t.oid IS NOT NULL AND (
                con.confdeltype IN ('c', 'n', 'd') AND EXISTS (SELECT FROM mine
                    WHERE has_table_privilege(mine.oid, con.confrelid, 'DELETE'))
                OR con.confupdtype IN ('c', 'n', 'd') AND EXISTS (SELECT FROM mine
                    WHERE has_any_column_privilege(mine.oid, con.confrelid, 'UPDATE'))) AS changes
        FROM pg_constraint con
        LEFT JOIN tenants t ON t.oid = con.conrelid
        LEFT JOIN tenants r ON r.oid = con.confrelid
        WHERE con.contype = 'f' AND con.conparentid = 0
            -- Only Postgres 18 knows it.
            AND COALESCE((to_jsonb(con) ->> 'conenforced')::boolean, true)
            AND NOT EXISTS (SELECT FROM generate_subscripts(con.conkey, 1) k
                WHERE con.conkey[k] = t.attnum AND con.confkey[k] = r.attnum))
    SELECT quote_ident(k.conname) AS key, child.name AS child, parent.name AS parent,
        k.tenant, k.referenced_tenant, k.changes,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY o)
            FROM unnest(k.conkey) WITH ORDINALITY u(n, o)
            JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n) AS columns,
        (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY o)
            FROM unnest(k.confkey) WITH ORDINALITY u(n, o)
            JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.n) AS referenced,
        k.confdeltype::text AS on_delete, k.confupdtype::text AS on_update,
        k.condeferrable, k.condeferred,
        quote_ident(left('tenantkit_' || parent.relname, 54) || '_' ||
            left(md5(k.confkey::text), 8)) AS unique_name,
        EXISTS (SELECT FROM pg_index x
            WHERE x.indrelid = k.confrelid AND x.indisunique AND x.indimmediate AND x.indisvalid
                AND x.indpred IS NULL AND x.indnkeyatts = cardinality(k.confkey) + 1
                AND k.referenced_attnum = ANY (x.indkey)
                AND NOT EXISTS (SELECT FROM unnest(k.confkey) c WHERE c <> ALL (x.indkey))
            ) AS has_unique
    FROM keys k
    JOIN names child ON child.oid = k.conrelid
    JOIN names parent ON parent.oid = k.confrelid
    WHERE k.tells OR k.changes
    ORDER BY 2, 1"
);

pub(super) async fn check(
    scope: &Scope<'_>,
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let rows = sqlx::query(FOREIGN_KEYS)
        .bind(&scope.auditor.schemas)
        .bind(&scope.auditor.without_tenants)
        .bind(&scope.auditor.column)
        .persistent(false)
        .fetch_all(conn)
        .await?;
    rows.iter()
        .map(|row| {
            let (key, child): (&str, &str) = (row.try_get("key")?, row.try_get("child")?);
            let problem = if row.try_get("changes")? {
                Problem::CascadeAcrossTenants
            } else {
                Problem::ForeignKeyAcrossTenants
            };
            Ok(Finding::new(format!("{key} on {child}"), problem, remedy(row)?))
        })
        .collect()
}

fn remedy(row: &PgRow) -> Result<String, sqlx::Error> {
    let text = |name| row.try_get::<&str, _>(name);
    let maybe = |name| row.try_get::<Option<&str>, _>(name);
    let (key, child, parent) = (text("key")?, text("child")?, text("parent")?);
    let (columns, referenced) = (text("columns")?, text("referenced")?);
    let drop = format!("ALTER TABLE {child} DROP CONSTRAINT {key}");
    let Some(tenant) = maybe("tenant")? else {
        return Ok(format!("{drop}; -- or give {child} a column of the tenant as well"));
    };
    let deferred = match (row.try_get("condeferrable")?, row.try_get("condeferred")?) {
        (true, true) => " DEFERRABLE INITIALLY DEFERRED",
        (true, false) => " DEFERRABLE",
        _ => "",
    };
    let add = format!("{drop}, ADD CONSTRAINT {key} FOREIGN KEY");
    let Some(referenced_tenant) = maybe("referenced_tenant")? else {
        // Without its actions, a delete is refused where any tenant's row hangs on it.
        return Ok(format!("{add} ({columns}) REFERENCES {parent} ({referenced}){deferred};"));
    };
    let on_delete = match text("on_delete")? {
        "r" => " ON DELETE RESTRICT".to_owned(),
        "c" => " ON DELETE CASCADE".to_owned(),
        // Without the list, the tenant would be set to null as well.
        "n" => format!(" ON DELETE SET NULL ({columns})"),
        "d" => format!(" ON DELETE SET DEFAULT ({columns})"),
        _ => String::new(),
    };
    // There is no such list for an update.
    let on_update = match text("on_update")? {
        "r" => " ON UPDATE RESTRICT",
        "c" => " ON UPDATE CASCADE",
        _ => "",
    };
    let unique = if row.try_get("has_unique")? {
        String::new()
    } else {
        let name = text("unique_name")?;
        format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {parent} ({referenced_tenant}, {referenced});\n"
        )
    };
    Ok(format!(
        "{unique}{add} ({tenant}, {columns}) \
         REFERENCES {parent} ({referenced_tenant}, {referenced}){on_delete}{on_update}{deferred};"
    ))
}
