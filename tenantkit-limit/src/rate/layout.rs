//! How the TATs of all windows of a tenant share one 128-bit word.
//!
//! ```text
//! 127      126..115   114..85                84..0
//! frozen   plan       base, in 2^30 ns       for each window: TAT - base, in the window's units
//! ```
//!
//! The base is the second (1.07 s) of the last write, so that 85 bits are left for differences that are
//! bounded by the quota, whatever the time is: nothing becomes ambiguous however long a tenant is idle.
//! Each quota gets units and widths of its own, as fine as fit: one window always has nanoseconds, and
//! coarser units are dealt so that the largest relative loss of rate is least. Each difference has room
//! for twice the burst, which a correction may need.

use super::gcra::Gcra;
use crate::quota::{Quota, Window};

/// Set while a shard is rebuilt. The table's own.
pub(crate) const FROZEN: u128 = 1 << 127;
/// The largest number of a plan. 0 is no plan, so that no state is the word 0.
pub(crate) const MAX_PLAN: u16 = (1 << 12) - 1;
/// Time ends here, after 36 years: what is later is taken for this, so nothing is earned any more.
pub(crate) const END_OF_TIME: u64 = (1 << (BASE_BITS + GRANULE)) - 1;

pub(super) const PLAN_AT: u32 = 115;
pub(super) const BASE_AT: u32 = 85;
const BASE_BITS: u32 = PLAN_AT - BASE_AT;
/// The base counts granules of 2 to this power, in nanoseconds.
pub(super) const GRANULE: u32 = 30;
/// In billionths of the rate.
const LARGEST_LOSS: u128 = 10_000_000;

/// The TATs of all windows; those of windows that a quota does not have are 0.
pub(crate) type Tats = [u64; Quota::MAX_WINDOWS];

/// The windows of a quota; some may be unused.
pub(crate) type Windows = [Window; Quota::MAX_WINDOWS];
/// The power of 2 that is the unit of each, in nanoseconds.
pub(crate) type Units = [u32; Quota::MAX_WINDOWS];

/// The windows of a quota and where each has its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    pub(super) fields: [Field; Quota::MAX_WINDOWS],
    pub(super) len: usize,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) gcra: Gcra,
    pub(super) at: u32,
    /// The largest difference, in units.
    pub(super) mask: u64,
}

impl Layout {
    /// The finest units in which the first `len` windows, none of them zero, fit into one word.
    ///
    /// # Errors
    ///
    /// The window whose rate would lose more than 1%.
    pub(crate) const fn units(windows: &Windows, len: usize) -> Result<Units, usize> {
        let mut units = [0; Quota::MAX_WINDOWS];
        // All units are fine enough or become the finest that fit, the cheapest step first.
        loop {
            let mut width = 0;
            let mut at = 0;
            let (mut cheapest, mut least) = (0, u128::MAX);
            while at < len {
                let (now, lost) = Gcra::new(&windows[at], units[at]);
                if lost > LARGEST_LOSS {
                    return Err(at);
                }
                width += bits(&now);
                let (_, coarser) = Gcra::new(&windows[at], units[at] + 1);
                if units[at] < GRANULE && coarser < least {
                    (cheapest, least) = (at, coarser);
                }
                at += 1;
            }
            if width <= BASE_AT {
                return Ok(units);
            }
            if least > LARGEST_LOSS {
                return Err(cheapest);
            }
            units[cheapest] += 1;
        }
    }

    /// The layout of the first `len` windows in units that fit.
    pub(crate) const fn new(windows: &Windows, len: usize, units: Units) -> Self {
        let (unused, _) = Gcra::new(&windows[0], 0);
        let mut layout =
            Self { fields: [Field { gcra: unused, at: 0, mask: 0 }; Quota::MAX_WINDOWS], len };
        let (mut at, mut window) = (0, 0);
        while window < len {
            let (gcra, _) = Gcra::new(&windows[window], units[window]);
            layout.fields[window] = Field { gcra, at, mask: (1 << bits(&gcra)) - 1 };
            at += bits(&gcra);
            window += 1;
        }
        layout
    }

    /// The windows, in the order of their TATs.
    pub(crate) fn windows(&self) -> impl ExactSizeIterator<Item = &Gcra> {
        self.fields[..self.len].iter().map(|field| &field.gcra)
    }

    /// The TATs in a word that was packed with this layout.
    pub(crate) fn unpack(&self, word: u128) -> Tats {
        let base = base(word);
        let mut tats = [0; Quota::MAX_WINDOWS];
        for (tat, field) in tats.iter_mut().zip(&self.fields[..self.len]) {
            let units = (word >> field.at) as u64 & field.mask;
            *tat = base + (units << field.gcra.unit);
        }
        tats
    }

    /// A word of `plan` with these TATs, each a multiple of its unit and at most [`Layout::ceiling`] of
    /// the same base. One before the base says no more than the base: both are idle.
    pub(crate) fn pack(&self, plan: u16, base: u64, tats: &Tats) -> u128 {
        let mut word = u128::from(plan) << PLAN_AT | u128::from(base >> GRANULE) << BASE_AT;
        for (tat, field) in tats.iter().zip(&self.fields[..self.len]) {
            let units = tat.saturating_sub(base) >> field.gcra.unit;
            debug_assert!(units <= field.mask, "a difference is wider than its field");
            word |= u128::from(units.min(field.mask)) << field.at;
        }
        word
    }

    /// The latest TAT that the window can have with this base.
    pub(crate) fn ceiling(&self, window: usize, base: u64) -> u64 {
        let field = &self.fields[window];
        base + (field.mask << field.gcra.unit)
    }
}

/// The plan that a word was packed with.
#[inline]
pub(crate) fn plan(word: u128) -> u16 {
    (word >> PLAN_AT) as u16 & MAX_PLAN
}

/// The base of a word, in nanoseconds.
#[inline]
pub(crate) fn base(word: u128) -> u64 {
    let granules = (word >> BASE_AT) as u64 & ((1 << BASE_BITS) - 1);
    granules << GRANULE
}

/// The base of a word that is written at `now`.
#[inline]
pub(crate) fn base_at(now: u64) -> u64 {
    now >> GRANULE << GRANULE
}

/// What the differences of a window need: a granule, twice the burst, and a unit for each rounding.
const fn bits(gcra: &Gcra) -> u32 {
    let largest = (1 << GRANULE) + 2 * gcra.tolerance as u128 + (2 << gcra.unit);
    u128::BITS - (largest >> gcra.unit).leading_zeros()
}

#[cfg(test)]
pub(super) mod tests;
