//! [`FairWorkers`]: handlers that run the work of many tenants, each in its tenant's scope and limits.

mod builder;
mod run;

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tenantkit_core::{Authority, Door, Refusal, TenantContext, TenantKey, Tier};
use tokio::{sync::watch, task::JoinSet, time};

pub use self::builder::FairWorkersBuilder;
use super::{FairQueue, Share, TooManyShares, Work};
use crate::{
    breaker::Breaker,
    limits::ResourceLimits,
    retry::{Attempts, RetryBudget, RetryPolicy},
};

/// Workers on a [`FairQueue`] of a process. What is submitted is run in the scope of its tenant, once its limits
/// and its circuit let it, and is tried again within the tenant's budget.
///
/// ```
/// use std::time::Duration;
/// use tenantkit_core::{TenantContext, test_util::TestAuthority};
/// use tenantkit_limit::fair::{FairWorkers, Verdict, Work};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tests = TestAuthority::new();
/// let workers = FairWorkers::builder(tests.authority())
///     .workers(4)
///     .start(|tenant: TenantContext, page: u32| async move {
///         assert_eq!(tenant.tenant(), TenantContext::current().unwrap().tenant());
///         if page < 100 { Verdict::Done } else { Verdict::Dead }
///     })?;
///
/// workers.submit(&tests.context("acme"), Work::new(7))?;
/// workers.submit(&tests.context("globex"), Work::new(700))?;
/// while workers.waiting() + workers.in_flight() > 0 {
///     tokio::task::yield_now().await;
/// }
/// assert_eq!((workers.tally().done, workers.tally().dead), (1, 1));
/// assert!(workers.shutdown(Duration::from_secs(5)).await.is_empty());
/// # Ok(())
/// # }
/// ```
///
/// - Over its rate or its cap, or with its circuit open, a tenant is held back for as long as the refusal says, and
///   nobody else. The item is not charged for it, and it is no attempt.
/// - A suspended tenant's items are parked: they are tried again every ten seconds.
/// - An item whose context is refused for another reason (it has expired, say) is dead.
/// - A handler that panics has failed; one that fails is tried again as the [`RetryPolicy`] says, within the tenant's
///   [`RetryBudget`], and is dead after that. Its lease is renewed for as long as it runs.
///
/// It is in memory: what waits when the process ends abruptly is gone.
pub struct FairWorkers<J: Clone + Send + Sync + 'static> {
    shared: Arc<Shared<J>>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Ends with this.
    _driver: JoinSet<()>,
}

/// How a handler ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, and has cost what was estimated.
    Done,
    /// It is done, and has cost this.
    DoneAt(u32),
    /// It failed, and may succeed later, not before this if it is said.
    Failed(Option<Duration>),
    /// It will never succeed.
    Dead,
}

/// What became of what was submitted, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Done.
    pub done: u64,
    /// Given up.
    pub dead: u64,
    /// Attempts that failed and were made again.
    pub retried: u64,
    /// Attempts that panicked.
    pub panicked: u64,
    /// Times that a limit, a circuit or a suspension held a tenant back.
    pub held: u64,
}

/// What is in the queue.
#[derive(Clone)]
struct Task<J> {
    context: TenantContext,
    job: J,
    /// Shared by the clones of one item.
    attempts: Arc<Mutex<Attempts>>,
}

type DeadLetters<J> = Box<dyn Fn(&TenantContext, J) + Send + Sync>;

struct Shared<J> {
    authority: Authority,
    queue: FairQueue<TenantKey<()>, Task<J>>,
    lease: Duration,
    limits: Option<ResourceLimits>,
    breaker: Option<Breaker>,
    policy: RetryPolicy,
    budget: RetryBudget,
    dead_letters: Option<DeadLetters<J>>,
    counters: Counters,
}

#[derive(Default)]
struct Counters {
    done: AtomicU64,
    dead: AtomicU64,
    retried: AtomicU64,
    panicked: AtomicU64,
    held: AtomicU64,
}

impl<J: Clone + Send + Sync + 'static> FairWorkers<J> {
    /// Workers for the tenants of an authority.
    pub fn builder(authority: &Authority) -> FairWorkersBuilder<J> {
        FairWorkersBuilder::new(authority)
    }

    /// Takes an item of a tenant.
    ///
    /// # Errors
    ///
    /// Refuses like every door ([`Authority::check`]); and with
    /// [`ConcurrencyExceeded`](tenantkit_core::Reason::ConcurrencyExceeded) when too much of the tenant waits, with
    /// [`LoadShed`](tenantkit_core::Reason::LoadShed) when too much waits in all.
    pub fn submit(&self, context: &TenantContext, work: Work<J>) -> Result<(), Refusal> {
        let Shared { authority, queue, policy, budget, .. } = &*self.shared;
        authority.check(context, Door::Job)?;
        let tenant = context.key(())?;
        let Work { item: job, cost, key } = work;
        let attempts = Arc::new(Mutex::new(policy.first(budget, context.tenant())));
        let item = Task { context: context.clone(), job, attempts };
        queue.push(&tenant, context.tier(), Work { item, cost, key })?;
        Ok(())
    }

    /// How many items wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.shared.queue.waiting()
    }

    /// How many items are in a worker's hands.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.shared.queue.in_flight()
    }

    /// As [`FairQueue::longest_wait`].
    #[must_use]
    pub fn longest_wait(&self, tier: Tier) -> Option<Duration> {
        self.shared.queue.longest_wait(tier)
    }

    /// As [`FairQueue::set_share`].
    pub fn set_share(&self, tier: Tier, share: Share) {
        self.shared.queue.set_share(tier, share);
    }

    /// As [`FairQueue::set_tenant_share`], of the tenant of a context's [key](TenantContext::key).
    ///
    /// # Errors
    ///
    /// When as many tenants have one as may be remembered.
    pub fn set_tenant_share(
        &self,
        tenant: &TenantKey<()>,
        share: Option<Share>,
    ) -> Result<(), TooManyShares> {
        self.shared.queue.set_tenant_share(tenant, share)
    }

    /// What became of what was submitted.
    #[must_use]
    pub fn tally(&self) -> Tally {
        let Counters { done, dead, retried, panicked, held } = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            done: read(done),
            dead: read(dead),
            retried: read(retried),
            panicked: read(panicked),
            held: read(held),
        }
    }

    /// Takes nothing more, begins nothing more, and lets what runs end for at most this long; then it is cancelled.
    /// Answers with all that is neither done nor dead, for the caller to keep.
    ///
    /// # Cancellation
    ///
    /// Dropped, or if the workers are dropped without it, all is cancelled at once and what was left is gone.
    pub async fn shutdown(mut self, within: Duration) -> Vec<(TenantContext, J)> {
        self.shared.queue.close();
        // Whoever sees it begins nothing more.
        _ = self.stop.send(true);
        let all_end = async { while self.tasks.join_next().await.is_some() {} };
        if time::timeout(within, all_end).await.is_err() {
            self.tasks.shutdown().await;
        }
        let left = self.shared.queue.take(|_, _| true);
        left.into_iter().map(|(_, task)| (task.context, task.job)).collect()
    }
}

impl<J: Clone + Send + Sync + 'static> fmt::Debug for FairWorkers<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairWorkers")
            .field("queue", &self.shared.queue)
            .field("tally", &self.tally())
            .finish_non_exhaustive()
    }
}
