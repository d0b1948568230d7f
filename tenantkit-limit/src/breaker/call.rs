//! [`Call`]: one that the breaker let pass.

use std::{
    fmt,
    hash::{BuildHasher, Hash},
    thread,
};

use super::{
    Breaker,
    circuit::{Outcome, Ticket},
};

/// A call that the breaker let pass. Say how it ended.
///
/// # Cancellation
///
/// Dropped without a word it counts neither as a success nor as a failure, and a probe makes place for
/// another; dropped by a panic it counts as a failure.
#[must_use = "say how the call ended: `succeeded` or `failed`"]
pub struct Call<K: Hash + Eq + Clone> {
    breaker: Breaker<K>,
    tenant: K,
    own: Option<Ticket>,
    above: Option<Ticket>,
    outcome: Outcome,
}

impl<K: Hash + Eq + Clone> Call<K> {
    pub(super) fn free(breaker: &Breaker<K>, tenant: &K) -> Self {
        Self::own(breaker, tenant, None)
    }

    pub(super) fn own(breaker: &Breaker<K>, tenant: &K, own: Option<Ticket>) -> Self {
        Self {
            breaker: breaker.clone(),
            tenant: tenant.clone(),
            own,
            above: None,
            outcome: Outcome::Abandoned,
        }
    }

    pub(super) const fn above(mut self, above: Option<Ticket>) -> Self {
        self.above = above;
        self
    }

    /// The dependency did what it was asked to, or refused for a reason that is the caller's.
    pub fn succeeded(mut self) {
        self.outcome = Outcome::Success;
    }

    /// The dependency failed, or was too slow.
    pub fn failed(mut self) {
        self.outcome = Outcome::Failure;
    }
}

impl<K: Hash + Eq + Clone> Drop for Call<K> {
    fn drop(&mut self) {
        let outcome = match self.outcome {
            Outcome::Abandoned if thread::panicking() => Outcome::Failure,
            outcome => outcome,
        };
        let shared = &*self.breaker.shared;
        let is_news = outcome != Outcome::Abandoned;
        if !is_news && self.own.is_none() && self.above.is_none() {
            return;
        }
        let now = shared.clock.monotonic();
        let hash = shared.hasher.hash_one(&self.tenant);
        if outcome == Outcome::Failure || self.own.is_some() || !shared.tenants.is_empty() {
            shared.tenants.settle(hash, &self.tenant, self.own, outcome, now, &shared.policy);
        }
        shared.dependency.settle(hash, self.above, outcome, now, &shared.policy);
    }
}

impl<K: Hash + Eq + Clone> fmt::Debug for Call<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("is_probe", &(self.own.is_some() || self.above.is_some()))
            .finish_non_exhaustive()
    }
}
