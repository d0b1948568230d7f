//! [`FairWorkersBuilder`]: makes workers.

use std::{fmt, num::NonZeroUsize, sync::Arc, time::Duration};

use tenantkit_core::{Authority, TenantContext, TenantKey};
use tokio::{sync::watch, task::JoinSet, time};

use super::{Counters, DeadLetters, FairWorkers, Shared, Task, Verdict, run};
use crate::{
    breaker::Breaker,
    fair::{Builder, Class, FairQueue, InvalidFairQueue, Share},
    limits::ResourceLimits,
    quota::Cost,
    retry::{InvalidRetryPolicy, RetryBudget, RetryPolicy},
};

/// Makes [`FairWorkers`].
#[must_use = "it does nothing until it is started"]
pub struct FairWorkersBuilder<J> {
    authority: Authority,
    queue: Builder<TenantKey<()>, Task<J>>,
    lease: Duration,
    workers: usize,
    limits: Option<ResourceLimits>,
    breaker: Option<Breaker>,
    policy: RetryPolicy,
    budget: Option<RetryBudget>,
    dead_letters: Option<DeadLetters<J>>,
}

impl<J: Clone + Send + Sync + 'static> FairWorkersBuilder<J> {
    pub(super) fn new(authority: &Authority) -> Self {
        let lease = Duration::from_secs(60);
        Self {
            authority: authority.clone(),
            queue: FairQueue::builder(authority.tiers()).lease(lease),
            lease,
            workers: std::thread::available_parallelism().map_or(1, NonZeroUsize::get),
            limits: None,
            breaker: None,
            policy: RetryPolicy::default(),
            budget: None,
            dead_letters: None,
        }
    }

    /// What a tenant of a tier gets, as [`Builder::share`].
    pub fn share(mut self, class: impl Into<Class>, share: Share) -> Self {
        self.queue = self.queue.share(class, share);
        self
    }

    /// How exact the order is, as [`Builder::granule`].
    pub fn granule(mut self, cost: Cost, weight: super::super::Weight) -> Self {
        self.queue = self.queue.granule(cost, weight);
        self
    }

    /// How many items may wait in all, as [`Builder::max_waiting`].
    pub fn max_waiting(mut self, items: usize) -> Self {
        self.queue = self.queue.max_waiting(items);
        self
    }

    /// How many handlers run at a time. As many as there are processors, if not said.
    pub const fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// What each item enters before its handler runs, with its cost.
    pub fn limits(mut self, limits: ResourceLimits) -> Self {
        self.limits = Some(limits);
        self
    }

    /// The circuits of what the handlers depend on.
    pub fn breaker(mut self, breaker: Breaker) -> Self {
        self.breaker = Some(breaker);
        self
    }

    /// How often and when what failed is tried again, and how much of it a tenant may. The default policy, and a
    /// default budget by the authority's clock, if not said.
    pub fn retries(mut self, policy: RetryPolicy, budget: RetryBudget) -> Self {
        self.policy = policy;
        self.budget = Some(budget);
        self
    }

    /// Where dead items go, before they leave the queue. Should it panic, the item comes back.
    pub fn dead_letters(
        mut self,
        keep: impl Fn(&TenantContext, J) + Send + Sync + 'static,
    ) -> Self {
        self.dead_letters = Some(Box::new(keep));
        self
    }

    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// When there are to be none, or their queue cannot be.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub fn start<H, F>(self, handler: H) -> Result<FairWorkers<J>, InvalidFairQueue>
    where
        H: Fn(TenantContext, J) -> F + Send + Sync + 'static,
        F: Future<Output = Verdict> + Send + 'static,
    {
        let Self {
            authority,
            queue,
            lease,
            workers,
            limits,
            breaker,
            policy,
            budget,
            dead_letters,
        } = self;
        if workers == 0 {
            return Err(InvalidFairQueue::Zero("workers"));
        }
        let clock = Arc::clone(authority.clock());
        let queue = queue.build(Arc::clone(&clock))?;
        let budget = match budget {
            Some(budget) => budget,
            // The default one can be.
            None => RetryBudget::builder()
                .build(clock)
                .map_err(|_: InvalidRetryPolicy| InvalidFairQueue::Zero("budget"))?,
        };
        let counters = Counters::default();
        let shared = Shared {
            authority,
            queue,
            lease,
            limits,
            breaker,
            policy,
            budget,
            dead_letters,
            counters,
        };
        let (shared, handler) = (Arc::new(shared), Arc::new(handler));
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(run::work(Arc::clone(&shared), Arc::clone(&handler), stopped.clone()));
        }
        let mut driver = JoinSet::new();
        let queue = shared.queue.clone();
        driver.spawn(async move { queue.drive(time::sleep).await });
        Ok(FairWorkers { shared, stop, tasks, _driver: driver })
    }
}

impl<J> fmt::Debug for FairWorkersBuilder<J> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FairWorkersBuilder").field("workers", &self.workers).finish_non_exhaustive()
    }
}
