//! [`Rates`]: a tenant's rate, of this process or of all that share it.

use std::time::Duration;

#[cfg(feature = "redis")]
use std::sync::Arc;

use super::{
    RateKey,
    entered::{Basis, Standings},
};
#[cfg(feature = "redis")]
use crate::shared::{SharedRates, Taken, Terms, Verdict, safe_share};
use crate::{
    quota::{Cost, Quota, QuotaError},
    rate::{self, Denial, Plan, RateLimiter, TooManyPlans},
};

pub(super) struct Rates {
    local: RateLimiter<RateKey>,
    #[cfg(feature = "redis")]
    shared: Option<SharedRates>,
}

/// A quota, as it is decided by.
#[derive(Clone)]
pub(super) struct Rate {
    plan: Plan,
    #[cfg(feature = "redis")]
    shared: Option<Shared>,
}

#[cfg(feature = "redis")]
#[derive(Clone)]
struct Shared {
    terms: Arc<Terms>,
    /// What is safe for this process alone.
    share: Plan,
}

impl Rate {
    /// What so many calls of this cost take. Where the quota never has room for all of them at once, all
    /// of its room.
    pub(super) fn cost_of(&self, calls: u32, cost: Cost) -> Cost {
        let most = self.plan.quota().largest_cost().max(cost.get());
        Cost::new(cost.get().saturating_mul(calls).min(most)).unwrap_or(cost)
    }
}

/// What a rate said, and how the tenant stands after it.
pub(super) struct Decided {
    pub(super) taken: Result<Option<Charge>, Denial>,
    pub(super) standings: Standings,
}

/// What a call took, until its true cost is known.
pub(super) enum Charge {
    Local(rate::Charge),
    #[cfg(feature = "redis")]
    Shared {
        terms: Arc<Terms>,
        taken: Taken,
        cost: Cost,
    },
}

impl Rates {
    pub(super) fn new(most: usize, #[cfg(feature = "redis")] shared: Option<SharedRates>) -> Self {
        Self {
            local: RateLimiter::new(most),
            #[cfg(feature = "redis")]
            shared,
        }
    }

    /// Makes a quota known.
    pub(super) fn rate(&self, quota: &Quota, now: Duration) -> Result<Rate, InvalidRate> {
        #[cfg(feature = "redis")]
        let shared = match &self.shared {
            None => None,
            Some(shared) => {
                let processes = shared.processes();
                let share = self.local.plan(&safe_share(quota, processes)?, now)?;
                Some(Shared { terms: Arc::new(Terms::new(*quota, processes)), share })
            }
        };
        Ok(Rate {
            plan: self.local.plan(quota, now)?,
            #[cfg(feature = "redis")]
            shared,
        })
    }

    /// What [`take`](Self::take) would say.
    pub(super) fn peek(&self, key: &RateKey, rate: &Rate, cost: Cost, now: Duration) -> Decided {
        let seen = self.seen(key, rate, cost, now);
        if seen.taken.is_err() {
            self.count(&seen);
        }
        seen
    }

    /// Takes the cost, or nothing.
    pub(super) fn take(&self, key: &RateKey, rate: &Rate, cost: Cost, now: Duration) -> Decided {
        let decided = self.decided(key, rate, cost, now);
        self.count(&decided);
        decided
    }

    fn count(&self, decided: &Decided) {
        #[cfg(feature = "redis")]
        if let Some(shared) = &self.shared {
            shared.decided(decided.standings.basis() == Basis::SafeShare);
        }
        let _ = decided;
    }

    fn seen(&self, key: &RateKey, rate: &Rate, cost: Cost, now: Duration) -> Decided {
        #[cfg(feature = "redis")]
        let plan = match self.together(key, rate, cost, now, SharedRates::peek) {
            Ok(decided) => return decided,
            Err(plan) => plan,
        };
        #[cfg(not(feature = "redis"))]
        let plan = &rate.plan;
        let decision = self.local.peek(key, plan, cost, now);
        let standings = Standings::of(plan, &decision, basis(rate));
        Decided { taken: decision.denial().map_or(Ok(None), Err), standings }
    }

    fn decided(&self, key: &RateKey, rate: &Rate, cost: Cost, now: Duration) -> Decided {
        #[cfg(feature = "redis")]
        let plan = match self.together(key, rate, cost, now, SharedRates::take) {
            Ok(decided) => return decided,
            Err(plan) => plan,
        };
        #[cfg(not(feature = "redis"))]
        let plan = &rate.plan;
        let decision = self.local.check(key, plan, cost, now);
        let standings = Standings::of(plan, &decision, basis(rate));
        let charge = decision.charge().map(Charge::Local);
        Decided { taken: decision.denial().map_or(Ok(charge), Err), standings }
    }

    /// How the tenant stands.
    pub(super) fn standings(&self, key: &RateKey, rate: &Rate, now: Duration) -> Standings {
        #[cfg(feature = "redis")]
        if let (Some(shared), Some(_)) = (&self.shared, &rate.shared)
            && let Some(each) = shared.each(key, now)
        {
            return Standings::known(&rate.plan, each, Basis::Together);
        }
        #[cfg(feature = "redis")]
        let plan = rate.shared.as_ref().map_or(&rate.plan, |shared| &shared.share);
        #[cfg(not(feature = "redis"))]
        let plan = &rate.plan;
        Standings::of(plan, &self.local.peek(key, plan, Cost::ONE, now), basis(rate))
    }

    /// Makes a charge what the call has cost in truth. Answers what could not be charged.
    pub(super) fn correct(&self, key: &RateKey, charge: Charge, actual: u32, now: Duration) -> u32 {
        match charge {
            Charge::Local(charge) => self.local.correct(key, charge, actual, now),
            #[cfg(feature = "redis")]
            Charge::Shared { terms, taken, cost } => self
                .shared
                .as_ref()
                .map_or(0, |shared| shared.correct(key, &terms, taken, cost, actual, now)),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.local.len()
    }

    /// What all processes together say, or the plan by which this one decides alone.
    #[cfg(feature = "redis")]
    fn together<'r>(
        &self,
        key: &RateKey,
        rate: &'r Rate,
        cost: Cost,
        now: Duration,
        ask: impl FnOnce(&SharedRates, &RateKey, &Arc<Terms>, Cost, Duration, Apart<'_>) -> Verdict,
    ) -> Result<Decided, &'r Plan> {
        let (Some(rates), Some(shared)) = (&self.shared, &rate.shared) else {
            return Err(&rate.plan);
        };
        let apart = || self.taken_apart(key, &shared.share, now);
        match ask(rates, key, &shared.terms, cost, now, &apart) {
            Verdict::Apart => Err(&shared.share),
            Verdict::Decided { taken, each } => {
                let charge =
                    |taken| Charge::Shared { terms: Arc::clone(&shared.terms), taken, cost };
                Ok(Decided {
                    taken: taken.map(|taken| taken.map(charge)),
                    standings: Standings::known(&rate.plan, each, Basis::Together),
                })
            }
        }
    }

    /// What of its safe share a tenant took that no window has earned back.
    #[cfg(feature = "redis")]
    fn taken_apart(&self, key: &RateKey, share: &Plan, now: Duration) -> u32 {
        let seen = self.local.peek(key, share, Cost::ONE, now);
        let taken = |standing: rate::Standing<'_>| standing.window.burst() - standing.remaining;
        seen.standings().map(taken).min().unwrap_or(0)
    }
}

#[cfg(feature = "redis")]
type Apart<'a> = &'a dyn Fn() -> u32;

fn basis(rate: &Rate) -> Basis {
    #[cfg(feature = "redis")]
    if rate.shared.is_some() {
        return Basis::SafeShare;
    }
    let _ = rate;
    Basis::Process
}

/// Why a quota cannot be decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum InvalidRate {
    #[error(transparent)]
    TooManyPlans(#[from] TooManyPlans),
    #[error(transparent)]
    SafeShare(#[from] QuotaError),
}
