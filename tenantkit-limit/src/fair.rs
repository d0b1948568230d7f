//! [`FairQueue`]: work of many tenants, of which none waits behind another.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use tenantkit_core::{ManualClock, TierSet, UnixTime};
//! use tenantkit_limit::{
//!     fair::{Class, FairQueue, Share, Weight, Work},
//!     quota::Cost,
//! };
//!
//! const TIERS: TierSet = TierSet::new(&["bronze", "gold"]);
//! let (bronze, gold) = (TIERS.get("bronze").unwrap(), TIERS.get("gold").unwrap());
//!
//! let queue = FairQueue::builder(TIERS)
//!     .share(gold, Share::of(Weight::new(3).unwrap()).max_in_flight(8))
//!     .lease(Duration::from_secs(30))
//!     .build(Arc::new(ManualClock::at(UnixTime::EPOCH)))?;
//!
//! // Acme comes first and with much, globex with little.
//! for page in 0..1_000 {
//!     queue.push(&"acme", bronze, Work::new(page).cost(Cost::new(20).unwrap()))?;
//! }
//! queue.push(&"globex", bronze, Work::new(7))?;
//!
//! let first = queue.try_pop().unwrap();
//! assert_eq!((first.tenant(), *first), (&"acme", 0));
//! first.complete()?;
//! let second = queue.try_pop().unwrap();
//! assert_eq!((second.tenant(), *second), (&"globex", 7));
//!
//! // Dropped, it comes back; said to be over, it is.
//! drop(second);
//! let second = queue.try_pop().unwrap();
//! assert_eq!((second.tenant(), second.attempt()), (&"globex", 2));
//! second.retry_after(Duration::from_millis(100))?;
//! # let _ = Class::Unverified;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! - **Fair by cost and weight.** It is start-time fair queueing (Goyal, Vin and Cheng, "Start-time Fair
//!   Queuing", SIGCOMM 1996, section 2). Of any two tenants `i` and `j`, over any span in which both are
//!   backlogged, the cost that was served of each, divided by its weight, differs by at most
//!   `c_i / w_i + c_j / w_j + g`: the dearest item of each at its weight, and the [granule](Builder::granule).
//!   The proof is [below](#the-bound). Who has as much in flight as it may have, or is held back, is not
//!   backlogged.
//! - **No credit and no escape.** A tenant that comes, or comes back, starts at the present virtual time:
//!   idleness earns nothing. Nor does it pay: what a tenant was served ahead is remembered until the
//!   virtual time has passed it. Only then is the tenant forgotten, and costs no memory.
//! - **Cost as it was.** [`Lease::complete_at`] makes the charge what the item has cost in truth, also
//!   where the tenant has nothing more in the queue by then. A refund never makes up for time in which
//!   the tenant had nothing to do.
//! - **Leased, not given.** An item stays in the queue until its [`Lease`] is completed or dead. Dropped, by a
//!   panic or a cancelled future, and when its time is over, it comes back, in front of what the tenant has
//!   else; what a holder then says too late is refused.
//! - **In order, where there is one.** Items of one tenant with equal [keys](Work::in_order_of) are handed out
//!   one at a time. A delay of one holds back that key, and nobody else.
//! - **Bounded.** What may wait is, by tenant and in all, and how many tenants are remembered; what is over
//!   is refused with the item. What comes back is never refused: so as much more can wait as was in flight, which
//!   [caps](Share::max_in_flight) bound. An item takes 56 bytes beside itself (and what its key is known by, if it has
//!   one), and a tenant at most 256 with an id of up to 40 bytes. Pages that have become empty are given back.
//! - **No lost wake-up.** A [`Pop`] that is dropped at any time has taken nothing, and who else waits is
//!   woken.
//!
//! All of it takes constant time, but for these, which take the logarithm of their number: delays, and tenants
//! whose tag is far from the virtual time, by more than 2,048 granules.
//!
//! # Time
//!
//! Time is its [`Clock`]'s. Leases that end and delays that are over are noticed whenever somebody pops. While
//! nobody does, or all wait, somebody must [`drive`](FairQueue::drive) the queue, or call
//! [`tick`](FairQueue::tick) when it says so.
//!
//! # The bound
//!
//! Each backlogged tenant has a start tag `S`. Serving an item of cost `c` adds `c / w` to it. Tags are in
//! buckets of half a granule, and the tenants of the first bucket that is not empty are served in the order
//! in which they came into it. So who is served has a tag that is less than `g / 2` above the least one.
//! Let `i` be served, and `j` be backlogged: then `S_i - S_j < g / 2` before it and `S_i - S_j < g / 2 + c_i / w_i` after
//! it, and until `i` is served again only `S_j` can grow. Who comes starts at a tag in the first bucket, or at one that
//! it had earlier, for which this held as well. So `S_i - S_j` is always within `-(g / 2 + c_j / w_j)` and
//! `g / 2 + c_i / w_i`, and over a span in which both are backlogged it changes by what `i` was served over its
//! weight, less what `j` was over its own. Both ends differ by less than `c_i / w_i + c_j / w_j + g`.
//!
//! Where costs are corrected, `c_i / w_i` is to be read with the most that the corrections of what was in flight at one
//! time added to the tag, and the most that they took from it: what they add is a lead beyond the item's own, and what
//! they take leaves the tag so far before the first bucket, which does not go on until it has caught up. Where weights
//! change, `c_i / w_i` is the largest that was charged.

mod ages;
mod builder;
mod chunks;
mod drive;
mod handle;
mod idle;
mod items;
mod lease;
mod pool;
mod pop;
mod ready;
mod refused;
mod ring;
mod share;
mod state;
mod sync;
mod tag;
mod tenants;
mod wheel;
mod work;
#[cfg(feature = "tokio")]
mod workers;

use std::{fmt, hash::Hash, sync::Arc, time::Duration};

use tenantkit_core::{Clock, TierSet};

#[cfg(feature = "tokio")]
pub use self::workers::{FairWorkers, FairWorkersBuilder, Tally, Verdict};
pub use self::{
    builder::Builder,
    handle::Handle,
    lease::Lease,
    pop::Pop,
    refused::{InvalidFairQueue, LeaseLost, PushError, Refused, TooManyShares},
    share::{Class, Share, Weight},
    work::Work,
};
use self::{
    state::{State, Who},
    sync::{Mutex, lock},
};

/// Work of many tenants. Clones are the same queue.
///
/// `K` is what a tenant is known by, exactly: a [`TenantKey`](tenantkit_core::TenantKey) where it comes from a
/// context. The queue trusts whoever pushes that it is that tenant's work: the door that asks for a context is
/// `FairWorkers` (feature `tokio`).
///
/// `T` is an item, of which a clone is handed out, because the item itself stays until it is done. What is
/// large goes into an [`Arc`].
pub struct FairQueue<K: Hash + Eq + Clone, T> {
    inner: Arc<Inner<K, T>>,
}

struct Inner<K, T> {
    state: Mutex<State<K, T>>,
    clock: Arc<dyn Clock>,
}

impl<K: Hash + Eq + Clone, T> FairQueue<K, T> {
    /// A queue whose tenants are of these tiers.
    pub fn builder(tiers: TierSet) -> Builder<K, T> {
        Builder::new(tiers)
    }

    /// Takes an item of a tenant. Its class is the tenant's from now on.
    ///
    /// # Errors
    ///
    /// When as much waits as may, of the tenant or in all, or the queue is [closed](Self::close).
    pub fn push(
        &self,
        tenant: &K,
        class: impl Into<Class>,
        work: Work<T>,
    ) -> Result<(), PushError<T>> {
        self.inner.push(Who::Key(tenant, class.into()), work)
    }

    /// A handle to a tenant, by which a push finds it without a look at its key. The tenant is remembered
    /// for as long as there is one.
    ///
    /// # Errors
    ///
    /// When too many tenants are remembered.
    pub fn tenant(&self, tenant: &K, class: impl Into<Class>) -> Result<Handle<K, T>, Refused> {
        let number = self.inner.with(|state| state.pin(tenant, class.into()))?;
        Ok(Handle::new(self.clone(), number))
    }

    /// Takes the item that is next out of the queue, if there is one that may be handed out now. It is charged
    /// as it was estimated.
    ///
    /// It is not in flight after that, does not come back, and no cap counts it: for work that ends with being
    /// handed out, or must not be done twice. All else is [leased](Self::try_pop).
    #[must_use = "it is in the queue no more"]
    pub fn try_give(&self) -> Option<(K, T)> {
        self.inner.with_time(State::give)
    }

    /// Changes the share of a class while running. Who is in the queue goes on from where it is.
    ///
    /// It takes a time that is proportional to the number of tenants.
    pub fn set_share(&self, class: impl Into<Class>, share: Share) {
        self.inner.with(|state| state.set_class(class.into(), share));
    }

    /// Gives a tenant a share of its own, whatever its class, or takes it away again.
    ///
    /// # Errors
    ///
    /// When as many tenants have one as may be remembered.
    pub fn set_tenant_share(&self, tenant: &K, share: Option<Share>) -> Result<(), TooManyShares> {
        self.inner.with(|state| state.set_own(tenant, share))
    }

    /// Hands out nothing of a tenant for this long: a limit of its own said so. Said again, the later end
    /// holds. Of a tenant of which the queue knows nothing it does nothing.
    pub fn hold(&self, tenant: &K, delay: Duration) {
        self.inner.with_time(|state, now| state.hold(tenant, delay, now));
    }

    /// Takes out what waits and is chosen, whoever's it is: of a partition that was given up, or what is left at
    /// the end. What is in flight stays.
    ///
    /// It takes a time that is proportional to what is in the queue, which is locked meanwhile: what chooses must not
    /// come back to it.
    pub fn take(&self, is_chosen: impl FnMut(&K, &T) -> bool) -> Vec<(K, T)> {
        self.inner.with(|state| state.take(is_chosen))
    }

    /// Takes no more. What is in the queue can still be popped, and then each [`Pop`] has its end.
    pub fn close(&self) {
        self.inner.with(State::close);
    }

    /// Does what time has brought: leases that have ended, delays that are over, tenants that are to be
    /// forgotten. It does a bounded part of it, and answers how long it is until there is more.
    pub fn tick(&self) -> Option<Duration> {
        self.inner.with_time(State::tick)
    }

    /// Calls [`tick`](Self::tick) whenever there is something to do, for ever: spawn it once.
    ///
    /// ```no_run
    /// # async fn run(queue: tenantkit_limit::fair::FairQueue<u32, u32>) {
    /// tokio::spawn(async move { queue.drive(tokio::time::sleep).await });
    /// # }
    /// ```
    ///
    /// # Cancellation
    ///
    /// Dropped, it loses nothing; what is due waits for whoever pops next.
    pub async fn drive<S: Future>(&self, sleep: impl FnMut(Duration) -> S) {
        drive::drive(&self.inner, sleep).await;
    }

    /// How many items wait: ready, delayed, or behind another of their key.
    #[must_use]
    pub fn waiting(&self) -> usize {
        lock(&self.inner.state).counts().0
    }

    /// How many items are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        lock(&self.inner.state).counts().1
    }

    /// How many items were given up as [dead](Lease::dead_letter) so far.
    #[must_use]
    pub fn dead(&self) -> u64 {
        lock(&self.inner.state).counts().2
    }

    /// How many tenants are remembered.
    #[must_use]
    pub fn tenants(&self) -> usize {
        lock(&self.inner.state).tenants()
    }

    /// How long the item of this class that waits longest has waited: what tells that a tier starves.
    ///
    /// A delay that was asked for does not count. What a tenant waits for by its own cap does. It is told to a
    /// 512th of the longest wait since none waited, or to a millisecond, and never too short.
    #[must_use]
    pub fn longest_wait(&self, class: impl Into<Class>) -> Option<Duration> {
        let now = self.inner.clock.monotonic();
        lock(&self.inner.state).longest_wait(class.into(), now)
    }
}

impl<K: Hash + Eq + Clone, T: Clone> FairQueue<K, T> {
    /// Leases the item that is next, if there is one that may be handed out now.
    #[must_use]
    pub fn try_pop(&self) -> Option<Lease<K, T>> {
        let popped = self.inner.with_time(State::pop)?;
        Some(Lease::new(Arc::clone(&self.inner), popped))
    }

    /// Waits for an item, and leases it. It has none when the queue is [closed](Self::close) and empty, with
    /// nothing in flight.
    ///
    /// # Cancellation
    ///
    /// See [`Pop`].
    pub fn pop(&self) -> Pop<K, T> {
        Pop::new(Arc::clone(&self.inner))
    }
}

impl<K: Hash + Eq + Clone, T> Inner<K, T> {
    fn push(&self, who: Who<'_, K>, work: Work<T>) -> Result<(), PushError<T>> {
        self.with_time(|state, now| state.push(who, work, now))
            .map_err(|(work, refused)| PushError::new(work, refused))
    }

    /// Changes the state, and wakes whom that concerns once it is unlocked.
    fn with<R>(&self, change: impl FnOnce(&mut State<K, T>) -> R) -> R {
        let mut state = lock(&self.state);
        let result = change(&mut state);
        if !state.is_quiet() {
            let wakes = state.wakes();
            drop(state);
            wakes.wake();
        }
        result
    }

    fn with_time<R>(&self, change: impl FnOnce(&mut State<K, T>, Duration) -> R) -> R {
        let now = self.clock.monotonic();
        self.with(|state| change(state, now))
    }
}

impl<K: Hash + Eq + Clone, T> Clone for FairQueue<K, T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

/// Numbers only: it names no tenant.
impl<K: Hash + Eq + Clone, T> fmt::Debug for FairQueue<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.inner.state);
        let (waiting, in_flight, dead) = state.counts();
        f.debug_struct("FairQueue")
            .field("waiting", &waiting)
            .field("in_flight", &in_flight)
            .field("dead", &dead)
            .field("tenants", &state.tenants())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, tenantkit_loom))]
mod loom_model;
