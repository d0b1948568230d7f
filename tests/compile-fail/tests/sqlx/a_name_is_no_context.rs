use tenantkit_sqlx::{Error, TenantPool};

async fn from_a_name(pool: &TenantPool) -> Result<(), Error> {
    pool.begin("acme").await?.commit().await
}

fn main() {}
