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
}

/// Adds a document.
pub(super) async fn insert(conn: &mut TenantConn, title: &str, body: &str) -> sqlx::Result<Row> {
    sqlx::query_as("INSERT INTO documents (title, body) VALUES ($1, $2) RETURNING id, title, body")
        .bind(title)
        .bind(body)
        .fetch_one(conn)
        .await
}

/// One document.
pub(super) async fn find(conn: &mut TenantConn, id: Uuid) -> sqlx::Result<Row> {
    sqlx::query_as("SELECT id, title, body FROM documents WHERE id = $1")
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
        "UPDATE documents SET title = $2, body = $3 WHERE id = $1 RETURNING id, title, body",
    )
    .bind(id)
    .bind(title)
    .bind(body)
    .fetch_one(conn)
    .await
}

/// Removes a document.
pub(super) async fn delete(conn: &mut TenantConn, id: Uuid) -> sqlx::Result<()> {
    sqlx::query_as::<_, (Uuid,)>("DELETE FROM documents WHERE id = $1 RETURNING id")
        .bind(id)
        .fetch_one(conn)
        .await
        .map(drop)
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
    sqlx::query_as("SELECT id, title, body FROM documents WHERE id > $1 ORDER BY id LIMIT $2")
        .bind(after.unwrap_or(Uuid::nil()))
        .bind(limit)
        .fetch_all(conn)
        .await
}
