//! The documents in Postgres. No query has a `WHERE tenant_id`: row-level security adds it, and
//! Postgres fills the column in.

use sqlx::{FromRow, types::Uuid};
use tenantkit::TenantConn;

/// A row of a tenant.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    /// Random, so that it tells nothing.
    pub(super) id: Uuid,
    /// The heading.
    pub(super) title: String,
    /// The text.
    pub(super) body: String,
    /// How often it was written.
    pub(super) version: i64,
}

/// Adds a document.
pub(super) async fn insert(conn: &mut TenantConn, title: &str, body: &str) -> sqlx::Result<Row> {
    let sql =
        "INSERT INTO documents (title, body) VALUES ($1, $2) RETURNING id, title, body, version";
    sqlx::query_as(sql).bind(title).bind(body).fetch_one(conn).await
}

/// One document.
pub(super) async fn find(conn: &mut TenantConn, id: Uuid) -> sqlx::Result<Row> {
    sqlx::query_as("SELECT id, title, body, version FROM documents WHERE id = $1")
        .bind(id)
        .fetch_one(conn)
        .await
}

/// Changes a document.
pub(super) async fn update(
    conn: &mut TenantConn,
    id: Uuid,
    title: &str,
    body: &str,
) -> sqlx::Result<Row> {
    sqlx::query_as(
        "UPDATE documents SET title = $2, body = $3, version = version + 1
        WHERE id = $1 RETURNING id, title, body, version",
    )
    .bind(id)
    .bind(title)
    .bind(body)
    .fetch_one(conn)
    .await
}

/// Removes a document. Gives the version that this is of it.
pub(super) async fn delete(conn: &mut TenantConn, id: Uuid) -> sqlx::Result<i64> {
    sqlx::query_scalar("DELETE FROM documents WHERE id = $1 RETURNING version + 1")
        .bind(id)
        .fetch_one(conn)
        .await
}

/// At most `limit` documents behind `after`, in the order of their ids, without their bodies.
pub(super) async fn headings(
    conn: &mut TenantConn,
    after: Option<Uuid>,
    limit: i32,
) -> sqlx::Result<Vec<(Uuid, String)>> {
    sqlx::query_as("SELECT id, title FROM documents WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.unwrap_or(Uuid::nil()))
        .bind(limit)
        .fetch_all(conn)
        .await
}

/// At most `limit` documents behind `after`, in the order of their ids.
pub(super) async fn page(
    conn: &mut TenantConn,
    after: Option<Uuid>,
    limit: i32,
) -> sqlx::Result<Vec<Row>> {
    let sql = "SELECT id, title, body, version FROM documents WHERE id > $1 ORDER BY id LIMIT $2";
    sqlx::query_as(sql).bind(after.unwrap_or(Uuid::nil())).bind(limit).fetch_all(conn).await
}
