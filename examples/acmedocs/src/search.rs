//! The table that is searched. No query has a `WHERE tenant_id`: row-level security adds it, and
//! Postgres fills the column in.

use sqlx::types::Uuid;
use tenantkit::TenantConn;

/// What a document is as of a version.
pub(crate) enum Text<'a> {
    /// Written.
    Is { title: &'a str, body: &'a str },
    /// Deleted.
    Gone,
}

/// Notes what a document is as of `version`, unless something newer is known. So the same change may come
/// again, and changes in any order.
pub(crate) async fn put(
    conn: &mut TenantConn,
    id: Uuid,
    version: i64,
    text: Text<'_>,
) -> sqlx::Result<()> {
    let (title, body) = match text {
        Text::Is { title, body } => (Some(title), Some(body)),
        Text::Gone => (None, None),
    };
    let sql = "INSERT INTO search (id, version, title, words)
        VALUES ($1, $2, $3, to_tsvector('simple', $3 || ' ' || $4))
        ON CONFLICT (tenant_id, id) DO UPDATE
        SET version = EXCLUDED.version, title = EXCLUDED.title, words = EXCLUDED.words
        WHERE search.version < EXCLUDED.version";
    sqlx::query(sql).bind(id).bind(version).bind(title).bind(body).execute(conn).await.map(drop)
}

/// At most `limit` documents that have every word of `query`, in the order of their ids.
pub(crate) async fn find(
    conn: &mut TenantConn,
    query: &str,
    limit: i32,
) -> sqlx::Result<Vec<(Uuid, String)>> {
    let sql = "SELECT id, title FROM search
        WHERE words @@ plainto_tsquery('simple', $1) ORDER BY id LIMIT $2";
    sqlx::query_as(sql).bind(query).bind(limit).fetch_all(conn).await
}
