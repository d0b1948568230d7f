use tenantkit_sqlx::{Error, TenantPool};

async fn tenantless(pool: &TenantPool) -> Result<(), Error> {
    pool.begin().await?.commit().await
}

fn main() {}
