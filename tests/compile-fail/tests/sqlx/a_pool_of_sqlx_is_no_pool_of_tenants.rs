use sqlx::PgPool;
use tenantkit_core::TenantContext;
use tenantkit_sqlx::{Error, TenantPool};

async fn list(pool: &TenantPool, tenant: &TenantContext) -> Result<(), Error> {
    pool.begin(tenant).await?.commit().await
}

async fn handler(pool: PgPool, tenant: TenantContext) -> Result<(), Error> {
    list(&pool, &tenant).await
}

async fn without_a_transaction(pool: &TenantPool) -> sqlx::Result<()> {
    sqlx::query("SELECT 1").execute(pool).await.map(drop)
}

fn main() {}
