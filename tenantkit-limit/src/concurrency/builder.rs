//! [`Builder`]: what a limiter is made from.

use std::{fmt, hash::Hash, marker::PhantomData, sync::Arc};

use tenantkit_core::{Clock, SystemClock, TenantId};

use super::{
    ConcurrencyLimiter, Inner,
    adaptive::Adaptive,
    limit::{InvalidLimit, Limit},
    shared::Shared,
    sharing::Sharing,
    waiting::Bounds,
};

/// Builds a [`ConcurrencyLimiter`].
#[must_use = "it does nothing until it is built"]
pub struct Builder<K = TenantId> {
    global: Limit,
    sharing: Sharing,
    bounds: Bounds,
    shards: usize,
    clock: Arc<dyn Clock>,
    key: PhantomData<fn() -> K>,
}

impl<K> Builder<K> {
    pub(super) fn new() -> Self {
        // Several for each processor, so that two threads seldom meet at one.
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            global: Limit::fixed(Limit::MAX),
            sharing: Sharing::DEFAULT,
            bounds: Bounds { per_tenant: 64, in_all: 4096 },
            shards: (16 * processors).next_power_of_two().min(1024),
            clock: Arc::new(SystemClock::new()),
            key: PhantomData,
        }
    }

    /// The global limit: [`Limit::MAX`], which is none, if nothing is said.
    pub fn global(mut self, limit: Limit) -> Self {
        self.global = limit;
        self
    }

    /// How tenants share the global limit.
    pub const fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = sharing;
        self
    }

    /// How many may wait at most, of one tenant and in all: 64 and 4096, if nothing is said. Who comes
    /// then is refused.
    pub const fn waiters(mut self, per_tenant: u16, in_all: u32) -> Self {
        self.bounds = Bounds { per_tenant: per_tenant as usize, in_all: in_all as usize };
        self
    }

    /// The clock by which an adaptive limit measures.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// For keys of another kind, as a bench has them.
    pub fn keyed_by<L>(self) -> Builder<L> {
        let Self { global, sharing, bounds, shards, clock, key: _ } = self;
        Builder { global, sharing, bounds, shards, clock, key: PhantomData }
    }
}

impl<K: Eq + Hash + Clone> Builder<K> {
    /// The limiter.
    ///
    /// # Errors
    ///
    /// When the global limit is none.
    pub fn build(self) -> Result<ConcurrencyLimiter<K>, InvalidLimit> {
        let initial = self.global.initial()?;
        let shared = Shared::new(self.shards, initial, self.sharing, self.bounds);
        let adaptive = Adaptive::new(&self.global);
        let inner = Inner { shared, adaptive, clock: self.clock };
        Ok(ConcurrencyLimiter::new(inner, self.shards))
    }
}

impl<K> fmt::Debug for Builder<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("global", &self.global)
            .field("sharing", &self.sharing)
            .field("waiters", &self.bounds)
            .finish_non_exhaustive()
    }
}
