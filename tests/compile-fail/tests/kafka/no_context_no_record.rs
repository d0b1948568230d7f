use tenantkit_kafka::{Error, Outgoing, TenantProducer};

async fn tenantless(producer: &TenantProducer) -> Result<(), Error> {
    producer.send(Outgoing::to("documents")).await?;
    Ok(())
}

fn main() {}
