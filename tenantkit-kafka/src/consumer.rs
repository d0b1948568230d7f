//! [`TenantConsumer`]: the door of consumed records.

mod assignment;
mod build;
mod config;
mod counters;
mod duplicates;
mod failure;
mod incoming;
mod judge;
mod lane;
mod left;
mod partition;
mod policy;
mod progress;
mod queue;
mod reader;
mod room;
mod settings;
mod task;
mod trace;
mod worker;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
};

use rdkafka::{
    ClientConfig, config::FromClientConfigAndContext, consumer::Consumer, error::KafkaError,
};
use tenantkit_core::{Authority, TenantContext, Tier};
use tenantkit_limit::{
    fair::{Class, Share, Weight},
    retry::{RetryBudget, RetryPolicy},
};
use tokio::{sync::oneshot, task::JoinSet};

use self::{
    assignment::{Assignment, Member},
    counters::Counters,
    judge::Judge,
    reader::{Back, Reader, Shared},
    room::Room,
    settings::Settings,
    worker::{Handler, Worker},
};
pub use self::{
    build::{DangerousConsumerBuilder, InvalidConsumer, TenantConsumerBuilder},
    counters::{ConsumerStats, TierStats},
    failure::Failure,
    incoming::Incoming,
};
pub(crate) use self::{
    incoming::Record,
    policy::{Policy, Wire, timestamp_of},
};
use crate::dead_letter::DeadLetters;

/// Reads records, and gives each to a handler in its tenant's scope.
///
/// - **Nobody's record is handled.** What has no envelope that holds becomes a [dead
///   letter](crate::dead_letter) with the reason.
/// - **No tenant waits behind another.** Records are handled fairly among tenants, also where one tenant's
///   backlog lies before another's record in the same partition: it is left behind, and come back for.
/// - **In order** for each tenant and key. A record that is tried again holds back its key, and nobody else.
///   Records without a key have no order.
/// - **Nothing is lost.** An offset is committed when everything before it is handled, or a dead letter that all
///   replicas in sync have. A record may be handled more than once: after a crash, what was done since the last
///   [commit](TenantConsumerBuilder::commit_every), what was under way, and what of that done beyond the first
///   record that is not done does not fit in a commit's metadata (some 500 gaps). So handlers are
///   idempotent, by topic, partition and offset, or what the record says.
/// - **Bounded** in memory, by [configuration](TenantConsumerBuilder::memory).
///
/// A handler that cannot handle a record answers with a [`Failure`]: the record is tried again within
/// its tenant's budget of retries, and then becomes a dead letter. What a suspended tenant has is parked.
pub struct TenantConsumer {
    shared: Arc<Shared>,
    parts: Run,
}

/// What running takes.
struct Run {
    member: Member,
    back: Back,
    topics: Vec<String>,
    letters: DeadLetters,
    retries: RetryPolicy,
    budget: RetryBudget,
    weights: Vec<(Tier, Weight)>,
    trace: trace::Adopt,
}

/// What a builder has made.
struct Parts {
    member: ClientConfig,
    returner: ClientConfig,
    policy: Policy,
    topics: Vec<String>,
    letters: DeadLetters,
    room: Room,
    records: usize,
    retries: RetryPolicy,
    budget: RetryBudget,
    weights: Vec<(Tier, Weight)>,
    trace: trace::Adopt,
    settings: Settings,
    duplicates: usize,
}

/// Why a consumer ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConsumeError {
    /// librdkafka does not recover from it.
    #[error("the consumer cannot go on")]
    Kafka(#[source] KafkaError),
    /// The system has no thread left.
    #[error("the consumer cannot start a thread")]
    Thread(#[source] std::io::Error),
    /// Its thread ended by itself, which is a mistake in this crate.
    #[error("the consumer's thread has ended")]
    Ended,
}

/// A handle to a consumer that runs.
#[derive(Debug, Clone)]
pub struct ConsumerHandle(Arc<Shared>);

impl TenantConsumer {
    /// A consumer for records that this authority opens.
    #[must_use]
    pub fn builder(authority: &Authority) -> TenantConsumerBuilder {
        TenantConsumerBuilder::new(authority)
    }

    fn new(parts: Parts) -> Result<Self, InvalidConsumer> {
        let authority = &parts.policy.authority;
        let counters = Arc::new(Counters::new(authority.tiers()));
        let assignment = Assignment::new(parts.settings.drain, Arc::clone(&counters));
        let clock = Arc::clone(authority.clock());
        let queue =
            queue::new(authority.tiers(), &parts.weights, parts.records, &parts.settings, clock)
                .map_err(|_| InvalidConsumer::Memory)?;
        let member = Member::from_config_and_context(&parts.member, assignment.clone())?;
        let shared = Arc::new(Shared {
            queue,
            judge: Judge::new(parts.policy, parts.duplicates),
            room: parts.room,
            assignment,
            counters,
            settings: parts.settings,
            stops: AtomicBool::new(false),
        });
        let back = Back::new(parts.returner);
        let Parts { topics, letters, retries, budget, weights, trace, .. } = parts;
        let parts = Run { member, back, topics, letters, retries, budget, weights, trace };
        Ok(Self { shared, parts })
    }

    /// A handle, to shut it down and to see how it stands.
    #[must_use]
    pub fn handle(&self) -> ConsumerHandle {
        ConsumerHandle(Arc::clone(&self.shared))
    }

    /// Handles records until it is [shut down](ConsumerHandle::shutdown). The handler runs in the scope of the
    /// record's tenant, with a context that was issued for this attempt.
    ///
    /// # Errors
    ///
    /// When librdkafka does not recover, from credentials that are refused for one. What passes is
    /// [counted](ConsumerHandle::stats).
    ///
    /// # Cancellation
    ///
    /// Handlers that run are dropped. What is done is committed by a thread in the background, which then
    /// leaves the group.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime with time. A handler that panics has failed, and nothing else comes of it.
    pub async fn run<H, F>(self, handler: H) -> Result<(), ConsumeError>
    where
        H: Fn(TenantContext, Incoming) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |tenant, mut records| match records.pop() {
            Some(record) => Box::pin(handler(tenant, record)),
            None => Box::pin(std::future::ready(Ok(()))),
        });
        self.run_with(1, handler).await
    }

    /// As [`run`](Self::run), with up to `most` records of one tenant at a time, of whatever is there: no batch
    /// waits to be full. Of each key there is one record in a batch at most.
    ///
    /// When a batch fails, each record of it is tried again by itself. Its context has the transaction of the
    /// first record.
    ///
    /// # Errors
    ///
    /// As [`run`](Self::run).
    ///
    /// # Cancellation
    ///
    /// As [`run`](Self::run).
    ///
    /// # Panics
    ///
    /// As [`run`](Self::run).
    pub async fn run_batches<H, F>(self, most: usize, handler: H) -> Result<(), ConsumeError>
    where
        H: Fn(TenantContext, Vec<Incoming>) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let handler: Handler = Arc::new(move |tenant, records| Box::pin(handler(tenant, records)));
        self.run_with(most.max(1), handler).await
    }

    async fn run_with(self, batch: usize, handler: Handler) -> Result<(), ConsumeError> {
        let Self { shared, parts } = self;
        let Run { member, back, topics, letters, retries, budget, weights, trace } = parts;
        if batch > 1 {
            share_by_batch(&shared, &weights, batch);
        }
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        member.subscribe(&topics).map_err(ConsumeError::Kafka)?;
        let worker = Arc::new(Worker {
            shared: Arc::clone(&shared),
            handler,
            letters: Arc::new(letters),
            retries,
            budget: Arc::new(budget),
            batch,
            trace,
        });
        // Dropped with this future, and the workers with them.
        let mut workers = JoinSet::new();
        for _ in 0..shared.settings.concurrency {
            workers.spawn(Arc::clone(&worker).run());
        }
        let queue = shared.queue.clone();
        workers.spawn(async move { queue.drive(tokio::time::sleep).await });
        let _stops = Stops(Arc::clone(&shared));
        let (ended, outcome) = oneshot::channel();
        thread::Builder::new()
            .name("tenantkit-kafka-consumer".to_owned())
            .spawn(move || {
                // Nobody waits for it when the future was dropped.
                let _ = ended.send(Reader::new(shared, member, back).run());
            })
            .map_err(ConsumeError::Thread)?;
        outcome.await.unwrap_or(Err(ConsumeError::Ended))
    }
}

impl ConsumerHandle {
    /// Tells the consumer to stop: nothing begins any more, what runs has its [time](TenantConsumerBuilder::drain)
    /// to end, what is done is committed, and it leaves the group. Then [`TenantConsumer::run`] returns.
    pub fn shutdown(&self) {
        self.0.stops.store(true, SeqCst);
    }

    /// What it has done, and how it stands.
    #[must_use]
    pub fn stats(&self) -> ConsumerStats {
        let mut stats = self.0.counters.read();
        (stats.bytes, stats.records) = self.0.room.used();
        for partition in self.0.assignment.partitions() {
            if let Some((behind, lag)) = partition.behind() {
                let at = (partition.place.topic.to_string(), partition.place.partition);
                stats.behind.insert(at.clone(), behind);
                stats.lag.insert(at, lag);
            }
        }
        for tier in self.0.judge.policy.authority.tiers().iter() {
            let longest = self.0.queue.longest_wait(tier);
            stats.tiers.entry(Some(tier.as_str())).or_default().longest_wait =
                longest.unwrap_or_default();
        }
        stats.tiers.entry(None).or_default().longest_wait =
            self.0.queue.longest_wait(Class::Unverified).unwrap_or_default();
        stats
    }
}

/// A batch counts as its records do.
fn share_by_batch(shared: &Shared, weights: &[(Tier, Weight)], batch: usize) {
    let batch = u32::try_from(batch).unwrap_or(u32::MAX);
    let most = shared.settings.of_tenant().saturating_mul(batch);
    for tier in shared.judge.policy.authority.tiers().iter() {
        let told = weights.iter().find(|(told, _)| *told == tier);
        let weight = told.map_or(Weight::ONE, |(_, weight)| *weight);
        shared.queue.set_share(tier, Share::of(weight).max_waiting(u32::MAX).max_in_flight(most));
    }
}

/// Tells the reader to stop when the future that runs is dropped.
struct Stops(Arc<Shared>);

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.stops.store(true, SeqCst);
    }
}

impl fmt::Debug for TenantConsumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantConsumer").finish_non_exhaustive()
    }
}
