//! [`Word`]: the global count, the global limit, who waits for it and whether a part of what is counted
//! is spare, in one atomic.
//!
//! One word, so that no decision is taken on a count and a limit of different moments, and so that
//! whoever gives a permit back learns in the same step whether somebody waits for it: there is no
//! moment between in which a waiter could be missed.
//!
//! Far from the limit a permit that is given back stays counted, as a spare one of the shard of tenants
//! that had it ([`Spares`]), and the next one there is taken from these: then neither changes the word,
//! which all processors share. The count is above what is in use by what is spare, never below. So a
//! permit may always be given on it, and nobody is refused on it unless nothing is spare: first all
//! spares are recalled ([`Table::recall`](super::table::Table::recall)).

use super::{
    sharing::{Sharing, Standing},
    sync::{AtomicU64, Ordering},
};

/// The largest global limit.
pub(super) const MAX_LIMIT: u32 = (1 << 30) - 1;

/// How many permits a shard keeps at most: what comes and goes around one level, and not more, because
/// they are missing to others until they are recalled.
const MOST_SPARES: u32 = 8;

const LIMIT_SHIFT: u32 = 30;
const COUNT: u64 = MAX_LIMIT as u64;
/// Some of what is counted may be spare.
const SPARED: u64 = 1 << 60;
/// The spares are being recalled; none is made until that has ended.
const RECALLED: u64 = 1 << 61;
/// Somebody waits whose tenant is below its guarantee.
const BELOW_WAITS: u64 = 1 << 62;
/// Somebody waits whose tenant has its guarantee.
const ABOVE_WAITS: u64 = 1 << 63;

/// Why a permit is not given now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blocked {
    /// The tenant has as much as it may have.
    Own,
    /// There is none left in common, for a tenant that stands there, by what stood in the word.
    Common(Standing, View),
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Newly arrived, behind those who wait.
    Newcomer,
    /// First of those who wait.
    Waiter,
}

/// Permits that a shard of tenants keeps counted in the word. They are behind the shard's lock.
#[derive(Debug, Default)]
pub(super) struct Spares(u32);

impl Spares {
    pub(super) const NONE: Self = Self(0);

    pub(super) fn take_all(&mut self) -> Self {
        std::mem::take(self)
    }
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

    /// Takes a permit for a tenant that holds `held`, a spare one if there is one. What is refused
    /// leaves no trace, not for a moment, so that it refuses nobody else.
    #[inline]
    pub(super) fn take(
        &self,
        held: u32,
        turn: Turn,
        sharing: Sharing,
        spares: &mut Spares,
    ) -> Result<(), Blocked> {
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
            if turn == Turn::Newcomer && seen & ahead != 0 {
                return Err(Blocked::Common(standing, now));
            }
            // The spare one is itself in the count.
            if spares.0 > 0 && now.counted() <= room {
                spares.0 -= 1;
                return Ok(());
            }
            if now.counted() >= room {
                return Err(Blocked::Common(standing, now));
            }
            match self.0.compare_exchange_weak(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return Ok(()),
                Err(other) => seen = other,
            }
        }
    }

    /// Makes a permit that is given back a spare one of its shard, unless it is better in the word: when
    /// somebody waits, near the limit, and when the shard has enough of them.
    ///
    /// Whoever waits from now on, or is refused, sees in the word that there are spares, and comes
    /// through the shard's lock after this.
    #[inline]
    pub(super) fn spare(&self, sharing: Sharing, spares: &mut Spares) -> bool {
        let now = self.view();
        if spares.0 >= MOST_SPARES || !now.may_spare(sharing) {
            return false;
        }
        if now.0 & SPARED == 0 {
            let spared = now.0 | SPARED;
            let tried = self.0.compare_exchange(now.0, spared, Ordering::AcqRel, Ordering::Relaxed);
            if tried.is_err() {
                return false;
            }
        }
        spares.0 += 1;
        true
    }

    /// Gives a permit back, and tells what stood there then.
    #[inline]
    pub(super) fn give_back(&self) -> View {
        View(self.0.fetch_sub(1, Ordering::AcqRel))
    }

    /// From now on nothing becomes spare. Only one recalls at a time, and only when something may be
    /// spare.
    pub(super) fn begin_recall(&self) {
        self.0.fetch_xor(SPARED | RECALLED, Ordering::AcqRel);
    }

    /// Takes spares out of the count.
    pub(super) fn recall(&self, spares: &Spares) {
        if spares.0 > 0 {
            self.0.fetch_sub(u64::from(spares.0), Ordering::AcqRel);
        }
    }

    /// All that was spare is recalled. Tells what stood there then.
    pub(super) fn end_recall(&self) -> View {
        View(self.0.fetch_and(!RECALLED, Ordering::AcqRel) & !RECALLED)
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct View(u64);

impl View {
    /// What is in use, and what is spare.
    pub(super) const fn counted(self) -> u32 {
        (self.0 & COUNT) as u32
    }

    pub(super) const fn limit(self) -> u32 {
        (self.0 >> LIMIT_SHIFT & COUNT) as u32
    }

    pub(super) const fn somebody_waits(self) -> bool {
        self.0 & (BELOW_WAITS | ABOVE_WAITS) != 0
    }

    /// Whether there is one left that somebody may be waiting for.
    pub(super) const fn is_awaited(self) -> bool {
        self.somebody_waits() && self.counted() < self.limit()
    }

    /// Whether some of what is counted may be spare: then it refuses nobody.
    pub(super) const fn has_spares(self) -> bool {
        self.0 & (SPARED | RECALLED) != 0
    }

    /// Whether something may become spare: while nobody waits, and up to half of what all may take, so
    /// that recalling is seldom.
    const fn may_spare(self, sharing: Sharing) -> bool {
        let limit = self.limit();
        self.0 & (BELOW_WAITS | ABOVE_WAITS | RECALLED) == 0
            && self.counted() <= (limit - sharing.reserve_of(limit)) / 2
    }
}
