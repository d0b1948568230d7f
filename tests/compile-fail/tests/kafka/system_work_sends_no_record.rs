use tenantkit_core::SystemWork;
use tenantkit_kafka::{Error, Outgoing, TenantProducer};

async fn of_nobody(producer: &TenantProducer, work: &SystemWork) -> Result<(), Error> {
    producer.send(work, Outgoing::to("documents")).await?;
    Ok(())
}

fn main() {}
