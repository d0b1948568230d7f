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
        let count = |packed: u64| {
            // Somebody who was late leaves what is newer alone: the next half that has this place.
            let is_newer = packed != 0 && (packed >> 48).wrapping_sub(half) & 0xFFFF == 2;
            let one = Tally { calls: 1, bad: u32::from(failed) };
            (!is_newer).then(|| pack(half, unpack(packed, half).plus(one)))
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
    let Tally { calls, bad } = tally;
    // A tally that is full is halved, so that the share holds.
    let full = (calls as u64 > COUNT) as u32;
    (half & 0xFFFF) << 48 | (calls as u64 >> full) << 24 | bad as u64 >> full
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tally_that_is_full_keeps_its_share() {
        let slot = 7 << 32;
        let crowd = Crowd::new();
        let full = pack(9, Tally { calls: (1 << 24) - 1, bad: 1 << 23 });
        crowd.halves[1][7].store(full, Ordering::Relaxed);
        for failed in [true, false, true, false] {
            crowd.record(slot, 9, failed);
            let fare = crowd.fare(9);
            assert!((49..=50).contains(&fare.failing_percent), "{fare:?}");
        }
        assert!(crowd.fare(9).calls < (1 << 24) - 1);
    }

    #[test]
    fn somebody_late_does_not_erase_what_is_newer() {
        let crowd = Crowd::new();
        crowd.record(0, 12, true);
        crowd.record(0, 10, false);
        assert_eq!(crowd.fare(12), Fare { tenants: 1, calls: 1, failing_percent: 100 });
        // And what is old makes place, as far back as it may be.
        for half in [14, 1 << 15, 1 << 40] {
            crowd.record(0, half, false);
            assert_eq!(crowd.fare(half), Fare { tenants: 1, calls: 1, failing_percent: 0 });
        }
    }

    #[test]
    fn the_window_is_this_half_and_the_one_before() {
        let crowd = Crowd::new();
        crowd.record(0, 4, true);
        crowd.record(0, 5, false);
        assert_eq!(crowd.fare(5), Fare { tenants: 1, calls: 2, failing_percent: 50 });
        assert_eq!(crowd.fare(6), Fare { tenants: 1, calls: 1, failing_percent: 0 });
        assert_eq!(crowd.fare(7), Fare { tenants: 0, calls: 0, failing_percent: 0 });
        crowd.record(1 << 32, 5, true);
        assert_eq!(crowd.fare(5), Fare { tenants: 2, calls: 3, failing_percent: 75 });
        crowd.clear();
        assert_eq!(crowd.fare(5).tenants, 0);
    }
}
