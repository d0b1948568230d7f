//! [`RetryBudget`]: how much of its load a tenant may add by retrying.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, Hash},
    marker::PhantomData,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tenantkit_core::{Clock, TenantId};

use super::InvalidRetryPolicy;
use crate::{
    rate::Keyed,
    window::{Counts, Tally, half},
};

const SHARDS: usize = 64;
const CALL: Tally = Tally { calls: 1, bad: 0 };
const RETRY: Tally = Tally { calls: 0, bad: 1 };

/// Over each window a tenant retries at most `percent` of its calls, and `reserve` besides, so that who
/// calls rarely may retry as well. In any time `T` that begins with an empty window, `n` calls make at
/// most `n * percent / 100 + reserve * (T / window + 2)` retries.
///
/// The idea is that of Finagle's `RetryBudget`; the count is kept in two halves of a window.
///
/// # Memory
///
/// A tenant is remembered while its window has a call in it. At the bound on tenants, newcomers share
/// one budget until there is room: they retry less, never more.
pub struct RetryBudget<K = TenantId> {
    shards: Box<[Mutex<Shard<K>>]>,
    newcomers: Mutex<Counts>,
    len: AtomicUsize,
    hasher: Keyed,
    clock: Arc<dyn Clock>,
    terms: Terms,
}

#[derive(Debug, Clone, Copy)]
struct Terms {
    window: Duration,
    percent: u8,
    reserve: u32,
    max_tenants: usize,
}

struct Shard<K> {
    tenants: HashMap<K, Counts, Keyed>,
    swept: u64,
}

impl<K: Hash + Eq + Clone> RetryBudget<K> {
    /// The default one, to change what differs.
    #[must_use]
    pub const fn builder() -> RetryBudgetBuilder<K> {
        RetryBudgetBuilder {
            terms: Terms {
                window: Duration::from_secs(10),
                percent: 20,
                reserve: 3,
                max_tenants: 100_000,
            },
            key: PhantomData,
        }
    }

    /// Counts a call that is made for the first time.
    pub(super) fn call(&self, tenant: &K) {
        self.with(tenant, |counts, half| counts.add(half, CALL));
    }

    /// Takes a retry, if there is one left.
    pub(super) fn retry(&self, tenant: &K) -> bool {
        self.with(tenant, |counts, half| {
            let Tally { calls, bad: retries } = counts.total(half);
            let earned = u64::from(calls) * u64::from(self.terms.percent) / 100;
            let has_one = u64::from(retries) < earned + u64::from(self.terms.reserve);
            if has_one {
                counts.add(half, RETRY);
            }
            has_one
        })
    }

    fn with<T>(&self, tenant: &K, decide: impl FnOnce(&mut Counts, u64) -> T) -> T {
        let half = half(self.clock.monotonic(), self.terms.window);
        let mut shard = self.shard(tenant);
        if let Some(counts) = shard.tenants.get_mut(tenant) {
            return decide(counts, half);
        }
        if self.has_room(&mut shard, half) {
            return decide(shard.tenants.entry(tenant.clone()).or_default(), half);
        }
        drop(shard);
        decide(&mut lock(&self.newcomers), half)
    }

    /// Counts one more, if there may be one more once those whose window is empty are gone.
    fn has_room(&self, shard: &mut Shard<K>, half: u64) -> bool {
        let would_grow = shard.tenants.len() == shard.tenants.capacity();
        let is_full = self.len.load(Ordering::Relaxed) >= self.terms.max_tenants;
        if would_grow || is_full && half > shard.swept {
            shard.swept = half;
            let before = shard.tenants.len();
            shard.tenants.retain(|_, counts| counts.total(half) != Tally::EMPTY);
            self.len.fetch_sub(before - shard.tenants.len(), Ordering::Relaxed);
            // Or the next would sweep again, for one free place each time.
            if shard.tenants.len() * 2 > shard.tenants.capacity() {
                shard.tenants.reserve(shard.tenants.len());
            }
        }
        let more = |len| (len < self.terms.max_tenants).then_some(len + 1);
        self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn shard(&self, tenant: &K) -> MutexGuard<'_, Shard<K>> {
        #[expect(clippy::cast_possible_truncation, reason = "only its low bits count")]
        let at = self.hasher.hash_one(tenant) as usize % SHARDS;
        lock(&self.shards[at])
    }
}

/// Nothing in here can panic halfway through a change but the key's own code.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K> fmt::Debug for RetryBudget<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("terms", &self.terms)
            .field("tenants", &self.len)
            .finish_non_exhaustive()
    }
}

/// Makes a [`RetryBudget`].
#[derive(Debug, Clone, Copy)]
pub struct RetryBudgetBuilder<K> {
    terms: Terms,
    key: PhantomData<fn() -> K>,
}

impl<K: Hash + Eq + Clone> RetryBudgetBuilder<K> {
    /// Over how long calls and retries are counted. 10 seconds if not said.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.terms.window = window;
        self
    }

    /// How many retries its calls earn a tenant, in percent of them. 20 if not said.
    #[must_use]
    pub const fn percent(mut self, percent: u8) -> Self {
        self.terms.percent = percent;
        self
    }

    /// How many retries a tenant has in a window whatever its calls. 3 if not said; may be zero.
    #[must_use]
    pub const fn reserve(mut self, reserve: u32) -> Self {
        self.terms.reserve = reserve;
        self
    }

    /// How many tenants are counted by themselves at a time. 100,000 if not said.
    #[must_use]
    pub const fn max_tenants(mut self, max_tenants: usize) -> Self {
        self.terms.max_tenants = max_tenants;
        self
    }

    /// The budget, by this clock.
    ///
    /// # Errors
    ///
    /// When the window or the bound on tenants is zero, or the percentage above 100.
    pub fn build(self, clock: Arc<dyn Clock>) -> Result<RetryBudget<K>, InvalidRetryPolicy> {
        let terms = self.terms;
        if terms.window < Duration::from_nanos(2) {
            return Err(InvalidRetryPolicy::Zero("window"));
        }
        if terms.max_tenants == 0 {
            return Err(InvalidRetryPolicy::Zero("max_tenants"));
        }
        if terms.percent > 100 {
            return Err(InvalidRetryPolicy::Percent);
        }
        // Not the hasher that names the shard: all that a shard holds would start at the same places.
        let hasher = Keyed::default();
        let tenants = || HashMap::with_hasher(hasher.clone());
        let shard = || Mutex::new(Shard { tenants: tenants(), swept: 0 });
        Ok(RetryBudget {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            newcomers: Mutex::default(),
            len: AtomicUsize::new(0),
            hasher: Keyed::default(),
            clock,
            terms,
        })
    }
}
