//! [`Status`]: whether processes hear of each other now, and what came of it so far.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

/// Whether this process shares its rates now, and what it did so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// Whether it shares.
    pub sharing: Sharing,
    /// What it did so far.
    pub counts: Counts,
}

/// Whether a process shares its rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Sharing {
    /// Redis answers: tenants have their whole quotas, wherever they ask.
    Together,
    /// It does not: this process allows its [safe share](super::safe_share) of each quota, no more and no
    /// less.
    Apart {
        /// Why.
        because: Because,
        /// Since this moment of the process' monotonic clock.
        since: Duration,
    },
}

/// Why a process is on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Because {
    /// It has not spoken with Redis yet.
    Starting,
    /// There is no connection.
    Unreachable,
    /// Redis did not answer in time.
    Slow,
    /// Redis answered with an error: no permission, no memory, a replica, or still loading.
    Refused,
    /// What answered does not speak as our script does.
    Unreadable,
    /// [`Courier::run`](super::Courier::run) is over.
    Stopped,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Unreachable => "unreachable",
            Self::Slow => "slow",
            Self::Refused => "refused",
            Self::Unreadable => "unreadable",
            Self::Stopped => "stopped",
        })
    }
}

/// What a process did so far. Counts only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Decisions, whatever they were.
    pub decided: u64,
    /// Of those, decisions by the safe share of this process alone.
    pub decided_apart: u64,
    /// How often there was no room for another tenant, whom the safe share then answered.
    pub decided_at_capacity: u64,
    /// Calls to Redis, answered or not.
    pub calls: u64,
    /// Calls that failed.
    pub failed_calls: u64,
    /// What Redis leased, in cost.
    pub leased: u64,
    /// What was allowed before Redis had heard of it, in cost.
    pub on_credit: u64,
}

#[derive(Debug)]
pub(super) struct Mode {
    together: AtomicBool,
    /// Grows whenever processes come together.
    epoch: AtomicU64,
    sharing: Mutex<Sharing>,
    pub(super) decided: AtomicU64,
    pub(super) decided_apart: AtomicU64,
    pub(super) decided_at_capacity: AtomicU64,
    pub(super) calls: AtomicU64,
    pub(super) failed_calls: AtomicU64,
    pub(super) leased: AtomicU64,
    pub(super) on_credit: AtomicU64,
}

impl Mode {
    pub(super) fn new() -> Self {
        let starting = Sharing::Apart { because: Because::Starting, since: Duration::ZERO };
        Self {
            together: AtomicBool::new(false),
            epoch: AtomicU64::new(0),
            sharing: Mutex::new(starting),
            decided: AtomicU64::new(0),
            decided_apart: AtomicU64::new(0),
            decided_at_capacity: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            failed_calls: AtomicU64::new(0),
            leased: AtomicU64::new(0),
            on_credit: AtomicU64::new(0),
        }
    }

    /// Which time of being together it is, if it is.
    pub(super) fn together(&self) -> Option<u64> {
        self.together.load(Ordering::Acquire).then(|| self.epoch.load(Ordering::Acquire))
    }

    pub(super) fn decisions(&self) -> u64 {
        self.decided.load(Ordering::Relaxed)
    }

    pub(super) fn join(&self) {
        if !self.together.load(Ordering::Acquire) {
            self.set(Sharing::Together);
            self.epoch.fetch_add(1, Ordering::AcqRel);
            self.together.store(true, Ordering::Release);
        }
    }

    pub(super) fn part(&self, because: Because, now: Duration) {
        self.together.store(false, Ordering::Release);
        let mut sharing = self.sharing.lock().unwrap_or_else(PoisonError::into_inner);
        let since = match *sharing {
            Sharing::Apart { since, .. } => since,
            Sharing::Together => now,
        };
        *sharing = Sharing::Apart { because, since };
    }

    pub(super) fn status(&self) -> Status {
        let sharing = *self.sharing.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = Counts {
            decided: read(&self.decided),
            decided_apart: read(&self.decided_apart),
            decided_at_capacity: read(&self.decided_at_capacity),
            calls: read(&self.calls),
            failed_calls: read(&self.failed_calls),
            leased: read(&self.leased),
            on_credit: read(&self.on_credit),
        };
        Status { sharing, counts }
    }

    fn set(&self, sharing: Sharing) {
        *self.sharing.lock().unwrap_or_else(PoisonError::into_inner) = sharing;
    }
}

/// Counts.
pub(super) fn count(counter: &AtomicU64, more: u64) {
    counter.fetch_add(more, Ordering::Relaxed);
}
