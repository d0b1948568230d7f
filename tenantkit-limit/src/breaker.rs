//! [`Breaker`]: stops calling what is failing, for one tenant or for all.
//!
//! A breaker stands before one dependency. Beneath the dependency's own circuit every tenant has one:
//! a tenant whose calls all fail opens its own and nobody else's, and only a dependency that fails for
//! most *tenants*, however few or many calls each of them makes, is taken to be down for all.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tenantkit_core::{ManualClock, RefusalCode, UnixTime};
//! use tenantkit_limit::breaker::{Breaker, BreakerPolicy};
//!
//! let clock = ManualClock::at(UnixTime::EPOCH);
//! let policy = BreakerPolicy::builder().min_calls(5).open_for(Duration::from_secs(1)).build()?;
//! let search = Breaker::new(policy, Arc::new(clock.clone()));
//!
//! for _ in 0..5 {
//!     search.call(&"acme")?.failed();
//! }
//! let refused = search.call(&"acme").unwrap_err();
//! assert_eq!(refused.code(), RefusalCode::CircuitOpen);
//! assert_eq!(refused.wait(), Some(Duration::from_secs(1)));
//! search.call(&"globex")?.succeeded();
//!
//! clock.advance(Duration::from_secs(1));
//! let probe = search.call(&"acme")?;
//! assert!(search.call(&"acme").is_err(), "one probe at a time");
//! probe.succeeded();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The states and their names are those of Nygard, *Release It!* (2007), chapter 5, "Circuit
//! Breaker". What counts as a failure is the caller's to say: [`Call::failed`] or [`Call::succeeded`].
//!
//! # Memory
//!
//! A tenant has a circuit from its first failure until it has been closed and without one for a window,
//! and at most [`BreakerPolicy::max_tenants`] have one at a time. A tenant that fails while that many do is
//! not tracked by itself; its failures still count for the dependency. The dependency's circuit needs
//! 4 KiB, however many tenants there are.

mod call;
mod circuit;
mod crowd;
mod dependency;
mod policy;
mod tenants;

use std::{
    fmt,
    hash::{BuildHasher, Hash},
    sync::Arc,
    time::Duration,
};

use tenantkit_core::{Clock, Door, Reason, Refusal, TenantId};

pub use self::{
    call::Call,
    policy::{BreakerPolicy, BreakerPolicyBuilder, InvalidBreakerPolicy},
};
use self::{dependency::Dependency, tenants::Tenants};
use crate::rate::Keyed;

/// The circuits of one dependency: its own, and one for each tenant that it fails. Clones share them.
pub struct Breaker<K = TenantId> {
    shared: Arc<Shared<K>>,
}

struct Shared<K> {
    policy: BreakerPolicy,
    clock: Arc<dyn Clock>,
    hasher: Keyed,
    dependency: Dependency,
    tenants: Tenants<K>,
}

impl<K: Hash + Eq + Clone> Breaker<K> {
    /// A breaker whose circuits are all closed.
    #[must_use]
    pub fn new(policy: BreakerPolicy, clock: Arc<dyn Clock>) -> Self {
        Self {
            shared: Arc::new(Shared {
                policy,
                clock,
                hasher: Keyed::default(),
                dependency: Dependency::new(),
                tenants: Tenants::new(policy.max_tenants()),
            }),
        }
    }

    /// Asks to call the dependency for a tenant. Say of the [`Call`] how it ended.
    ///
    /// # Errors
    ///
    /// [`DependencyFailing`](Reason::DependencyFailing), with the time until the next probe, while the
    /// tenant's circuit or the dependency's is open, and while it is half-open and its probes are out. A
    /// probe that does not answer for as long as the circuit was open is waited for no longer.
    pub fn call(&self, tenant: &K) -> Result<Call<K>, Refusal> {
        let Shared { policy, clock, hasher, dependency, tenants } = &*self.shared;
        if tenants.is_empty() && dependency.is_closed() {
            return Ok(Call::free(self, tenant));
        }
        let now = clock.monotonic();
        let hash = hasher.hash_one(tenant);
        tenants.tidy(now, policy);
        let own = tenants.admit(hash, tenant, now, policy).map_err(open)?;
        // Its drop gives the tenant's probe back when the dependency then says no.
        let call = Call::own(self, tenant, own);
        let above = dependency.admit(hash, now, policy).map_err(open)?;
        Ok(call.above(above))
    }

    /// Whether the dependency's own circuit is open or half-open: calls of all tenants are held back.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.shared.dependency.is_closed()
    }

    /// How many tenants have a circuit of their own now.
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.shared.tenants.len()
    }
}

fn open(wait: Duration) -> Refusal {
    Refusal::new(Reason::DependencyFailing, Door::Call).retry_after(wait)
}

impl<K> Clone for Breaker<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<K> fmt::Debug for Breaker<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not who is failing: that is for the audience of an audit log.
        f.debug_struct("Breaker")
            .field("policy", &self.shared.policy)
            .field("dependency_is_closed", &self.shared.dependency.is_closed())
            .field("tracked", &self.shared.tenants.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
