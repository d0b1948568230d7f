//! [`LimitsBuilder`]: what [`Limits`] are made from.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use tenantkit_core::Authority;

use super::{Limits, Shared, rules::Rules};
use crate::{
    admission::Admission,
    concurrency::{self, ConcurrencyLimiter, InvalidLimit},
    policy::LimitPolicy,
    rate::{RateLimiter, TooManyPlans},
};

/// Makes [`Limits`].
#[must_use = "it does nothing until it is built"]
pub struct LimitsBuilder {
    authority: Authority,
    policy: LimitPolicy,
    concurrency: concurrency::Builder,
    admission: Option<Admission>,
    most_rates: usize,
}

impl LimitsBuilder {
    pub(super) fn new(authority: &Authority, policy: LimitPolicy) -> Self {
        Self {
            authority: authority.clone(),
            policy,
            concurrency: ConcurrencyLimiter::builder().clock(Arc::clone(authority.clock())),
            admission: None,
            most_rates: 1_000_000,
        }
    }

    /// The limit that all tenants share, and the line before it: change what differs. No limit if
    /// nothing is said.
    pub fn concurrency(
        mut self,
        change: impl FnOnce(concurrency::Builder) -> concurrency::Builder,
    ) -> Self {
        self.concurrency = change(self.concurrency);
        self
    }

    /// Sheds by tier when the process has too much to do. Nothing is shed if nothing is said.
    pub fn admission(mut self, admission: Admission) -> Self {
        self.admission = Some(admission);
        self
    }

    /// How many pairs of tenant and resource are remembered at a time, idle ones not counted. A
    /// million if not said; past it newcomers share their tier's quota.
    pub const fn most_rates(mut self, most_rates: usize) -> Self {
        self.most_rates = most_rates;
        self
    }

    /// The limits.
    ///
    /// # Errors
    ///
    /// When the policy is for other tiers than the authority's, the shared limit is none, or there are
    /// too many different quotas.
    pub fn build(self) -> Result<Limits, InvalidLimits> {
        let Self { authority, policy, concurrency, admission, most_rates } = self;
        if policy.tiers() != authority.tiers() {
            return Err(InvalidLimits::Tiers);
        }
        let rates = RateLimiter::new(most_rates);
        let rules = Rules::of(policy, &rates, authority.clock().monotonic())?;
        let (rules, permits) = (ArcSwap::from_pointee(rules), concurrency.build()?);
        Ok(Limits { shared: Arc::new(Shared { authority, rules, rates, permits, admission }) })
    }
}

impl fmt::Debug for LimitsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitsBuilder")
            .field("concurrency", &self.concurrency)
            .field("admission", &self.admission)
            .field("most_rates", &self.most_rates)
            .finish_non_exhaustive()
    }
}

/// Why there are no [`Limits`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimits {
    /// The policy is for another set of tiers than the authority's.
    #[error("the policy is for other tiers than the authority's")]
    Tiers,
    /// The limit that all share.
    #[error(transparent)]
    Limit(#[from] InvalidLimit),
    /// Too many different quotas.
    #[error(transparent)]
    TooManyPlans(#[from] TooManyPlans),
}
