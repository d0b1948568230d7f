//! Publications that make tenants' writes fail.

use sqlx::{PgConnection, postgres::types::Oid};

use super::{Finding, Problem, table::Table};

/// Those that publish updates or deletes, with a filter on a column that is not in the replica identity:
/// Postgres then refuses every `UPDATE` and `DELETE`.
const FILTERED: &str = "
    SELECT quote_ident(p.pubname), format('%I.%I', n.nspname, c.relname)
    FROM pg_publication_rel r
    JOIN pg_publication p ON p.oid = r.prpubid AND (p.pubupdate OR p.pubdelete)
    JOIN pg_class c ON c.oid = r.prrelid AND c.relreplident <> 'f'
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = ANY ($1) AND EXISTS (
        -- Postgres 14 has no filters.
        SELECT FROM regexp_matches(to_jsonb(r) ->> 'prqual', ':varattno (\\d+)', 'g') column_of
        WHERE NOT EXISTS (SELECT FROM pg_index x
            WHERE x.indrelid = c.oid AND column_of[1]::int2 = ANY (x.indkey)
                AND (c.relreplident = 'd' AND x.indisprimary
                    OR c.relreplident = 'i' AND x.indisreplident)))
    ORDER BY 1, 2";

pub(super) async fn check(
    tables: &[Table],
    conn: &mut PgConnection,
) -> Result<Vec<Finding>, sqlx::Error> {
    let oids: Vec<Oid> = tables.iter().map(|it| it.oid).collect();
    let filtered: Vec<(String, String)> =
        sqlx::query_as(FILTERED).bind(oids).persistent(false).fetch_all(conn).await?;
    let found = filtered.into_iter().map(|(publication, table)| {
        let remedy = format!("ALTER TABLE {table} REPLICA IDENTITY FULL;");
        Finding::new(format!("{publication} of {table}"), Problem::Publication, remedy)
    });
    Ok(found.collect())
}
