use tenantkit_sqlx::{Error, TenantTx};

async fn twice(tx: TenantTx) -> Result<(), Error> {
    tx.commit().await?;
    tx.commit().await
}

async fn while_a_savepoint_is_open(mut tx: TenantTx) -> Result<(), Error> {
    let savepoint = tx.savepoint().await?;
    tx.commit().await?;
    savepoint.release().await
}

fn main() {}
