//! [`TenantSamplerBuilder`]: the rates, and whose are their own.

use std::{collections::HashMap, sync::Arc};

use foldhash::quality::RandomState;
use tenantkit_core::{Clock, SystemClock, TenantId};
use tenantkit_limit::{
    quota::Quota,
    rate::{RateLimiter, TooManyPlans},
};

use super::{Inner, Kept, TenantSampler};

/// Says how much is kept of whom; from [`TenantSampler::builder`].
#[derive(Debug)]
#[must_use]
pub struct TenantSamplerBuilder {
    tenants: Quota,
    nobody: Quota,
    own: HashMap<TenantId, Option<Quota>, RandomState>,
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
            own: HashMap::default(),
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

    /// Keeps all traces of a tenant, whatever was said of it before.
    pub fn pin(mut self, tenant: TenantId) -> Self {
        self.own.insert(tenant, None);
        self
    }

    /// Keeps of a tenant's traces as many as `quota` says instead, whatever was said of it before.
    pub fn rate(mut self, tenant: TenantId, quota: Quota) -> Self {
        self.own.insert(tenant, Some(quota));
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
    /// [`TenantSpans::keeps_refusals`](crate::TenantSpans::keeps_refusals) as well, which lets those through: all of them,
    /// whoever causes them, so that a flood of refusals takes the batch processor's room.
    pub fn keeps_refusals(self) -> Self {
        Self { keeps_refusals: true, ..self }
    }

    /// The source of time.
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// When tenants have more than some 4,000 different rates of their own.
    pub fn build(self) -> Result<TenantSampler, TooManyPlans> {
        let (limiter, now) = (RateLimiter::new(self.most_tenants), self.clock.monotonic());
        let plan = |quota: &Quota| limiter.plan(quota, now);
        let (tenants, nobody) = (plan(&self.tenants)?, plan(&self.nobody)?);
        let kept = |quota: Option<Quota>| match quota {
            None => Ok(Kept::All),
            Some(quota) => plan(&quota).map(Kept::Within),
        };
        let own = self.own.into_iter().map(|(tenant, quota)| Ok((tenant, kept(quota)?)));
        let own = own.collect::<Result<_, _>>()?;
        Ok(TenantSampler(Arc::new(Inner {
            limiter,
            tenants,
            nobody,
            own,
            limits_remote_parents: self.limits_remote_parents,
            keeps_refusals: self.keeps_refusals,
            clock: self.clock,
        })))
    }
}
