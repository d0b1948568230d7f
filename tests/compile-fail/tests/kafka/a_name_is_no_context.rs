use tenantkit_kafka::{Error, Outgoing, TenantProducer};

async fn from_a_name(producer: &TenantProducer) -> Result<(), Error> {
    producer.send("acme", Outgoing::to("documents")).await?;
    Ok(())
}

fn main() {}
