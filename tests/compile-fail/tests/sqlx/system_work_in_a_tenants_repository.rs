use tenantkit_sqlx::{CrossTenantTx, SystemTx, TenantConn};

async fn titles(conn: &mut TenantConn) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar("SELECT title FROM documents").fetch_all(conn).await
}

async fn system(tx: &mut SystemTx) {
    titles(tx).await.unwrap();
}

async fn across(tx: &mut CrossTenantTx) {
    titles(tx).await.unwrap();
}

fn main() {}
