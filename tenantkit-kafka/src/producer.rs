//! [`TenantProducer`]: the door of produced records.

mod build;
mod config;
mod delivery;
mod in_flight;
mod link;
mod partitions;
mod sending;
mod span;
mod trace;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rdkafka::message::{Header, OwnedHeaders};
use tenantkit_core::{Authority, Door, TenantContext, WireRecord};

pub use self::{
    build::{BuildError, TenantProducerBuilder},
    delivery::{Delivered, Delivery},
    sending::Sending,
};
use self::{
    in_flight::{InFlight, Room},
    link::Link,
    partitions::Partitions,
    span::Span,
    trace::{Trace, Traced},
};
use crate::{
    AsTenant, Error, InvalidRecord, Outgoing, Partitioner,
    headers::{TENANT_ENVELOPE, TENANT_ID},
    outgoing::tenant_key,
    partitioner::keyed_in,
};

/// What a record is counted with besides what the application gave and its trace: the envelope, the other
/// headers of this crate, and librdkafka's own part.
const OVERHEAD: usize = 2048;

/// Sends records that belong to a tenant. A clone is a handle to the same producer.
///
/// Each record gets exactly one `tenant_id` and one `tenant_envelope`, and goes to one of its tenant's
/// [partitions](crate::partitioner). It is sent idempotently: acknowledged by all replicas in sync, once,
/// and in order for each tenant and key.
///
/// What is in flight is bounded in bytes, for all and for each tenant, so that a tenant whose records do not
/// get away leaves room to the others. When there is no room, [`send`](Self::send) waits and
/// [`try_enqueue`](Self::try_enqueue) refuses.
///
/// When the last handle is dropped, what is in flight is still sent, by a thread of its own, for as long as
/// the process lives; call [`flush`](Self::flush) before it ends.
#[derive(Clone)]
pub struct TenantProducer(Arc<Inner>);

struct Inner {
    authority: Authority,
    link: Link,
    in_flight: Arc<InFlight>,
    partitions: Partitions,
    partitioner: Partitioner,
    unkeyed: AtomicU32,
    compacted: Vec<Box<str>>,
    most_bytes: usize,
    most_headers: usize,
    trace: Option<Trace>,
}

impl TenantProducer {
    /// A producer for the brokers `host:port,host:port`, which are not asked for anything yet.
    ///
    /// # Errors
    ///
    /// As [`TenantProducerBuilder::build`].
    pub fn connect(brokers: &str, authority: &Authority) -> Result<Self, BuildError> {
        Self::builder(authority).set("bootstrap.servers", brokers).build()
    }

    /// A producer with options.
    #[must_use]
    pub fn builder(authority: &Authority) -> TenantProducerBuilder {
        TenantProducerBuilder::new(authority)
    }

    /// Sends a record, and waits until all replicas in sync have it.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the context is another authority's, has expired, meanwhile or before, when
    /// its tenant is suspended or was created anew, or when another tenant's scope is active;
    /// [`Error::Invalid`] for a record that may not be; [`Error::Metadata`] and [`Error::Produce`] when it
    /// was not sent, and [`Error::Delivery`] when nobody knows.
    ///
    /// # Cancellation
    ///
    /// While there is no room for it, nothing is sent. Once it was handed over, it is sent all the same, and
    /// counts as in flight until then; a failure is told by the next [`flush`](Self::flush).
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime, at the first record of a topic.
    pub fn send<'a>(
        &'a self,
        tenant: impl AsTenant + 'a,
        record: Outgoing<'a>,
    ) -> Sending<'a, Delivered> {
        Sending::new(async move {
            let context = tenant.as_tenant();
            let span = Span::new("send", context, &record);
            span.around(async { self.enter(context, &record).await?.await }).await
        })
    }

    /// Hands a record over to be sent with others in one batch. What is returned tells when all replicas in
    /// sync have it. It may be dropped: then [`flush`](Self::flush) tells of a failure.
    ///
    /// It waits while there is no room.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send), but for [`Error::Delivery`].
    ///
    /// # Cancellation
    ///
    /// Nothing is sent.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub fn enqueue<'a>(
        &'a self,
        tenant: impl AsTenant + 'a,
        record: Outgoing<'a>,
    ) -> Sending<'a, Delivery> {
        Sending::new(async move {
            let context = tenant.as_tenant();
            let span = Span::new("enqueue", context, &record);
            span.around(self.enter(context, &record)).await
        })
    }

    /// As [`enqueue`](Self::enqueue), but refuses when there is no room, and does not wait for it.
    ///
    /// # Errors
    ///
    /// As [`enqueue`](Self::enqueue), and [`Error::Full`].
    ///
    /// # Cancellation
    ///
    /// Nothing is sent.
    ///
    /// # Panics
    ///
    /// As [`send`](Self::send).
    pub fn try_enqueue<'a>(
        &'a self,
        tenant: impl AsTenant + 'a,
        record: Outgoing<'a>,
    ) -> Sending<'a, Delivery> {
        Sending::new(async move {
            let context = tenant.as_tenant();
            let span = Span::new("enqueue", context, &record);
            span.around(async {
                let (traced, partitions) = self.admit(context, &record).await?;
                let room = self.0.in_flight.try_enter(context.tenant(), cost(&record, &traced));
                self.hand_over(context, &record, &traced, partitions, room.ok_or(Error::Full)?)
            })
            .await
        })
    }

    /// Waits until everything that was handed over is acknowledged or has failed, which each record is
    /// within `message.timeout.ms`. Records that are sent meanwhile wait.
    ///
    /// # Errors
    ///
    /// [`Error::Undelivered`] when a record failed since the last flush, and nobody was told.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost; the next flush tells.
    pub async fn flush(&self) -> Result<(), Error> {
        self.0.in_flight.all_done().await;
        match self.0.link.take_failed() {
            0 => Ok(()),
            count => Err(Error::Undelivered { count }),
        }
    }

    async fn enter(
        &self,
        context: &TenantContext,
        record: &Outgoing<'_>,
    ) -> Result<Delivery, Error> {
        let (traced, partitions) = self.admit(context, record).await?;
        let room = self.0.in_flight.enter(context.tenant(), cost(record, &traced)).await;
        self.hand_over(context, record, &traced, partitions, room)
    }

    /// Refuses what need not wait to be refused, and finds out of which trace it is and how many partitions
    /// there are.
    async fn admit(
        &self,
        context: &TenantContext,
        record: &Outgoing<'_>,
    ) -> Result<(Traced, u32), Error> {
        let inner = &*self.0;
        inner.authority.check(context, Door::Produce)?;
        record.check(inner.most_headers)?;
        let traced = inner.trace.as_ref().map(Trace::headers).unwrap_or_default();
        let (bytes, most) = (cost(record, &traced), inner.most_bytes);
        if bytes > most {
            return Err(InvalidRecord::TooLarge { bytes, most }.into());
        }
        if inner.is_compacted(record.topic) && record.key.is_none() {
            return Err(InvalidRecord::NoKey.into());
        }
        Ok((traced, inner.partitions.of(record.topic, &inner.link).await?))
    }

    /// Seals the record and gives it to librdkafka. The context is checked again: it may have waited.
    fn hand_over(
        &self,
        context: &TenantContext,
        record: &Outgoing<'_>,
        traced: &Traced,
        partitions: u32,
        room: Room,
    ) -> Result<Delivery, Error> {
        let inner = &*self.0;
        let is_compacted = inner.is_compacted(record.topic);
        let prefixed = match record.key {
            Some(key) if is_compacted => Some(tenant_key(context.tenant(), key)),
            _ => None,
        };
        let key = prefixed.as_deref().or(record.key);
        let wire = WireRecord::new(record.topic, key, record.payload).compacted(is_compacted);
        let envelope = inner.authority.seal(context, &wire)?;
        let headers = headers(context, record, traced, &envelope);
        let partition = inner.partition(context, record, partitions);
        inner.link.send(record, key, partition, headers, room)
    }
}

impl Inner {
    fn is_compacted(&self, topic: &str) -> bool {
        self.compacted.iter().any(|known| **known == *topic)
    }

    fn partition(&self, context: &TenantContext, record: &Outgoing<'_>, partitions: u32) -> u32 {
        let shard = self.partitioner.shard(context.tenant(), partitions);
        match record.key {
            Some(key) => keyed_in(&shard, context.tenant(), key),
            None => {
                let next = self.unkeyed.fetch_add(1, Ordering::Relaxed) as usize;
                shard.get(next % shard.len().max(1)).copied().unwrap_or_default()
            }
        }
    }
}

fn headers(
    context: &TenantContext,
    record: &Outgoing<'_>,
    traced: &Traced,
    envelope: &str,
) -> OwnedHeaders {
    let most = 2 + traced.len() + record.headers.len();
    let mut headers = OwnedHeaders::new_with_capacity(most)
        .insert(Header { key: TENANT_ID, value: Some(context.tenant().as_str()) })
        .insert(Header { key: TENANT_ENVELOPE, value: Some(envelope) });
    for (key, value) in traced.iter() {
        headers = headers.insert(Header { key, value: Some(value) });
    }
    for (key, value) in &record.headers {
        if !traced.has(key) {
            headers = headers.insert(Header { key, value: *value });
        }
    }
    headers
}

fn cost(record: &Outgoing<'_>, traced: &Traced) -> usize {
    record.bytes() + traced.bytes() + OVERHEAD
}

impl fmt::Debug for TenantProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantProducer").finish_non_exhaustive()
    }
}
