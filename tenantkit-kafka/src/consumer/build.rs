//! [`TenantConsumerBuilder`]: what is said once, at start.

use std::{collections::HashMap, fmt, time::Duration};

use rdkafka::{ClientConfig, error::KafkaError};
use tenantkit_core::{Authority, TierSet, UnixTime};
use tenantkit_limit::{
    fair::Weight,
    retry::{InvalidRetryPolicy, RetryBudget, RetryPolicy},
};

use super::{
    TenantConsumer, config,
    policy::Policy,
    room::{self, Room},
    settings::Settings,
    trace::Adopt,
};
use crate::{dead_letter::DeadLetters, headers};

/// Builds a [`TenantConsumer`].
pub struct TenantConsumerBuilder {
    authority: Authority,
    config: ClientConfig,
    group: String,
    topics: Vec<String>,
    dead_letters: String,
    parking: Option<String>,
    compacted: Vec<String>,
    plain: HashMap<String, UnixTime>,
    headers: headers::Bounds,
    room: room::Bounds,
    retries: RetryPolicy,
    budget: Option<RetryBudget>,
    settings: Settings,
    weights: Vec<(&'static str, Weight)>,
    duplicates: usize,
    trace: Adopt,
}

/// Why a consumer cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidConsumer {
    /// Nobody said where the brokers are.
    #[error("no brokers: set `bootstrap.servers`")]
    NoBrokers,
    /// Nobody said what to read.
    #[error("no topics: name them with `.topic(..)`")]
    NoTopics,
    /// Nobody said in which group.
    #[error("no group: name it with `.group(..)`")]
    NoGroup,
    /// Nobody said where records go that cannot be handled.
    #[error(
        "no dead letter topic: name it with `.dead_letters(..)`, or a bad record would be lost"
    )]
    NoDeadLetters,
    /// A topic that dead letters would be read from.
    #[error(
        "a topic that is read is the dead letter topic, or that of the parked: a bad record would come back for ever"
    )]
    ReadsItsDeadLetters,
    /// A setting that would break a promise.
    #[error("`{name}` is set so that a promise would be broken: {why}")]
    Breaks {
        /// The setting.
        name: &'static str,
        /// What would go wrong, and what to do.
        why: &'static str,
    },
    /// Plain records are to be believed, and the authority was not told to, or the topic is not read.
    #[error(
        "plain records are believed of topics that are read, by an authority built with `.dangerous().trust_plain_records()`"
    )]
    PlainRecords,
    /// So little memory that one record might not fit.
    #[error("the memory must have room for four of the largest records, and for four records")]
    Memory,
    /// A bound in which nothing could happen.
    #[error("{0} must not be zero")]
    Zero(&'static str),
    /// A weight for a tier that the authority does not have.
    #[error("a weight is given for a tier that is not declared")]
    UnknownTier,
    /// Retries that cannot be.
    #[error(transparent)]
    Retries(#[from] InvalidRetryPolicy),
    /// librdkafka does not take the configuration.
    #[error("librdkafka does not take the configuration")]
    Client(#[from] KafkaError),
}

impl TenantConsumerBuilder {
    pub(super) fn new(authority: &Authority) -> Self {
        Self {
            authority: authority.clone(),
            config: ClientConfig::new(),
            group: String::new(),
            topics: Vec::new(),
            dead_letters: String::new(),
            parking: None,
            compacted: Vec::new(),
            plain: HashMap::new(),
            headers: headers::Bounds::DEFAULT,
            room: room::Bounds { bytes: 64 << 20, records: 65_536, record: 1 << 20 },
            retries: RetryPolicy::default(),
            budget: None,
            settings: Settings::default(),
            weights: Vec::new(),
            duplicates: 65_536,
            trace: Adopt::default(),
        }
    }

    /// Sets something of librdkafka's own: `bootstrap.servers`, `security.protocol`, `session.timeout.ms`.
    /// What would break a promise is refused when it is built.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.config.set(name, value);
        self
    }

    /// The consumer group: its members share the partitions.
    #[must_use]
    pub fn group(self, group: &str) -> Self {
        Self { group: group.to_owned(), ..self }
    }

    /// A topic to read.
    #[must_use]
    pub fn topic(mut self, topic: &str) -> Self {
        self.topics.push(topic.to_owned());
        self
    }

    /// A topic to read that is compacted: its envelopes do not expire.
    #[must_use]
    pub fn compacted(mut self, topic: &str) -> Self {
        self.compacted.push(topic.to_owned());
        self.topic(topic)
    }

    /// The topic for records that cannot be handled ([`dead_letter`](crate::dead_letter)). It must be there.
    #[must_use]
    pub fn dead_letters(self, topic: &str) -> Self {
        Self { dead_letters: topic.to_owned(), ..self }
    }

    /// The topic for records of suspended tenants, in the form of dead letters. The dead letter topic unless
    /// told.
    #[must_use]
    pub fn parking(self, topic: &str) -> Self {
        Self { parking: Some(topic.to_owned()), ..self }
    }

    /// How many bytes and records may wait in memory. 64 MiB and 65,536 unless told. A record counts with its
    /// key, payload and headers and 512 bytes more. Besides that, librdkafka holds a quarter of the bytes
    /// at most, as it fetched them.
    #[must_use]
    pub fn memory(self, bytes: usize, records: usize) -> Self {
        Self { room: room::Bounds { bytes, records, ..self.room }, ..self }
    }

    /// How many bytes a record may have; a larger one becomes a dead letter. 1 MiB unless told.
    #[must_use]
    pub fn max_record_bytes(self, bytes: usize) -> Self {
        Self { room: room::Bounds { record: bytes, ..self.room }, ..self }
    }

    /// How many headers a record may have, and of how many bytes. See [`headers::Bounds`].
    #[must_use]
    pub fn max_headers(self, bounds: headers::Bounds) -> Self {
        Self { headers: bounds, ..self }
    }

    /// How many handlers run at once. 64 unless told.
    #[must_use]
    pub fn concurrency(mut self, handlers: usize) -> Self {
        self.settings.concurrency = handlers;
        self
    }

    /// How many handlers of one tenant run at once. Half of all unless told.
    #[must_use]
    pub fn concurrency_per_tenant(mut self, handlers: u32) -> Self {
        self.settings.per_tenant = Some(handlers);
        self
    }

    /// How much a tier's tenants get beside others when there is not enough for all. All the same unless told.
    #[must_use]
    pub fn weight(mut self, tier: &'static str, weight: Weight) -> Self {
        self.weights.push((tier, weight));
        self
    }

    /// How often a record is tried, and how long to wait in between. 3 times, unless told.
    #[must_use]
    pub fn retries(self, policy: RetryPolicy) -> Self {
        Self { retries: policy, ..self }
    }

    /// How much of its records a tenant may retry. A fifth, unless told. Where the budget is spent, a record
    /// that fails becomes a dead letter with the code `budget-spent`, and nobody else's is touched.
    #[must_use]
    pub fn retry_budget(self, budget: RetryBudget) -> Self {
        Self { budget: Some(budget), ..self }
    }

    /// How long one attempt may take; then it is dropped, and counts as failed. 60 s unless told.
    #[must_use]
    pub fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.settings.attempt_timeout = limit;
        self
    }

    /// How long handlers that run may take to end, when their partition goes to another member or the
    /// consumer is shut down. Then they are dropped, and their records handled again, by whoever has the
    /// partition. 10 s unless told.
    #[must_use]
    pub fn drain(mut self, limit: Duration) -> Self {
        self.settings.drain = limit;
        self
    }

    /// How often what is done is committed: what was done since is done again after a crash. 200 ms unless
    /// told.
    #[must_use]
    pub fn commit_every(mut self, interval: Duration) -> Self {
        self.settings.commit_every = interval;
        self
    }

    /// How far a partition is read beyond the first record that is not done. 4 million records unless told.
    /// What lies in between and is not in memory was left behind, and is read again when there is room.
    #[must_use]
    pub fn read_ahead(mut self, records: u32) -> Self {
        self.settings.read_ahead = i64::from(records);
        self
    }

    /// How many envelopes are remembered to tell copies of records. 65,536 unless told; 0 turns it off.
    #[must_use]
    pub fn duplicates(self, remembered: usize) -> Self {
        Self { duplicates: remembered, ..self }
    }

    /// What gives the span of a record its place in the trace of who sent it. It is called for each attempt, in the
    /// tenant's scope, with the headers of the record (of a batch, the first) and the span, which has not begun yet. A
    /// trace tells nothing of who acts.
    #[cfg(feature = "tracing")]
    #[must_use]
    pub fn trace(
        self,
        adopt: impl Fn(&dyn tenantkit_core::Carrier, &tracing::Span) + Send + Sync + 'static,
    ) -> Self {
        Self { trace: Adopt::new(adopt), ..self }
    }

    /// What trusts more than a proof.
    #[must_use]
    pub fn dangerous(self) -> DangerousConsumerBuilder {
        DangerousConsumerBuilder(self)
    }

    /// Builds it. No broker is asked yet.
    ///
    /// # Errors
    ///
    /// When something is missing, when a setting would break a promise, and when librdkafka does not take the
    /// configuration.
    pub fn build(self) -> Result<TenantConsumer, InvalidConsumer> {
        self.check()?;
        let parking = self.parking.unwrap_or_else(|| self.dead_letters.clone());
        let fetched = self.room.bytes / 8;
        let weights = weights(self.authority.tiers(), &self.weights)?;
        let budget = match self.budget {
            Some(budget) => budget,
            None => RetryBudget::builder().build(self.authority.clock().clone())?,
        };
        let letters =
            DeadLetters::new(&self.config, self.dead_letters, parking, self.group.clone())?;
        TenantConsumer::new(super::Parts {
            member: config::of_member(&self.config, &self.group, fetched),
            returner: config::of_returner(&self.config, &self.group, fetched),
            policy: Policy {
                authority: self.authority,
                plain: self.plain,
                compacted: self.compacted,
                headers: self.headers,
                bytes: self.room.record,
            },
            topics: self.topics,
            letters,
            room: Room::new(self.room),
            records: self.room.records,
            retries: self.retries,
            budget,
            weights,
            settings: self.settings,
            duplicates: self.duplicates,
            trace: self.trace,
        })
    }

    fn check(&self) -> Result<(), InvalidConsumer> {
        config::check(&self.config)?;
        if self.group.is_empty() {
            return Err(InvalidConsumer::NoGroup);
        }
        if self.topics.is_empty() {
            return Err(InvalidConsumer::NoTopics);
        }
        if self.dead_letters.is_empty() {
            return Err(InvalidConsumer::NoDeadLetters);
        }
        let is_read = |topic: &String| self.topics.contains(topic);
        if is_read(&self.dead_letters) || self.parking.as_ref().is_some_and(is_read) {
            return Err(InvalidConsumer::ReadsItsDeadLetters);
        }
        let may_be_plain = self.authority.trusts_plain_records() && self.plain.keys().all(is_read);
        if !(self.plain.is_empty() || may_be_plain) {
            return Err(InvalidConsumer::PlainRecords);
        }
        if self.room.bytes / 4 < self.room.record || self.room.records < 4 {
            return Err(InvalidConsumer::Memory);
        }
        self.settings.check()
    }
}

/// What trusts more than a proof.
#[derive(Debug)]
pub struct DangerousConsumerBuilder(TenantConsumerBuilder);

impl DangerousConsumerBuilder {
    /// Believes the plain `tenant_id` of records of one topic that have no envelope, until its cut-over: by
    /// the time at which the broker appended a record, where the topic tells that
    /// (`message.timestamp.type=LogAppendTime`), else by now. From the cut-over on the topic is like any other.
    /// An envelope that is there is verified all the same.
    ///
    /// What it costs: until then, whoever can write to the topic is every tenant.
    #[must_use]
    pub fn believe_plain_records(self, topic: &str, cut_over: UnixTime) -> TenantConsumerBuilder {
        let mut builder = self.0;
        builder.plain.insert(topic.to_owned(), cut_over);
        builder
    }
}

fn weights(
    tiers: TierSet,
    told: &[(&'static str, Weight)],
) -> Result<Vec<(tenantkit_core::Tier, Weight)>, InvalidConsumer> {
    let tier = |name| tiers.get(name).ok_or(InvalidConsumer::UnknownTier);
    told.iter().map(|(name, weight)| Ok((tier(name)?, *weight))).collect()
}

impl fmt::Debug for TenantConsumerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The configuration may hold a password.
        f.debug_struct("TenantConsumerBuilder").field("group", &self.group).finish_non_exhaustive()
    }
}
