//! [`Word`]: the global count, the global limit and who waits for it, in one atomic.
//!
//! One word, so that no decision is taken on a count and a limit of different moments, and so that
//! whoever gives a permit back learns in the same step whether somebody waits for it: there is no
//! moment between in which a waiter could be missed.

use super::{
    sharing::{Sharing, Standing},
    sync::{AtomicU64, Ordering},
};

/// The largest global limit.
pub(super) const MAX_LIMIT: u32 = (1 << 31) - 1;

const LIMIT_SHIFT: u32 = 31;
const COUNT: u64 = MAX_LIMIT as u64;
/// Somebody waits whose tenant is below its guarantee.
const BELOW_WAITS: u64 = 1 << 62;
/// Somebody waits whose tenant has its guarantee.
const ABOVE_WAITS: u64 = 1 << 63;

/// Why a permit is not given now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// The tenant has as much as it may have.
    Own,
    /// There is none left in common, for a tenant that stands there.
    Common(Standing),
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Newly arrived, behind those who wait.
    Newcomer,
    /// First of those who wait.
    Waiter,
}

#[derive(Debug)]
pub(super) struct Word(AtomicU64);

impl Word {
    pub(super) fn new(limit: u32) -> Self {
        Self(AtomicU64::new(u64::from(limit) << LIMIT_SHIFT))
    }

    #[inline]
    pub(super) fn view(&self) -> View {
        View(self.0.load(Ordering::Acquire))
    }

    /// Takes a permit for a tenant that holds `held`. What is refused leaves no trace, not for a
    /// moment, so that it refuses nobody else.
    #[inline]
    pub(super) fn take(&self, held: u32, turn: Turn, sharing: Sharing) -> Result<(), Blocked> {
        let standing = sharing.standing(held);
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let now = View(seen);
            let limit = now.limit();
            // A share is at least one.
            if held > 0 && held >= sharing.share_of(limit) {
                return Err(Blocked::Own);
            }
            let (room, ahead) = match standing {
                Standing::Below => (limit, BELOW_WAITS),
                Standing::Above => (limit - sharing.reserve_of(limit), BELOW_WAITS | ABOVE_WAITS),
            };
            if now.in_use() >= room || (turn == Turn::Newcomer && seen & ahead != 0) {
                return Err(Blocked::Common(standing));
            }
            match self.0.compare_exchange_weak(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
    }

    /// Gives a permit back, and tells what stood there then.
    #[inline]
    pub(super) fn give_back(&self) -> View {
        View(self.0.fetch_sub(1, Ordering::AcqRel))
    }

    /// Tells newcomers whether somebody waits.
    pub(super) fn set_waiting(&self, standing: Standing, waits: bool) {
        let flag = match standing {
            Standing::Below => BELOW_WAITS,
            Standing::Above => ABOVE_WAITS,
        };
        if waits {
            self.0.fetch_or(flag, Ordering::AcqRel);
        } else {
            self.0.fetch_and(!flag, Ordering::AcqRel);
        }
    }

    /// Changes the limit. What is in use already stays so.
    pub(super) fn set_limit(&self, limit: u32) {
        let limit = u64::from(limit) << LIMIT_SHIFT;
        let mut seen = self.0.load(Ordering::Relaxed);
        while let Err(other) = self.0.compare_exchange_weak(
            seen,
            seen & !(COUNT << LIMIT_SHIFT) | limit,
            Ordering::AcqRel,
            Ordering::Relaxed,
        ) {
            seen = other;
        }
    }
}

/// What stood in a [`Word`] at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct View(u64);

impl View {
    pub(super) const fn in_use(self) -> u32 {
        (self.0 & COUNT) as u32
    }

    pub(super) const fn limit(self) -> u32 {
        (self.0 >> LIMIT_SHIFT & COUNT) as u32
    }

    pub(super) const fn somebody_waits(self) -> bool {
        self.0 & (BELOW_WAITS | ABOVE_WAITS) != 0
    }
}
