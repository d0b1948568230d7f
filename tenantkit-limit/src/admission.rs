//! [`Admission`]: the process sheds before it drowns, the lowest tier first.
//!
//! What is measured is queueing: how long what is admitted now will wait before work on it begins. Not
//! the processor's load, which is as high in a healthy process as in a drowning one, and not how long
//! work takes, which depends on the work.
//!
//! ```
//! use std::time::Duration;
//! use tenantkit_core::{ManualClock, RefusalCode, TierSet, UnixTime};
//! use tenantkit_limit::admission::Admission;
//!
//! let clock = ManualClock::at(UnixTime::EPOCH);
//! let admission = Admission::builder(TierSet::METALS)
//!     .thresholds(Duration::from_millis(20), Duration::from_millis(80))
//!     .clock(clock.clone())
//!     .build()?;
//! let (bronze, platinum) =
//!     (TierSet::METALS.get("bronze").unwrap(), TierSet::METALS.get("platinum").unwrap());
//!
//! // Admitted, and in the queue of whatever does the work: a pool, a run queue, a line of waiters.
//! let mut first = admission.admit(bronze)?;
//! // Nothing is begun for 30 ms: bronze is shed, platinum is not.
//! clock.advance(Duration::from_millis(30));
//! assert_eq!(admission.admit(bronze).unwrap_err().code(), RefusalCode::Overloaded);
//! let mut second = admission.admit(platinum)?;
//!
//! // The queue moves again.
//! first.begin();
//! second.begin();
//! assert!(admission.admit(bronze).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where it goes
//!
//! Behind the tenant's own limits, rate and concurrency: who waits for a cap of its own must not count
//! as the process's queue, or a heavy tenant would have others shed. In front of the queue that all
//! share.
//!
//! # How it decides
//!
//! The wait of a newcomer is the number of those in the queue times the mean time between two
//! beginnings while there was a queue (Little's law on what was measured), and no less than the time in
//! which nothing has begun. It has no lag, as the age of what leaves the queue would have: at ten times
//! the capacity a queue that is judged by that is ten times too long when it is noticed. That it is time
//! in the queue which is to be controlled is CoDel's (Nichols and Jacobson, 2012; RFC 8289); that the
//! level of what is admitted follows it by priority is DAGOR's (Zhou et al., *Overload Control for
//! Scaling WeChat Microservices*, 2018), as are the 20 ms from which it counts.
//!
//! Where tenants take turns, that number is of those who are ahead of this newcomer
//! ([`Admission::admit_behind`]): a tenant that fills the line has itself shed, and no other.
//!
//! Each tier has a threshold, between the two that are set, the lowest tier the first. A tier is shed
//! when the wait is above its threshold, together with all below it, and admitted again when it is below
//! half of that: with one threshold for both it would change at each request.

mod builder;
mod drain;
mod levels;
mod observed;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tenantkit_core::{Clock, Door, Reason, Refusal, Tier, TierSet};

pub use builder::{Builder, InvalidThresholds};
use drain::Drain;
use levels::Levels;
use observed::Observed;

/// Admits work while the queue before it is short enough for its tier. Its clones share their queue.
#[derive(Clone)]
pub struct Admission {
    inner: Arc<Inner>,
}

struct Inner {
    tiers: TierSet,
    /// The most that may be in the queue, of any tier.
    most: u32,
    clock: Arc<dyn Clock>,
    /// Held for a few additions at a time.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    drain: Drain,
    observed: Observed,
    levels: Levels,
}

impl Admission {
    /// Admission by these tiers.
    pub fn builder(tiers: TierSet) -> Builder {
        Builder::new(tiers)
    }

    /// Admits work of this tier into the queue, last in it, or sheds it.
    ///
    /// # Errors
    ///
    /// [`Reason::LoadShed`] when the queue is too long for the tier, with the time in which it will be
    /// short enough if nothing more is admitted; [`Reason::UnknownTier`] when the tier is of another
    /// set.
    pub fn admit(&self, tier: Tier) -> Result<Admitted, Refusal> {
        self.admit_behind(tier, u32::MAX)
    }

    /// Admits work that is behind only so many of those in the queue, as where tenants take turns: one
    /// who has nothing there does not wait for all that another has. With none ahead it begins at once,
    /// and only what is [observed](Self::observe) counts.
    ///
    /// # Errors
    ///
    /// As [`admit`](Self::admit), which is behind all of them.
    pub fn admit_behind(&self, tier: Tier, ahead: u32) -> Result<Admitted, Refusal> {
        if !self.inner.tiers.contains(tier) {
            return Err(Refusal::new(Reason::UnknownTier, Door::Permit));
        }
        let now = self.inner.clock.monotonic();
        let mut state = self.inner.lock();
        state.settle(now);
        let wait = state.wait_behind(ahead, now);
        if let Some(until) = state.levels.shed(tier.rank(), wait) {
            return Err(Refusal::new(Reason::LoadShed, Door::Permit).retry_after(until));
        }
        if state.drain.queued() >= self.inner.most {
            let refusal = Refusal::new(Reason::LoadShed, Door::Permit);
            return Err(if wait.is_zero() { refusal } else { refusal.retry_after(wait) });
        }
        state.drain.enters(now);
        drop(state);
        Ok(Admitted { inner: Arc::clone(&self.inner), since: now, in_queue: true })
    }

    /// Takes into account a wait that was measured elsewhere: a probe of the runtime's run queue, the
    /// wait for a connection of a pool. The least of the last interval counts (CoDel's rule: a burst is
    /// no overload), for at most two intervals.
    ///
    /// It is known an interval late, so alone it does not hold at many times the capacity: it is for
    /// queues that nothing is admitted to here.
    pub fn observe(&self, wait: Duration) {
        let now = self.inner.clock.monotonic();
        let mut state = self.inner.lock();
        state.observed.add(now, wait);
        state.settle(now);
    }

    /// How long what is admitted now would wait, as far as is known.
    #[must_use]
    pub fn expected_wait(&self) -> Duration {
        let now = self.inner.clock.monotonic();
        self.inner.lock().settle(now)
    }

    /// How many are admitted and have not begun.
    #[must_use]
    pub fn queued(&self) -> u32 {
        self.inner.lock().drain.queued()
    }

    /// How many tiers are shed now, from the lowest.
    #[must_use]
    pub fn tiers_shed(&self) -> usize {
        let now = self.inner.clock.monotonic();
        let mut state = self.inner.lock();
        state.settle(now);
        state.levels.shed_tiers()
    }
}

impl State {
    /// Brings the level up to date, and tells the wait that it is by.
    fn settle(&mut self, now: Duration) -> Duration {
        let wait = self.wait_behind(u32::MAX, now);
        self.levels.settle(wait);
        wait
    }

    fn wait_behind(&mut self, ahead: u32, now: Duration) -> Duration {
        self.drain.wait_behind(ahead, now).max(self.observed.wait(now))
    }
}

impl Inner {
    /// Nothing panics while it is held, and each change is whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("queued", &self.queued())
            .field("tiers_shed", &self.tiers_shed())
            .finish_non_exhaustive()
    }
}

/// A place in the queue, until the work [begins](Self::begin) or this is dropped, whichever is first:
/// also by a panic, and by a future that is cancelled.
#[must_use = "dropped at once, it leaves the queue"]
pub struct Admitted {
    inner: Arc<Inner>,
    since: Duration,
    in_queue: bool,
}

impl Admitted {
    /// Says that the wait is over and the work begins, and tells how long it was. Said again, it does
    /// nothing.
    pub fn begin(&mut self) -> Duration {
        let now = self.inner.clock.monotonic();
        if std::mem::take(&mut self.in_queue) {
            let mut state = self.inner.lock();
            state.drain.begins(now);
            state.settle(now);
        }
        now.saturating_sub(self.since)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if self.in_queue {
            self.inner.lock().drain.leaves();
        }
    }
}

impl fmt::Debug for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admitted").field("in_queue", &self.in_queue).finish_non_exhaustive()
    }
}
