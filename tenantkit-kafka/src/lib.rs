//! Kafka records that belong to a tenant.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod as_tenant;
mod consumer;
pub mod dead_letter;
mod error;
pub mod headers;
mod outgoing;
pub mod partitioner;
mod producer;
mod replay;

pub use as_tenant::AsTenant;
pub use consumer::{
    ConsumeError, ConsumerHandle, ConsumerStats, DangerousConsumerBuilder, Failure, Incoming,
    InvalidConsumer, TenantConsumer, TenantConsumerBuilder, TierStats,
};
pub use error::{Error, InvalidRecord};
pub use headers::Headers;
pub use outgoing::{Outgoing, tenant_key, without_tenant};
pub use partitioner::Partitioner;
pub use producer::{BuildError, Delivered, Delivery, TenantProducer, TenantProducerBuilder};
/// The client that this is built on: for its configuration, and its mock cluster.
pub use rdkafka;
pub use replay::{InvalidReplay, Replay, ReplayBuilder, ReplayError, Replayed};
