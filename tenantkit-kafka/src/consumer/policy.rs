//! [`Policy`]: what proves whose a record is.

use std::collections::HashMap;

use rdkafka::{Message, Timestamp, message::BorrowedMessage};
use tenantkit_core::{
    Authority, Door, Opened, Reason, Refusal, TenantContext, TenantId, UnixTime, WireRecord,
};

use crate::headers::{Bounds, Headers};

/// What a consumer, or a replay, believes.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) authority: Authority,
    /// Topics whose records may be plain, each until its cut-over.
    pub(crate) plain: HashMap<String, UnixTime>,
    pub(crate) compacted: Vec<String>,
    pub(crate) headers: Bounds,
    /// The largest record.
    pub(crate) bytes: usize,
}

/// Whose a record is.
#[derive(Debug, Clone)]
pub(crate) enum Proof {
    Envelope(Opened),
    Plain(Authority, TenantId),
}

/// A record's key, payload and headers, wherever they are.
#[derive(Clone, Copy)]
pub(crate) struct Wire<'a> {
    pub(crate) topic: &'a str,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) payload: Option<&'a [u8]>,
    /// When the broker appended it, by the broker's clock.
    pub(crate) appended: Option<UnixTime>,
}

impl Policy {
    /// Who the record says that it is, and nothing that proves it. The headers may be more than are
    /// looked at: then they are still kept, for the dead letter.
    pub(crate) fn look(&self, message: &mut BorrowedMessage<'_>) -> (Headers, Result<(), Reason>) {
        match Headers::read(message, self.headers) {
            Ok(headers) => (headers, Ok(())),
            Err(error) => {
                // A dead letter adds a few of its own.
                let wide = Bounds { count: Bounds::MOST - 16, bytes: 1024 * 1024 };
                (Headers::read(message, wide).unwrap_or_default(), Err(error.reason()))
            }
        }
    }

    /// Verifies whose a record is.
    pub(crate) fn prove(&self, wire: &Wire<'_>, headers: &Headers) -> Result<Proof, Refusal> {
        let refuse = |reason| Refusal::new(reason, Door::Consume);
        let identity = headers.identity().map_err(refuse)?;
        let tenant = identity.tenant.ok_or(refuse(Reason::NoIdentity));
        match identity.envelope {
            Some(envelope) => {
                // An envelope alone would do, but no reader in another language could see whose it is.
                let tenant = tenant?;
                let record = WireRecord::new(wire.topic, wire.key, wire.payload)
                    .compacted(self.compacted.iter().any(|topic| topic == wire.topic))
                    .appended(wire.appended);
                self.authority.open(Some(&tenant), envelope, &record).map(Proof::Envelope)
            }
            None => {
                let tenant = tenant?;
                let cut_over = self.plain.get(wire.topic).ok_or(refuse(Reason::NotAdmitted))?;
                let now = self.authority.now();
                if wire.appended.unwrap_or(now) >= *cut_over {
                    return Err(refuse(Reason::NotAdmitted));
                }
                Ok(Proof::Plain(self.authority.clone(), tenant))
            }
        }
    }
}

impl<'a> Wire<'a> {
    pub(crate) fn of(message: &'a BorrowedMessage<'_>) -> Self {
        let appended = match message.timestamp() {
            Timestamp::LogAppendTime(at) => u64::try_from(at).ok().map(UnixTime::from_millis),
            _ => None,
        };
        Self { topic: message.topic(), key: message.key(), payload: message.payload(), appended }
    }
}

impl Proof {
    pub(crate) fn tenant(&self) -> &TenantId {
        match self {
            Self::Envelope(opened) => opened.tenant(),
            Self::Plain(_, tenant) => tenant,
        }
    }

    /// A context for one attempt.
    pub(crate) fn context(&self) -> Result<TenantContext, Refusal> {
        match self {
            Self::Envelope(opened) => opened.context(),
            Self::Plain(authority, tenant) => authority.believe(tenant),
        }
    }
}

pub(crate) fn timestamp_of(message: &BorrowedMessage<'_>) -> Option<UnixTime> {
    let millis = message.timestamp().to_millis()?;
    u64::try_from(millis).ok().map(UnixTime::from_millis)
}
