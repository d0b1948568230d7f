//! [`LimitsBuilder`]: what [`Limits`] are made from.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use tenantkit_core::Authority;

use super::{
    Limits, Shared,
    rates::{InvalidRate, Rates},
    rules::Rules,
};
use crate::{
    admission::Admission,
    concurrency::{self, ConcurrencyLimiter, InvalidLimit},
    policy::LimitPolicy,
    quota::QuotaError,
    rate::TooManyPlans,
};

/// Makes [`Limits`].
#[must_use = "it does nothing until it is built"]
pub struct LimitsBuilder {
    authority: Authority,
    policy: LimitPolicy,
    concurrency: concurrency::Builder,
    admission: Option<Admission>,
    most_rates: usize,
    #[cfg(feature = "redis")]
    shared: Option<crate::shared::SharedRates>,
}

impl LimitsBuilder {
    pub(super) fn new(authority: &Authority, policy: LimitPolicy) -> Self {
        Self {
            authority: authority.clone(),
            policy,
            concurrency: ConcurrencyLimiter::builder().clock(Arc::clone(authority.clock())),
            admission: None,
            most_rates: 1_000_000,
            #[cfg(feature = "redis")]
            shared: None,
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

    /// Counts rates together with other processes. Alone if nothing is said.
    #[cfg(feature = "redis")]
    pub fn shared(mut self, rates: crate::shared::SharedRates) -> Self {
        self.shared = Some(rates);
        self
    }

    /// The limits.
    ///
    /// # Errors
    ///
    /// When the policy is for other tiers than the authority's, the shared limit is none, or there are
    /// too many different quotas.
    pub fn build(self) -> Result<Limits, InvalidLimits> {
        let Self { authority, policy, concurrency, admission, most_rates, .. } = self;
        if policy.tiers() != authority.tiers() {
            return Err(InvalidLimits::Tiers);
        }
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            let names = policy.resources().map(Box::from).collect();
            if !shared.bind(authority.clock(), names) {
                return Err(InvalidLimits::SharedTwice);
            }
        }
        let rates = Rates::new(
            most_rates,
            #[cfg(feature = "redis")]
            self.shared,
        );
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
    /// A quota of which a process cannot have a safe share.
    #[error("one process' share of a quota: {0}")]
    SafeShare(#[source] QuotaError),
    /// Shared rates that other limits have already.
    #[error("the shared rates are those of other limits: build a second one")]
    SharedTwice,
}

impl From<InvalidRate> for InvalidLimits {
    fn from(invalid: InvalidRate) -> Self {
        match invalid {
            InvalidRate::TooManyPlans(many) => Self::TooManyPlans(many),
            InvalidRate::SafeShare(quota) => Self::SafeShare(quota),
        }
    }
}
