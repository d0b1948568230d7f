//! [`Crowd`]: how the tenants fare with the dependency, each weighing the same.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::window::Tally;

/// Tenants share so many tallies. Two that meet in one count as one.
const SLOTS: usize = 256;

/// A tally for each tenant and half window in memory that does not grow: a tenant has the slot that its
/// hash names. A slot is `half: 16 bits, calls: 24, failures: 24` and starts anew when its half is over.
pub(super) struct Crowd {
    halves: Box<[[AtomicU64; SLOTS]; 2]>,
}

/// How the tenants fare.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fare {
    pub(super) tenants: u32,
    pub(super) calls: u32,
    /// The mean of their shares of failures.
    pub(super) failing_percent: u32,
}

impl Crowd {
    pub(super) fn new() -> Self {
        Self { halves: Box::new([const { [const { AtomicU64::new(0) }; SLOTS] }; 2]) }
    }

    pub(super) fn record(&self, hash: u64, half: u64, failed: bool) {
        let slot = &self.halves[parity(half)][place(hash)];
        let count = |packed| {
            Some(pack(half, unpack(packed, half).plus(Tally { calls: 1, bad: u32::from(failed) })))
        };
        let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, count);
    }

    /// How they fare in the window, seen from `half`.
    pub(super) fn fare(&self, half: u64) -> Fare {
        let before = half.wrapping_sub(1);
        let mut fare = Fare { tenants: 0, calls: 0, failing_percent: 0 };
        for at in 0..SLOTS {
            let tally = |half| unpack(self.halves[parity(half)][at].load(Ordering::Relaxed), half);
            let Tally { calls, bad } = tally(half).plus(tally(before));
            if calls > 0 {
                fare.tenants += 1;
                fare.calls = fare.calls.saturating_add(calls);
                fare.failing_percent += bad * 100 / calls;
            }
        }
        fare.failing_percent = fare.failing_percent.checked_div(fare.tenants).unwrap_or(0);
        fare
    }

    pub(super) fn clear(&self) {
        for slot in self.halves.iter().flatten() {
            slot.store(0, Ordering::Relaxed);
        }
    }
}

const COUNT: u64 = (1 << 24) - 1;

#[expect(clippy::cast_possible_truncation, reason = "only its low bits count")]
const fn parity(half: u64) -> usize {
    half as usize % 2
}

const fn place(hash: u64) -> usize {
    (hash >> 32) as usize % SLOTS
}

/// The tally of a slot, if it is of that half.
const fn unpack(packed: u64, half: u64) -> Tally {
    if packed >> 48 == half & 0xFFFF {
        Tally { calls: (packed >> 24 & COUNT) as u32, bad: (packed & COUNT) as u32 }
    } else {
        Tally::EMPTY
    }
}

const fn pack(half: u64, tally: Tally) -> u64 {
    // A tally that is full stays as it is, failures and calls alike, so that the share holds.
    let Tally { calls, bad } = tally;
    if calls as u64 > COUNT {
        return (half & 0xFFFF) << 48 | COUNT << 24 | (bad as u64 - (bad > 0) as u64);
    }
    (half & 0xFFFF) << 48 | (calls as u64) << 24 | bad as u64
}
