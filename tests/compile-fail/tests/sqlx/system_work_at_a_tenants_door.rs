use tenantkit_core::{CrossTenant, SystemWork};
use tenantkit_sqlx::{Error, TenantPool};

async fn system(pool: &TenantPool, work: &SystemWork) -> Result<(), Error> {
    pool.begin(work).await?.commit().await
}

async fn across(pool: &TenantPool, work: &CrossTenant) -> Result<(), Error> {
    pool.begin_read_only(work).await?.commit().await
}

fn main() {}
