//! The decision for a key whose word has the plan that is asked for, and that passes: nearly every one.
//!
//! It is what `layout.rs` and `gcra.rs` say, in fewer steps: the number of windows is known when this is
//! compiled, and one window has the lower half of the word for itself, so that nothing needs 128 bits.
//! What it does not decide is decided in general; what it does, it decides to the bit alike (`tests`).

use super::layout::{BASE_AT, GRANULE, Layout, MAX_PLAN, PLAN_AT, Tats, base, base_at, plan};
use crate::quota::Quota;

/// The word after a call and its TATs, if the word has that plan and the call passes.
#[inline]
pub(super) fn charged(
    layout: &Layout,
    number: u16,
    word: u128,
    now: u64,
    cost: u32,
) -> Option<(u128, Tats)> {
    if plan(word) != number {
        return None;
    }
    match layout.len {
        1 => one(layout, word, now, cost),
        2 => several::<2>(layout, word, now, cost),
        _ => several::<3>(layout, word, now, cost),
    }
}

/// One window has nanoseconds and the lowest bits, at most 60 of them.
#[inline]
fn one(layout: &Layout, word: u128, now: u64, cost: u32) -> Option<(u128, Tats)> {
    /// The base's place in the upper half, from which one shift makes nanoseconds of it.
    const BASE: u32 = BASE_AT - u64::BITS;
    const PLAN: u64 = (MAX_PLAN as u64) << (PLAN_AT - u64::BITS);
    let gcra = &layout.fields[0].gcra;
    let (upper, difference) = ((word >> u64::BITS) as u64, word as u64);
    let written = ((upper & !PLAN) >> BASE) << GRANULE;
    let tat = (written + difference).max(now) + gcra.interval * u64::from(cost);
    if tat > now + gcra.tolerance {
        return None;
    }
    // Neither is after the TAT: it is after now, and after its own base.
    let base = written.max(base_at(now));
    let upper = upper & PLAN | base >> GRANULE << BASE;
    Some((u128::from(upper) << u64::BITS | u128::from(tat - base), [tat, 0, 0]))
}

#[inline]
fn several<const N: usize>(
    layout: &Layout,
    word: u128,
    now: u64,
    cost: u32,
) -> Option<(u128, Tats)> {
    let written = base(word);
    let base = written.max(base_at(now));
    let mut next = u128::from(plan(word)) << PLAN_AT | u128::from(base >> GRANULE) << BASE_AT;
    let mut tats = [0; Quota::MAX_WINDOWS];
    let mut passes = true;
    for (tat, field) in tats.iter_mut().zip(&layout.fields[..N]) {
        let gcra = &field.gcra;
        let before = written + (((word >> field.at) as u64 & field.mask) << gcra.unit);
        *tat = gcra.start(before, now) + gcra.interval * u64::from(cost);
        passes &= *tat <= now + gcra.tolerance;
        next |= u128::from((*tat - base) >> gcra.unit) << field.at;
    }
    passes.then_some((next, tats))
}

#[cfg(test)]
mod tests;
