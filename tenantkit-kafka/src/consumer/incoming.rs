//! [`Incoming`]: a record as a handler gets it.

use std::{fmt, sync::Arc, time::Duration};

use tenantkit_core::UnixTime;

use super::partition::Place;
use crate::Headers;

/// A record that was consumed, for one attempt to handle it. A clone shares it.
#[derive(Clone)]
pub struct Incoming {
    pub(super) record: Arc<Record>,
    pub(super) attempt: u32,
    pub(super) waited: Duration,
}

/// What was read.
pub(crate) struct Record {
    pub(crate) place: Place,
    pub(crate) offset: i64,
    pub(crate) timestamp: Option<UnixTime>,
    pub(crate) key: Option<Box<[u8]>>,
    pub(crate) payload: Option<Box<[u8]>>,
    pub(crate) headers: Headers,
}

impl Incoming {
    /// The topic.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.record.place.topic
    }

    /// The partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.record.place.partition
    }

    /// The offset. With topic and partition it names the record, also when it is read again: what to
    /// dedupe by where [`TenantContext::transaction`](tenantkit_core::TenantContext::transaction) is not.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.record.offset
    }

    /// When it was produced or appended, as the topic says.
    #[must_use]
    pub fn timestamp(&self) -> Option<UnixTime> {
        self.record.timestamp
    }

    /// The key as it is on the wire; on a compacted topic with the tenant in front
    /// ([`without_tenant`](crate::without_tenant)).
    #[must_use]
    pub fn key(&self) -> Option<&[u8]> {
        self.record.key.as_deref()
    }

    /// The payload. `None` is null: a tombstone.
    #[must_use]
    pub fn payload(&self) -> Option<&[u8]> {
        self.record.payload.as_deref()
    }

    /// All headers.
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.record.headers
    }

    /// How long it has waited in memory for its tenant's turn, since it was read or a delay was over.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// Which attempt this is, from 1. It begins anew when the record is read again.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.fmt(f)
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without what is in it.
        f.debug_struct("Incoming")
            .field("place", &self.place)
            .field("offset", &self.offset)
            .finish_non_exhaustive()
    }
}
