//! [`RetryPolicy`] and [`RetryBudget`]: trying again without making it worse.
//!
//! A retry is worth its load only when failures are rare. When everything fails, retries multiply the
//! load on what is already failing. So each tenant has a budget: over a window it may retry a share of
//! its calls and no more, and one tenant's storm spends nothing of another's.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tenantkit_core::{ManualClock, UnixTime};
//! use tenantkit_limit::retry::{GiveUp, RetryBudget, RetryPolicy};
//!
//! let clock = ManualClock::at(UnixTime::EPOCH);
//! let budget = RetryBudget::<&str>::builder().percent(20).reserve(1).build(Arc::new(clock))?;
//! let policy = RetryPolicy::builder().max_attempts(3).build()?;
//!
//! // A call is made, and fails.
//! let mut attempts = policy.first(&budget, &"acme");
//! let wait = attempts.again(&budget, &"acme", None, None)?;
//! assert!(wait <= Duration::from_millis(100));
//! // It fails again. The reserve is spent, and 20% of one call is not a retry.
//! assert_eq!(attempts.again(&budget, &"acme", None, None), Err(GiveUp::BudgetSpent));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backoff;
mod budget;

use std::{hash::Hash, time::Duration};

pub use self::{
    backoff::Backoff,
    budget::{RetryBudget, RetryBudgetBuilder},
};

/// How often to try, and how long to wait in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    max_attempts: u32,
    max_wait: Duration,
    backoff: Backoff,
}

impl RetryPolicy {
    /// The default one, to change what differs.
    #[must_use]
    pub const fn builder() -> RetryPolicyBuilder {
        RetryPolicyBuilder(Self {
            max_attempts: 3,
            max_wait: Duration::from_secs(10),
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(5)),
        })
    }

    /// Counts a call that is made for the first time.
    pub fn first<K: Hash + Eq + Clone>(&self, budget: &RetryBudget<K>, tenant: &K) -> Attempts {
        budget.call(tenant);
        Attempts { policy: *self, made: 1 }
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::builder().0
    }
}

/// Makes a [`RetryPolicy`].
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicyBuilder(RetryPolicy);

impl RetryPolicyBuilder {
    /// How often a call is made at most, the first time included. 3 if not said.
    #[must_use]
    pub const fn max_attempts(self, max_attempts: u32) -> Self {
        Self(RetryPolicy { max_attempts, ..self.0 })
    }

    /// The longest wait that is worth it: whoever is told to wait longer gives up. 10 seconds if not
    /// said.
    #[must_use]
    pub const fn max_wait(self, max_wait: Duration) -> Self {
        Self(RetryPolicy { max_wait, ..self.0 })
    }

    /// How long to wait where nobody says. From 100 ms, at most 5 seconds, if not said.
    #[must_use]
    pub const fn backoff(self, backoff: Backoff) -> Self {
        Self(RetryPolicy { backoff, ..self.0 })
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// When no attempt is allowed, or a backoff has no time in it.
    pub const fn build(self) -> Result<RetryPolicy, InvalidRetryPolicy> {
        if self.0.max_attempts == 0 {
            return Err(InvalidRetryPolicy::Zero("max_attempts"));
        }
        if self.0.backoff.is_zero() {
            return Err(InvalidRetryPolicy::Zero("backoff"));
        }
        Ok(self.0)
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub struct Attempts {
    policy: RetryPolicy,
    made: u32,
}

impl Attempts {
    /// How often the call was made.
    #[must_use]
    pub const fn made(&self) -> u32 {
        self.made
    }

    /// Asks to make the call again, and takes it from the tenant's budget. `told` is what the other side
    /// said that it wants waited (`Retry-After`, `RetryInfo`): it is honoured, and never undercut.
    /// `remaining` is how long the caller still waits, where that has an end.
    ///
    /// # Errors
    ///
    /// When the call is not to be made again; then nothing is taken.
    pub fn again<K: Hash + Eq + Clone>(
        &mut self,
        budget: &RetryBudget<K>,
        tenant: &K,
        told: Option<Duration>,
        remaining: Option<Duration>,
    ) -> Result<Duration, GiveUp> {
        let RetryPolicy { max_attempts, max_wait, backoff } = self.policy;
        if self.made >= max_attempts {
            return Err(GiveUp::AttemptsSpent);
        }
        if told.is_some_and(|told| told > max_wait) {
            return Err(GiveUp::WaitTooLong);
        }
        // The jitter on top of what one is told is no reason to give up.
        let wait = backoff.wait(self.made, told).min(max_wait);
        if remaining.is_some_and(|remaining| wait >= remaining) {
            return Err(GiveUp::DeadlineTooNear);
        }
        if !budget.retry(tenant) {
            return Err(GiveUp::BudgetSpent);
        }
        self.made += 1;
        Ok(wait)
    }
}

/// Why a call is not made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GiveUp {
    /// It was made as often as it may be.
    #[error("the call was made as often as it may be")]
    AttemptsSpent,
    /// The other side wants more waiting than the call is worth.
    #[error("the wait would be too long")]
    WaitTooLong,
    /// The caller will have given up by then.
    #[error("the caller will have given up by then")]
    DeadlineTooNear,
    /// The tenant has retried as much as its calls allow.
    #[error("the tenant's budget of retries is spent")]
    BudgetSpent,
}

/// Why a [`RetryPolicy`] or a [`RetryBudget`] cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRetryPolicy {
    /// What cannot be zero.
    #[error("{0} must not be zero")]
    Zero(&'static str),
    /// More than every call again.
    #[error("percent must be at most 100")]
    Percent,
}

#[cfg(test)]
mod tests;
