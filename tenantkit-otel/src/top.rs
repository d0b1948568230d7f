//! [`TopTenants`]: who is heavy, in bounded memory, with an error that is stated.
//!
//! A tenant cannot be the label of a metric. So who asks the most, takes the longest, waits the most or is refused
//! the most is counted here, for the heaviest tenants only, in windows.
//!
//! ```
//! use std::time::Duration;
//! use tenantkit_otel::top::{Measure, TopTenants, Used};
//! # use tenantkit_core::test_util::TestAuthority;
//! # let test = TestAuthority::new();
//! # let (acme, globex) = (test.context("acme"), test.context("globex"));
//!
//! let top = TopTenants::builder().tenants(100).window(Duration::from_secs(60)).build();
//! top.record(&acme, Used::request().took(Duration::from_millis(20)).bytes(512));
//! top.record(&acme, Used::refusal());
//! top.record(&globex, Used::request());
//!
//! let ranking = top.current().of(Measure::Requests).clone();
//! assert_eq!(ranking.tenants[0].tenant, *acme.tenant());
//! assert_eq!((ranking.tenants[0].amount, ranking.tenants[0].at_most_over), (2, 0));
//! assert_eq!(ranking.total, 3);
//! ```
//!
//! # The error
//!
//! Space-Saving, from A. Metwally, D. Agrawal, A. El Abbadi, *Efficient Computation of Frequent and Top-k Elements in
//! Data Streams*, ICDT 2005, section 3, with weights. Of `k` tenants that are counted and a total of `n` in the window:
//!
//! - What is told of a tenant is never less than the truth, and more by at most `at_most_over`, which is never more
//!   than `n / k` (Lemma 3 and 4).
//! - A tenant that is not told has at most [`Ranking::absent_at_most`], which is never more than `n / k` (Theorem 2).
//! - While there are no more than `k` tenants in the window, all of it is exact.

mod query;
mod snapshot;
mod space_saving;
mod tell;
mod used;
mod window;

use std::{
    fmt,
    hash::BuildHasher as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use foldhash::quality::RandomState;
use tenantkit_core::{Clock, SystemClock, TenantContext};

pub use snapshot::{Heavy, Ranking, Snapshot};
pub use used::{Measure, Used};

use window::Windows;

/// Who is heavy. See the [module](self).
///
/// Memory is bounded when it is built: two windows of [`Measure::ALL`] rankings, each of so many tenants, about
/// 100 bytes a tenant.
pub struct TopTenants {
    windows: Mutex<Windows>,
    hasher: RandomState,
    clock: Arc<dyn Clock>,
}

impl TopTenants {
    /// Begins to say how many, and for how long.
    #[must_use]
    pub fn builder() -> TopTenantsBuilder {
        TopTenantsBuilder {
            tenants: TopTenantsBuilder::TENANTS,
            window: TopTenantsBuilder::WINDOW,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Counts what a tenant used.
    pub fn record(&self, tenant: &TenantContext, used: Used) {
        let id = tenant.tenant();
        let (hash, now) = (self.hasher.hash_one(id), self.clock.monotonic());
        self.windows(now).count(hash, id, used);
    }

    /// The window that is under way.
    #[must_use]
    pub fn current(&self) -> Snapshot {
        let now = self.clock.monotonic();
        self.windows(now).current(now)
    }

    /// The last window that is over, which is empty if nothing was in it, and `None` before the first is over.
    #[must_use]
    pub fn last(&self) -> Option<Snapshot> {
        self.windows(self.clock.monotonic()).last()
    }

    fn windows(&self, now: Duration) -> MutexGuard<'_, Windows> {
        // What panics under the lock is none of what it does: it has no callbacks and does not index.
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.is_over(now) {
            windows.turn(now, self.clock.now());
        }
        windows
    }
}

impl fmt::Debug for TopTenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopTenants").finish_non_exhaustive()
    }
}

/// Says how many tenants are counted, and for how long; from [`TopTenants::builder`].
#[derive(Debug)]
pub struct TopTenantsBuilder {
    tenants: usize,
    window: Duration,
    clock: Arc<dyn Clock>,
}

impl TopTenantsBuilder {
    /// How many are counted, if nobody says.
    pub const TENANTS: usize = 256;
    /// The most that can be counted.
    pub const MOST_TENANTS: usize = 65_536;
    /// How long a window is, if nobody says.
    pub const WINDOW: Duration = Duration::from_secs(60);

    /// How many tenants are counted by each measure: from 1 to [`TopTenantsBuilder::MOST_TENANTS`]. The error is
    /// what there is in a window divided by this: to find those with more than 1% of it, some hundreds.
    #[must_use]
    pub fn tenants(self, tenants: usize) -> Self {
        Self { tenants: tenants.clamp(1, Self::MOST_TENANTS), ..self }
    }

    /// How long a window is, a second at least.
    #[must_use]
    pub fn window(self, window: Duration) -> Self {
        Self { window: window.max(Duration::from_secs(1)), ..self }
    }

    /// The source of time.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Builds it, and takes the memory.
    #[must_use]
    pub fn build(self) -> TopTenants {
        let (now, at) = (self.clock.monotonic(), self.clock.now());
        TopTenants {
            windows: Mutex::new(Windows::new(self.tenants, self.window, now, at)),
            hasher: RandomState::default(),
            clock: self.clock,
        }
    }
}
