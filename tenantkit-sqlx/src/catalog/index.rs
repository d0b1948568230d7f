//! Indexes that are missing, and indexes that are of no use.
//!
//! Neither leaks: the queries of every tenant read every tenant's rows, and are slow.

use sqlx::{PgConnection, postgres::types::Oid};

use super::{Finding, Problem, Scope, table::Table};

const MISSING: &str = "
    SELECT c.oid
    FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $2
    WHERE c.oid = ANY ($1)
        AND NOT EXISTS (SELECT FROM pg_index x
            WHERE x.indrelid = c.oid AND x.indkey[0] = a.attnum AND x.indisvalid
                AND x.indpred IS NULL)
        AND NOT EXISTS (SELECT FROM pg_partitioned_table p
            WHERE p.partrelid = c.oid AND p.partattrs[0] = a.attnum)";

/// Indexes of which an operator or an expression is not leakproof. A unique one has its use.
const USELESS: &str = "
    SELECT format('%I.%I', n.nspname, i.relname)
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid AND NOT i.relispartition
    JOIN pg_am m ON m.oid = i.relam
    JOIN pg_namespace n ON n.oid = i.relnamespace
    WHERE x.indrelid = ANY ($1) AND NOT x.indisunique AND NOT x.indisexclusion
        AND (EXISTS (
                SELECT FROM generate_series(0, x.indnkeyatts - 1) k
                JOIN pg_opclass c ON c.oid = x.indclass[k]
                JOIN pg_amop s ON s.amopfamily = c.opcfamily AND s.amoplefttype = c.opcintype
                    AND s.amoppurpose = 's'
                JOIN pg_operator o ON o.oid = s.amopopr
                JOIN pg_proc f ON f.oid = o.oprcode
                WHERE NOT f.proleakproof AND CASE m.amname
                    WHEN 'hash' THEN s.amopstrategy = 1
                    WHEN 'btree' THEN s.amopstrategy = 3 AND s.amoprighttype = c.opcintype
                    ELSE true END)
            OR EXISTS (
                SELECT FROM regexp_matches(x.indexprs::text, ':(?:funcid|opfuncid) (\\d+)', 'g') f
                JOIN pg_proc p ON p.oid = f[1]::oid
                WHERE NOT p.proleakproof))
    ORDER BY 1";

pub(super) async fn check(
    scope: &Scope<'_>,
    tables: &[Table],
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let tenants = || tables.iter().filter_map(|it| Some((it, it.tenant.as_ref()?)));
    let oids: Vec<Oid> = tenants().map(|(table, _)| table.oid).collect();
    let missing: Vec<Oid> = sqlx::query_scalar(MISSING)
        .bind(&oids)
        .bind(&scope.auditor.column)
        .persistent(false)
        .fetch_all(&mut *conn)
        .await?;
    let mut findings: Vec<_> = tenants()
        .filter(|(table, _)| missing.contains(&table.oid))
        .map(|(table, column)| {
            let remedy = format!("CREATE INDEX ON {} ({});", table.name, column.name);
            Finding::new(table.name.clone(), Problem::NoTenantIndex, remedy)
        })
        .collect();
    let useless: Vec<String> =
        sqlx::query_scalar(USELESS).bind(&oids).persistent(false).fetch_all(conn).await?;
    findings.extend(useless.into_iter().map(|index| {
        let remedy = format!(
            "DROP INDEX {index}; -- of use are text, uuid, integers, dates; for an expression, an \
             index on the tenant and a column GENERATED ALWAYS AS (...) STORED"
        );
        Finding::new(index, Problem::NotLeakproof, remedy)
    }));
    Ok(findings)
}
