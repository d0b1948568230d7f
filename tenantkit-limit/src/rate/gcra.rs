//! The arithmetic of one window: the generic cell rate algorithm, as plain functions.
//!
//! This is the *virtual scheduling algorithm* of ITU-T Recommendation I.371 (03/2004), Annex A, and of
//! the ATM Forum's Traffic Management Specification 4.1, section 4.4.2: of a tenant one keeps the
//! theoretical arrival time (TAT) at which it will have earned back what it took. A call moves the TAT
//! by its cost; one that would move it further than the tolerance ahead of now is refused and moves
//! nothing. A TAT that is not ahead of now says that everything is there again, and nothing else: such
//! a state and none at all decide alike, which is why idle tenants can be forgotten.
//!
//! All times are nanoseconds of a monotonic clock, all below 2^60 (36 years) and checked by the caller;
//! with bursts of at most 2^58 ns no sum of them overflows 64 bits.
//!
//! # Rounding
//!
//! Three TATs share one word, so a window may keep its own in coarser *units* of 2^k ns. Then the start
//! of an idle tenant's charge is rounded up to a unit, and the tolerance is a unit larger so that a whole
//! burst still passes at once. To pay for that the interval between calls is longer by a unit as well:
//! with T the exact interval, u the unit and I >= T + u - 1 the one used, n calls of which the last is
//! D after the first satisfy n * I <= D + burst * I + (u - 1), so that for every k = n - burst >= 1
//! D >= k * I - (u - 1) >= k * T: never one more than burst + D / T.

use crate::quota::Window;

/// One window of a quota, ready to decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gcra {
    /// How far a cost of one moves the TAT, in nanoseconds, a multiple of the unit.
    pub(crate) interval: u64,
    /// How far ahead of now a TAT may be, in nanoseconds.
    pub(crate) tolerance: u64,
    /// The largest cost.
    pub(crate) burst: u32,
    /// The unit is 2 to this power, in nanoseconds.
    pub(crate) unit: u32,
}

impl Gcra {
    /// The window in units of 2^`unit` ns, and the rate that rounding takes away, in billionths.
    pub(crate) const fn new(window: &Window, unit: u32) -> (Self, u128) {
        let (period, count) = (window.period_nanos(), window.count() as u64);
        let unit_less_one = (1 << unit) - 1;
        let exact = period.div_ceil(count);
        let interval = (exact + 2 * unit_less_one) & !unit_less_one;
        let tolerance =
            interval.saturating_mul(window.burst() as u64).saturating_add(unit_less_one);
        let lost = (interval as u128 * count as u128 - period as u128) * 1_000_000_000;
        (Self { interval, tolerance, burst: window.burst(), unit }, lost / period as u128)
    }

    /// Where a charge at `now` starts: at the TAT, or now if everything is there.
    #[inline]
    pub(crate) fn start(&self, tat: u64, now: u64) -> u64 {
        tat.max(self.ceil(now))
    }

    /// Rounded up to a unit.
    #[inline]
    pub(crate) fn ceil(&self, time: u64) -> u64 {
        let unit_less_one = (1 << self.unit) - 1;
        (time + unit_less_one) & !unit_less_one
    }

    /// The TAT after a call of `cost`, which is at most the burst.
    ///
    /// # Errors
    ///
    /// How long to wait for the call to pass: at that time it does, a nanosecond earlier it does not.
    pub(crate) fn charge(&self, tat: u64, now: u64, cost: u32) -> Result<u64, u64> {
        let moved = self.start(tat, now) + self.interval * u64::from(cost);
        match moved.checked_sub(now + self.tolerance) {
            None | Some(0) => Ok(moved),
            Some(wait) => Err(wait),
        }
    }

    /// The largest cost that passes now.
    pub(crate) fn remaining(&self, tat: u64, now: u64) -> u32 {
        let room = (now + self.tolerance).saturating_sub(self.start(tat, now));
        u32::try_from(room / self.interval).map_or(self.burst, |room| room.min(self.burst))
    }

    /// The TAT after a forced charge, which may take it beyond the tolerance, and what of the charge
    /// did not fit below `ceiling`, rounded up.
    pub(crate) fn force(&self, tat: u64, now: u64, cost: u32, ceiling: u64) -> (u64, u32) {
        let start = self.start(tat, now);
        let moved = start.saturating_add(self.interval.saturating_mul(u64::from(cost)));
        if moved <= ceiling {
            return (moved, 0);
        }
        let fits = ceiling.saturating_sub(start) / self.interval;
        (
            start.min(ceiling) + fits * self.interval,
            u32::try_from(u64::from(cost).saturating_sub(fits)).unwrap_or(cost),
        )
    }

    /// What of a refund of `cost` is due at `now`, in nanoseconds, for a call that was charged at `then`.
    ///
    /// All that time has given back since then may have been given back of this very charge; to give it
    /// back again would grant it twice.
    pub(crate) fn refundable(&self, then: u64, now: u64, cost: u32) -> u64 {
        let earned = self.ceil(now.saturating_sub(then));
        self.interval.saturating_mul(u64::from(cost)).saturating_sub(earned)
    }

    /// What stands for the same cost as `span` does in `from`, rounded down to a unit.
    pub(crate) fn scaled_down(&self, from: &Self, span: u64) -> u64 {
        if self == from {
            return span;
        }
        let scaled = u128::from(span) * u128::from(self.interval) / u128::from(from.interval);
        u64::try_from(scaled).unwrap_or(0) >> self.unit << self.unit
    }

    /// The TAT that stands for the same cost taken as `tat` does in `from`, never more than the burst.
    pub(crate) fn convert(&self, from: &Self, tat: u64, now: u64) -> u64 {
        let taken = u128::from(tat.saturating_sub(now)) * u128::from(self.interval);
        let most = self.interval * u64::from(self.burst);
        let debt = u64::try_from(taken.div_ceil(u128::from(from.interval))).unwrap_or(most);
        self.ceil(now + debt.min(most)).min(self.ceil(now) + most)
    }
}
