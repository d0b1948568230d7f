//! Kafka records that belong to a tenant.
//!
//! ```
//! use rdkafka::mocking::MockCluster;
//! use tenantkit_core::{
//!     Algorithm, Envelopes, KeySet, KeyTerms, KeyUse, SigningKey, TierSet, test_util::TestAuthority,
//! };
//! use tenantkit_kafka::{Outgoing, TenantProducer, rdkafka};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // The keys that open envelopes, and the one that seals this service's.
//! let terms = KeyTerms::new("documents-1".parse()?, KeyUse::Envelope, "documents".parse()?);
//! let key = SigningKey::generate(terms, Algorithm::EdDsa)?;
//! let keys = KeySet::new([key.verifying_key().clone()])?;
//! let envelopes = Envelopes::new("acmedocs.example", "documents", keys)?.signing(key)?;
//!
//! // For tests. A service builds its own.
//! let test = TestAuthority::with(TierSet::METALS, |builder| builder.envelopes(envelopes));
//! let cluster = MockCluster::new(1)?;
//! cluster.create_topic("documents", 6, 1)?;
//!
//! let producer = TenantProducer::connect(&cluster.bootstrap_servers(), test.authority())?;
//! let tenant = test.context("acme");
//! let delivered = producer.send(&tenant, Outgoing::to("documents").key("7").payload("changed")).await?;
//! assert_eq!(delivered.offset, 0);
//!
//! // A record of nobody does not compile, and nobody sets the tenant by hand.
//! let forged = Outgoing::to("documents").header("Tenant-Id", "globex");
//! assert!(producer.send(&tenant, forged).await.is_err());
//! # Ok(())
//! # }
//! ```
//!
//! # What is promised
//!
//! - **Every record has a tenant**: exactly one `tenant_id`, plain, and one `tenant_envelope`, signed, that is bound
//!   to the record's topic, key and payload ([`tenantkit_core::Envelopes`]). The context is checked when the
//!   record is given and again when it is sealed. The trace goes along and is never identity.
//! - **Sent once, in order**: idempotently, acknowledged by all replicas in sync. Configuration that would break it
//!   is refused, with the reason ([`BuildError::Breaks`]).
//! - **One tenant does not fill what all share**: it has some of a topic's [partitions](partitioner), and a share of
//!   the bytes in flight.
//! - **Headers are read whatever stands in them** ([`headers`]).
//!
//! # What is not
//!
//! A record is not part of a database's transaction: what is committed and then not sent is lost, unless it is
//! written down and sent again. `tenant_id` is in plain text, and the envelope is not encrypted: who reads the topic
//! reads both. More partitions move some keys to others, as everywhere in Kafka.
//!
//! # librdkafka
//!
//! It is built from the source that comes with rdkafka, with zlib, lz4 and snappy, and needs a C compiler. TLS, SASL
//! and zstd are features of rdkafka, which an application turns on by depending on it as well:
//! `rdkafka = { version = "0.39", default-features = false, features = ["ssl"] }`.

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
pub use producer::{
    BuildError, Delivered, Delivery, Sending, TenantProducer, TenantProducerBuilder,
};
/// The client that this is built on: for its configuration, and its mock cluster.
pub use rdkafka;
pub use replay::{InvalidReplay, Replay, ReplayBuilder, ReplayError, Replayed};
