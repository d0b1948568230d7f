//! [`Counts`]: what happened in the last window of time, in two halves.

use std::time::Duration;

/// Calls, and how many of them failed or were repeated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) calls: u32,
    pub(crate) bad: u32,
}

impl Tally {
    pub(crate) const EMPTY: Self = Self { calls: 0, bad: 0 };

    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            bad: self.bad.saturating_add(other.bad),
        }
    }
}

/// Which half of a window a moment falls into.
pub(crate) fn half(now: Duration, window: Duration) -> u64 {
    // In 64 bits, which is several times as fast, and enough for 584 years.
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    nanos(now) / (nanos(window) / 2).max(1)
}

/// The tallies of the current half of a window and of the one before it: between half of the window
/// and all of it is remembered.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    half: u64,
    current: Tally,
    before: Tally,
}

impl Counts {
    pub(crate) const fn add(&mut self, half: u64, tally: Tally) {
        self.turn_to(half);
        self.current = self.current.plus(tally);
    }

    /// What the window has, seen from `half`.
    pub(crate) const fn total(mut self, half: u64) -> Tally {
        self.turn_to(half);
        self.current.plus(self.before)
    }

    const fn turn_to(&mut self, half: u64) {
        // A reader that was late counts in the current half.
        if half <= self.half {
            return;
        }
        self.before = if half - self.half == 1 { self.current } else { Tally::EMPTY };
        self.current = Tally::EMPTY;
        self.half = half;
    }
}
