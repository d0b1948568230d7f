//! [`ReplayBuilder`]: what is replayed, and how fast.

use std::{collections::HashMap, fmt, num::NonZeroU32, time::Duration};

use rdkafka::{ClientConfig, error::KafkaError};
use tenantkit_core::{Authority, TenantId, UnixTime};

use super::{Filter, Replay, send::Sender};
use crate::{consumer::Policy, headers::Bounds};

/// Builds a [`Replay`].
pub struct ReplayBuilder {
    authority: Authority,
    config: ClientConfig,
    topic: String,
    filter: Filter,
    compacted: Vec<String>,
    plain: HashMap<String, UnixTime>,
    per_second: u32,
    is_dry: bool,
}

/// Why a replay cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidReplay {
    /// Nobody said where the brokers are.
    #[error("no brokers: set `bootstrap.servers`")]
    NoBrokers,
    /// Nobody said what to replay.
    #[error("no dead letter topic: name it with `.dead_letters(..)`")]
    NoDeadLetters,
    /// Nothing would ever go back.
    #[error("a replay sends at least one record a second")]
    Pace,
    /// Plain records are to be believed, and the authority was not told to.
    #[error(
        "plain records are believed by an authority built with `.dangerous().trust_plain_records()`"
    )]
    PlainRecords,
    /// librdkafka does not take the configuration.
    #[error("librdkafka does not take the configuration")]
    Client(#[from] KafkaError),
}

impl ReplayBuilder {
    pub(super) fn new(authority: &Authority) -> Self {
        Self {
            authority: authority.clone(),
            config: ClientConfig::new(),
            topic: String::new(),
            filter: Filter::default(),
            compacted: Vec::new(),
            plain: HashMap::new(),
            per_second: 100,
            is_dry: false,
        }
    }

    /// Sets something of librdkafka's own: where the brokers are, and how to speak with them.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.config.set(name, value);
        self
    }

    /// The topic to read: of dead letters, or of what was parked.
    #[must_use]
    pub fn dead_letters(self, topic: &str) -> Self {
        Self { topic: topic.to_owned(), ..self }
    }

    /// Only what is verified to be of this tenant.
    #[must_use]
    pub fn tenant(mut self, tenant: TenantId) -> Self {
        self.filter.tenant = Some(tenant);
        self
    }

    /// Only what came there for this reason, `tenantkit_reason`.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.filter.reason = Some(reason.to_owned());
        self
    }

    /// Only what became a dead letter then or later.
    #[must_use]
    pub fn since(mut self, time: UnixTime) -> Self {
        self.filter.since = Some(time);
        self
    }

    /// Only what became a dead letter before.
    #[must_use]
    pub fn until(mut self, time: UnixTime) -> Self {
        self.filter.until = Some(time);
        self
    }

    /// How many go back in a second, at most. 100 unless told.
    #[must_use]
    pub fn per_second(self, records: u32) -> Self {
        Self { per_second: records, ..self }
    }

    /// A topic of the records that is compacted.
    #[must_use]
    pub fn compacted(mut self, topic: &str) -> Self {
        self.compacted.push(topic.to_owned());
        self
    }

    /// Sends nothing, and tells what would go back.
    #[must_use]
    pub fn dry(self) -> Self {
        Self { is_dry: true, ..self }
    }

    /// Believes plain records of a topic until its cut-over, as a consumer that was built with
    /// [`believe_plain_records`](crate::DangerousConsumerBuilder::believe_plain_records).
    #[must_use]
    pub fn dangerously_believe_plain_records(mut self, topic: &str, cut_over: UnixTime) -> Self {
        self.plain.insert(topic.to_owned(), cut_over);
        self
    }

    /// Builds it. No broker is asked yet.
    ///
    /// # Errors
    ///
    /// When something is missing, and when librdkafka does not take the configuration.
    pub fn build(self) -> Result<Replay, InvalidReplay> {
        let brokers = ["bootstrap.servers", "metadata.broker.list"];
        if brokers.iter().all(|name| self.config.get(name).is_none()) {
            return Err(InvalidReplay::NoBrokers);
        }
        if self.topic.is_empty() {
            return Err(InvalidReplay::NoDeadLetters);
        }
        if !self.plain.is_empty() && !self.authority.trusts_plain_records() {
            return Err(InvalidReplay::PlainRecords);
        }
        let per_second = NonZeroU32::new(self.per_second).ok_or(InvalidReplay::Pace)?;
        Ok(Replay {
            sender: Sender::new(&self.config)?,
            config: self.config,
            topic: self.topic,
            filter: self.filter,
            policy: Policy {
                authority: self.authority,
                plain: self.plain,
                compacted: self.compacted,
                headers: Bounds::DEFAULT,
                bytes: usize::MAX,
            },
            pace: Some(Duration::from_secs(1) / per_second.get()),
            is_dry: self.is_dry,
        })
    }
}

impl fmt::Debug for ReplayBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration may hold a password.
        f.debug_struct("ReplayBuilder").field("topic", &self.topic).finish_non_exhaustive()
    }
}
