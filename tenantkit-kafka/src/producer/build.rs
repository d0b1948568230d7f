//! [`TenantProducerBuilder`]: what is said once, at start.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicU32},
};

use rdkafka::{ClientConfig, error::KafkaError};
use tenantkit_core::{Authority, Carrier};

use super::{
    Inner, OVERHEAD, TenantProducer, config, in_flight::InFlight, link::Link,
    partitions::Partitions, trace::Trace,
};
use crate::Partitioner;

/// Builds a [`TenantProducer`].
pub struct TenantProducerBuilder {
    authority: Authority,
    config: ClientConfig,
    partitioner: Partitioner,
    compacted: Vec<Box<str>>,
    in_flight: u32,
    per_tenant: Option<u32>,
    most_bytes: usize,
    most_headers: usize,
    trace: Option<Trace>,
}

/// Why a producer cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The authority has no key to seal records with.
    #[error("the authority cannot seal: give it `.envelopes(..)` with a signing key")]
    CannotSeal,
    /// Nobody said where the brokers are.
    #[error("no brokers: set `bootstrap.servers`")]
    NoBrokers,
    /// A setting that would break a promise.
    #[error("`{name}` is set so that a promise would be broken: {why}")]
    Breaks {
        /// The setting.
        name: &'static str,
        /// What would go wrong, and what to do.
        why: &'static str,
    },
    /// A tenant's share of what may be in flight that is more than all, or that a record does not fit in.
    #[error("a tenant's share is at least as much as a record may have, and no more than all may")]
    Share,
    /// librdkafka does not take the configuration.
    #[error("librdkafka does not take the configuration")]
    Client(#[from] KafkaError),
}

impl TenantProducerBuilder {
    pub(super) fn new(authority: &Authority) -> Self {
        Self {
            authority: authority.clone(),
            config: ClientConfig::new(),
            partitioner: Partitioner::default(),
            compacted: Vec::new(),
            in_flight: 64 * 1024 * 1024,
            per_tenant: None,
            most_bytes: 1_000_000,
            most_headers: 64,
            trace: None,
        }
    }

    /// Sets something of librdkafka's own: `bootstrap.servers`, `security.protocol`, `linger.ms`. What
    /// would break a promise is refused when it is built.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.config.set(name, value);
        self
    }

    /// Declares a topic as compacted: its keys get the tenant in front ([`tenant_key`](crate::tenant_key)),
    /// its envelopes do not expire, and each record has a key.
    #[must_use]
    pub fn compacted(mut self, topic: &str) -> Self {
        self.compacted.push(topic.into());
        self
    }

    /// How many partitions a tenant has. A quarter of a topic's, and at least two, unless told.
    #[must_use]
    pub fn partitioner(self, partitioner: Partitioner) -> Self {
        Self { partitioner, ..self }
    }

    /// How many bytes may be in flight in all. 64 MiB unless told. A record counts with its key, payload
    /// and headers and 2 KiB more.
    #[must_use]
    pub fn in_flight(self, bytes: u32) -> Self {
        Self { in_flight: bytes, ..self }
    }

    /// How many bytes of one tenant may be in flight. A quarter of all unless told, and no less than one
    /// record.
    #[must_use]
    pub fn in_flight_per_tenant(self, bytes: u32) -> Self {
        Self { per_tenant: Some(bytes), ..self }
    }

    /// How many bytes a record may have: key, payload, headers, and 2 KiB that this crate adds. 1,000,000
    /// unless told, which a broker takes unless it is told otherwise (`message.max.bytes`).
    #[must_use]
    pub fn max_record_bytes(self, bytes: usize) -> Self {
        Self { most_bytes: bytes, ..self }
    }

    /// How many headers of the application's own a record may have. 64 unless told.
    #[must_use]
    pub fn max_headers(self, count: usize) -> Self {
        Self { most_headers: count, ..self }
    }

    /// What puts the present trace into a record: `traceparent`, `tracestate`, `baggage`, and nothing else.
    /// It is called for each record, in the scope of whoever sends it.
    #[must_use]
    pub fn trace(self, inject: impl Fn(&mut dyn Carrier) + Send + Sync + 'static) -> Self {
        Self { trace: Some(Trace::new(inject)), ..self }
    }

    /// Builds it. No broker is asked yet.
    ///
    /// # Errors
    ///
    /// When the authority cannot seal, when a setting would break a promise, and when librdkafka does not
    /// take the configuration.
    pub fn build(mut self) -> Result<TenantProducer, BuildError> {
        if !self.authority.can_seal() {
            return Err(BuildError::CannotSeal);
        }
        config::check(&self.config)?;
        let most_bytes = u32::try_from(self.most_bytes).map_err(|_| BuildError::Share)?;
        let share = self.per_tenant.unwrap_or((self.in_flight / 4).max(most_bytes));
        if self.most_bytes < OVERHEAD || share < most_bytes || share > self.in_flight {
            return Err(BuildError::Share);
        }
        let timeout = config::complete(&mut self.config, self.in_flight, self.most_bytes);
        Ok(TenantProducer(Arc::new(Inner {
            link: Link::new(&self.config, timeout, self.most_bytes)?,
            in_flight: Arc::new(InFlight::new(self.in_flight, share)),
            partitions: Partitions::new(self.authority.clock()),
            authority: self.authority,
            partitioner: self.partitioner,
            unkeyed: AtomicU32::new(0),
            compacted: self.compacted,
            most_bytes: self.most_bytes,
            most_headers: self.most_headers,
            trace: self.trace,
        })))
    }
}

impl fmt::Debug for TenantProducerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration may hold a password.
        f.debug_struct("TenantProducerBuilder").finish_non_exhaustive()
    }
}
