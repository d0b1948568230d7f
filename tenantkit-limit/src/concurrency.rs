//! [`ConcurrencyLimiter`]: how much each tenant, and all together, may have under way.
//!
//! Each tenant has a bulkhead for each named resource, all tenants share a global limit of which none
//! can take all ([`Sharing`]), and who must wait stands in a line that is bounded and fair. A
//! [`Permit`] owns what it needs: it moves into the response's body and ends with that.
//!
//! ```
//! use tenantkit_core::{RefusalCode, TenantId};
//! use tenantkit_limit::concurrency::{Cap, ConcurrencyLimiter, Limit, Resource};
//!
//! const EXPORTS: Resource = Resource::new(1);
//!
//! let limiter = ConcurrencyLimiter::builder().global(Limit::fixed(512)).build()?;
//! let acme: TenantId = "acme".parse()?;
//! let two_exports = Cap::new(EXPORTS, 2);
//!
//! let first = limiter.try_acquire(&acme, two_exports)?;
//! let second = limiter.try_acquire(&acme, two_exports)?;
//! let refused = limiter.try_acquire(&acme, two_exports).unwrap_err();
//! assert_eq!(refused.code(), RefusalCode::TooManyInFlight);
//!
//! drop(first);
//! let third = limiter.try_acquire(&acme, two_exports)?;
//! # drop((second, third));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Memory: an entry for each tenant that holds a permit or waits for one, and for the last one in each
//! shard that did (32 shards on two processors, 1,024 at most). Permits
//! are bounded by the global limit and waiters by [`Builder::waiters`]. What the tables have grown to
//! in a busy hour they keep.

mod acquire;
mod adaptive;
mod builder;
mod cap;
mod limit;
mod permit;
mod shared;
mod sharing;
mod slab;
mod sync;
mod table;
mod waiting;
mod word;

use std::{fmt, hash::Hash, sync::Arc};

use tenantkit_core::{Clock, Door, Reason, Refusal, TenantId};

pub use acquire::Acquire;
pub use adaptive::{Aimd, Gradient2};
pub use builder::Builder;
pub use cap::{Cap, Resource};
pub use limit::{InvalidLimit, Limit};
pub use permit::{Outcome, Permit};
pub use sharing::Sharing;

use adaptive::Adaptive;
use shared::{Refused, Shared};
use table::Place;
use waiting::Line;

/// Caps what is under way, by tenant and resource and in all. Its clones share their counts.
///
/// The tenant is known by its exact id.
pub struct ConcurrencyLimiter<K = TenantId> {
    inner: Arc<Inner<K>>,
    /// One for each shard of tenants, so that permits of different tenants count their references
    /// apart: one count would go from processor to processor with each permit.
    holds: Arc<[Arc<Hold<K>>]>,
}

/// What a permit holds on to. Its count of references has its line of the cache for itself.
#[repr(align(128))]
struct Hold<K> {
    inner: Arc<Inner<K>>,
}

struct Inner<K> {
    shared: Shared<K>,
    adaptive: Adaptive,
    clock: Arc<dyn Clock>,
}

impl ConcurrencyLimiter {
    /// A limiter of tenants.
    pub fn builder() -> Builder {
        Builder::new()
    }
}

impl<K: Eq + Hash + Clone> ConcurrencyLimiter<K> {
    /// Takes a permit, or is refused at once. Nobody who waits is passed by.
    ///
    /// # Errors
    ///
    /// [`Reason::ConcurrencyExceeded`] when the tenant has what it may have of the resource or of the
    /// global limit, or waits for the resource already; [`Reason::LoadShed`] when the global limit is
    /// reached, but for what is in reserve for others. A refused attempt leaves no trace.
    pub fn try_acquire(&self, tenant: &K, cap: Cap) -> Result<Permit<K>, Refusal> {
        match self.inner.shared.take(tenant, cap) {
            Ok(place) => Ok(self.permit(place, cap.resource())),
            Err(refused) => Err(refused.into()),
        }
    }

    /// Waits for a permit: behind those of the same tenant and resource who came before, and in turn
    /// with other tenants.
    ///
    /// # Errors
    ///
    /// As [`try_acquire`](Self::try_acquire), when too many wait already, of the tenant or in all, and
    /// when the cap is zero.
    ///
    /// # Cancellation
    ///
    /// See [`Acquire`].
    pub fn acquire(&self, tenant: &K, cap: Cap) -> Acquire<K> {
        Acquire::new(self.clone(), tenant.clone(), cap)
    }

    /// How many permits of `resource` the tenant holds.
    #[must_use]
    pub fn held(&self, tenant: &K, resource: Resource) -> u32 {
        self.own(tenant, resource).0
    }

    /// What the tenant holds of `resource`, and whether somebody of it waits for that.
    pub(crate) fn own(&self, tenant: &K, resource: Resource) -> (u32, bool) {
        self.inner.shared.own(tenant, resource)
    }

    /// How a newcomer of the tenant would stand in the line for `resource`.
    pub(crate) fn line(&self, tenant: &K, resource: Resource) -> Line {
        self.inner.shared.line(tenant, resource)
    }
}

impl<K> ConcurrencyLimiter<K> {
    /// Changes the global limit while running. A lower one takes no permit away: less is given until
    /// less is in use. A higher one is given out at once to those who wait.
    ///
    /// # Errors
    ///
    /// When it is no limit; the one that was stays in force.
    pub fn set_global(&self, limit: &Limit) -> Result<(), InvalidLimit> {
        let initial = limit.initial()?;
        let Inner { shared, adaptive, .. } = &*self.inner;
        adaptive.replace(limit, || shared.set_limit(initial));
        shared.give_out();
        Ok(())
    }

    /// The global limit as it is now.
    #[must_use]
    pub fn global(&self) -> u32 {
        self.inner.shared.limit()
    }

    /// How many permits all tenants hold.
    #[must_use]
    pub fn in_use(&self) -> u32 {
        self.inner.shared.in_use()
    }

    /// How many wait for a permit, or have not looked yet at the one they were given.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.inner.shared.waiters()
    }

    /// How many tenants hold a permit or wait for one: what the limiter's memory is for.
    #[must_use]
    pub fn tenants(&self) -> usize {
        self.inner.shared.tenants()
    }

    fn new(inner: Inner<K>, shards: usize) -> Self {
        let inner = Arc::new(inner);
        let hold = |_| Arc::new(Hold { inner: Arc::clone(&inner) });
        Self { holds: (0..shards).map(hold).collect(), inner }
    }

    fn shared(&self) -> &Shared<K> {
        &self.inner.shared
    }

    fn permit(&self, place: Place, resource: Resource) -> Permit<K> {
        Permit::new(Arc::clone(&self.holds[place.shard()]), place, resource)
    }
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let reason = match refused {
            Refused::Own => Reason::ConcurrencyExceeded,
            Refused::Common => Reason::LoadShed,
        };
        // How long what is under way will take, nobody knows.
        Self::new(reason, Door::Permit)
    }
}

impl<K> Clone for ConcurrencyLimiter<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), holds: Arc::clone(&self.holds) }
    }
}

/// Numbers only: it names no tenant.
impl<K> fmt::Debug for ConcurrencyLimiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimiter")
            .field("in_use", &self.in_use())
            .field("global", &self.global())
            .field("somebody_waits", &self.inner.shared.somebody_waits())
            .finish_non_exhaustive()
    }
}
