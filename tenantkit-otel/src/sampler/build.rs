//! [`TenantSamplerBuilder`]: the rates, and who is pinned.

use std::{collections::HashSet, sync::Arc};

use foldhash::quality::RandomState;
use tenantkit_core::{Clock, SystemClock, TenantId};
use tenantkit_limit::{
    quota::Quota,
    rate::{RateLimiter, TooManyPlans},
};

use super::{Inner, TenantSampler};

/// Says how much is kept of whom; from [`TenantSampler::builder`].
#[derive(Debug)]
#[must_use]
pub struct TenantSamplerBuilder {
    tenants: Quota,
    nobody: Quota,
    pinned: HashSet<TenantId, RandomState>,
    most_tenants: usize,
    limits_remote_parents: bool,
    keeps_refusals: bool,
    clock: Arc<dyn Clock>,
}

impl TenantSampler {
    /// Keeps of each tenant's traces as many as `quota` says, and as many of nobody's together.
    pub fn builder(quota: Quota) -> TenantSamplerBuilder {
        TenantSamplerBuilder {
            tenants: quota,
            nobody: quota,
            pinned: HashSet::default(),
            most_tenants: TenantSamplerBuilder::MOST_TENANTS,
            limits_remote_parents: false,
            keeps_refusals: false,
            clock: Arc::new(SystemClock::new()),
        }
    }
}

impl TenantSamplerBuilder {
    /// Of how many tenants the rate is remembered, if nobody says.
    pub const MOST_TENANTS: usize = 100_000;

    /// Keeps all traces of a tenant.
    pub fn pin(mut self, tenant: TenantId) -> Self {
        self.pinned.insert(tenant);
        self
    }

    /// How many traces are kept that are nobody's.
    pub fn nobody(self, quota: Quota) -> Self {
        Self { nobody: quota, ..self }
    }

    /// Of how many tenants that are not idle the rate is remembered.
    pub fn most_tenants(self, tenants: usize) -> Self {
        Self { most_tenants: tenants, ..self }
    }

    /// For a service that faces others: a trace that comes in as one that is kept is kept within the tenant's rate
    /// only.
    pub fn limits_remote_parents(self) -> Self {
        Self { limits_remote_parents: true, ..self }
    }

    /// Keeps refusals of traces that are not kept. It needs
    /// [`TenantSpans::keeps_refusals`](crate::TenantSpans::keeps_refusals) as well, which lets those through.
    pub fn keeps_refusals(self) -> Self {
        Self { keeps_refusals: true, ..self }
    }

    /// The source of time.
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Builds it.
    ///
    /// # Panics
    ///
    /// Never: a limiter that is new has room for two plans.
    #[must_use]
    pub fn build(self) -> TenantSampler {
        let (limiter, now) = (RateLimiter::new(self.most_tenants), self.clock.monotonic());
        let plan = |quota| match limiter.plan(quota, now) {
            Ok(plan) => plan,
            Err(TooManyPlans) => unreachable!("a limiter has room for thousands"),
        };
        let (tenants, nobody) = (plan(&self.tenants), plan(&self.nobody));
        TenantSampler(Arc::new(Inner {
            limiter,
            tenants,
            nobody,
            pinned: self.pinned,
            limits_remote_parents: self.limits_remote_parents,
            keeps_refusals: self.keeps_refusals,
            clock: self.clock,
        }))
    }
}
