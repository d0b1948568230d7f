//! What several checks ask in the same way.
//!
//! In each of these queries `$1` are the schemas to look at, all where there are none; `$2` the tables
//! without tenants; `$3` the column of the tenant.

/// A query after these:
///
/// - `mine`: the roles that this one is or can become, whether it inherits from them or not.
/// - `tenants`: the tables with tenants' rows, wherever they are, with the column of the tenant.
/// - `written`: the tables into which the role writes, with whatever is below them: a partition's own
///   keys hold for a row that came by its parent.
macro_rules! reaching {
    ($($query:expr),+) => {
        concat!(
            "WITH RECURSIVE mine AS (SELECT oid FROM pg_roles WHERE pg_has_role(oid, 'MEMBER')),
            tenants AS (
                SELECT c.oid, a.attnum, quote_ident(a.attname) AS name
                FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = $3 AND NOT a.attisdropped
                WHERE c.relkind IN ('r', 'p')
                    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                    AND NOT format('%s.%s', n.nspname, c.relname) = ANY ($2::text[])),
            written AS (
                SELECT c.oid
                FROM pg_class c
                JOIN pg_namespace n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p')
                    AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
                    AND ($1::text[] = '{}' OR n.nspname = ANY ($1))
                    AND EXISTS (SELECT FROM mine
                        WHERE has_table_privilege(mine.oid, c.oid, 'INSERT, UPDATE')
                            OR has_any_column_privilege(mine.oid, c.oid, 'INSERT, UPDATE'))
                UNION
                SELECT i.inhrelid FROM pg_inherits i JOIN written w ON w.oid = i.inhparent)",
            $($query),+
        )
    };
}
pub(super) use reaching;

/// Who of this role, those that it can become, and `PUBLIC` has privileges by an access list, and a
/// condition on its entries `e`. Revoking from the role alone would leave what comes by another.
macro_rules! grantees {
    ($list:literal) => {
        grantees!($list, "true")
    };
    ($list:literal, $condition:literal) => {
        concat!(
            "(SELECT string_agg(DISTINCT CASE e.grantee WHEN 0 THEN 'PUBLIC'
                ELSE quote_ident(pg_get_userbyid(e.grantee)) END, ', ')
            FROM aclexplode(",
            $list,
            ") e WHERE ",
            $condition,
            " AND (e.grantee = 0 OR pg_has_role(e.grantee, 'MEMBER')))"
        )
    };
}
pub(super) use grantees;
