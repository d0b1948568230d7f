//! [`TenantLatencies`]: how long the requests of some tenants take, each by itself.
//!
//! The metrics know the tier. Where one tenant matters (it is pinned, or it is heavy just now), its own histogram
//! is kept here, for a bounded number of tenants, and never as a label of the shared metrics.
//!
//! ```
//! use std::time::Duration;
//! use tenantkit_otel::latencies::TenantLatencies;
//! # use tenantkit_core::test_util::TestAuthority;
//! # let acme = TestAuthority::new().context("acme");
//!
//! let latencies = TenantLatencies::new([*acme.tenant()], 10);
//! for millis in 1..=100 {
//!     latencies.record(&acme, Duration::from_millis(millis));
//! }
//! let of_acme = latencies.of(acme.tenant()).unwrap();
//! assert_eq!(of_acme.count(), 100);
//!
//! // Never less than the truth, and at most an eighth more.
//! let p90 = of_acme.quantile(0.9).unwrap();
//! assert!(p90 >= Duration::from_millis(90) && p90 <= Duration::from_millis(102));
//!
//! // The objective "99% within 250 ms", for this tenant: all were.
//! assert_eq!(of_acme.within(Duration::from_millis(250)), 100);
//!
//! // The objective "99.9% do not fail": one of 101 did.
//! latencies.record_failure(&acme);
//! assert_eq!((of_acme.count(), of_acme.failed()), (100, 1));
//!
//! // At this rate a month's budget for failures is gone in three days. A task marks the time, every few seconds.
//! latencies.mark(Duration::from_secs(10));
//! let burn = of_acme.burn(Duration::from_secs(300));
//! assert!(burn.failures.unwrap() > 9.9 && burn.slowness == Some(0.0));
//! ```

mod buckets;
mod burn;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use foldhash::quality::RandomState;
use tenantkit_core::{TenantContext, TenantId};

pub use buckets::Latencies;
pub use burn::{Alert, Burn};

use crate::top::Ranking;

type Watched = HashMap<TenantId, Arc<Latencies>, RandomState>;

/// How long the requests of some tenants take. See the [module](self).
///
/// About 2.2 KiB a tenant that is watched, and at most 20 KiB more once it has been marked for six hours. A tenant that is
/// not costs a look-up, and nothing is kept of it.
#[derive(Debug)]
pub struct TenantLatencies {
    watched: ArcSwap<Watched>,
    pinned: HashSet<TenantId, RandomState>,
    others: usize,
}

impl TenantLatencies {
    /// Watches the `pinned` tenants always, and at most so many others.
    #[must_use]
    pub fn new(pinned: impl IntoIterator<Item = TenantId>, others: usize) -> Self {
        let pinned: HashSet<_, _> = pinned.into_iter().collect();
        let watched = pinned.iter().map(|it| (*it, Arc::default())).collect::<Watched>();
        Self { watched: ArcSwap::from_pointee(watched), pinned, others }
    }

    /// Watches those that are the heaviest of a ranking beside the pinned ones, and no others any more. Who was
    /// watched keeps what was recorded.
    pub fn follow(&self, ranking: &Ranking) {
        let heavy = ranking.tenants.iter().map(|it| it.tenant);
        let heavy = heavy.filter(|it| !self.pinned.contains(it)).take(self.others);
        let before = self.watched.load();
        let kept = |it: TenantId| (it, before.get(&it).map(Arc::clone).unwrap_or_default());
        let watched = self.pinned.iter().copied().chain(heavy).map(kept).collect();
        self.watched.store(Arc::new(watched));
    }

    /// Marks what has been counted until `now`, of a monotonic clock, for [`Latencies::burn`]. For every few seconds: the
    /// marks that are kept are a minute apart.
    pub fn mark(&self, now: Duration) {
        self.watched.load().values().for_each(|it| it.mark(now));
    }

    /// Records one request that was served, if its tenant is watched.
    pub fn record(&self, tenant: &TenantContext, took: Duration) {
        if let Some(latencies) = self.watched.load().get(tenant.tenant()) {
            latencies.record(took);
        }
    }

    /// Counts one request that failed, if its tenant is watched.
    pub fn record_failure(&self, tenant: &TenantContext) {
        if let Some(latencies) = self.watched.load().get(tenant.tenant()) {
            latencies.record_failure();
        }
    }

    /// What was recorded of a tenant, if it is watched. It goes on being recorded.
    #[must_use]
    pub fn of(&self, tenant: &TenantId) -> Option<Arc<Latencies>> {
        self.watched.load().get(tenant).map(Arc::clone)
    }

    /// Who is watched, by name.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        let mut tenants: Vec<_> = self.watched.load().keys().copied().collect();
        tenants.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        tenants
    }
}
