//! [`Levels`]: which tiers are shed, by how long the wait is, with hysteresis.

use std::time::Duration;

#[derive(Debug)]
pub(super) struct Levels {
    tiers: u32,
    /// Above it the lowest tier is shed.
    first: Duration,
    /// Above it the highest is shed too.
    last: Duration,
    /// How many tiers are shed, from the lowest.
    shed: u32,
}

impl Levels {
    pub(super) const fn new(tiers: u32, first: Duration, last: Duration) -> Self {
        Self { tiers, first, last, shed: 0 }
    }

    pub(super) const fn shed_tiers(&self) -> usize {
        self.shed as usize
    }

    pub(super) fn settle(&mut self, wait: Duration) {
        while self.shed < self.tiers && wait > self.threshold(self.shed) {
            self.shed += 1;
        }
        while self.shed > 0 && wait < self.threshold(self.shed - 1) / 2 {
            self.shed -= 1;
        }
    }

    /// When the tier of this rank is shed, and this one of it would wait too long: how long it takes, if
    /// the queue only drains, until it would not.
    pub(super) fn shed(&self, rank: usize, wait: Duration) -> Option<Duration> {
        // A rank is below the number of tiers, which is at most 16.
        let rank = u32::try_from(rank).unwrap_or(u32::MAX);
        let open = self.threshold(rank) / 2;
        (rank < self.shed && wait >= open)
            .then(|| wait.saturating_sub(open).max(Duration::from_millis(1)))
    }

    /// Where the tier of this rank is shed: even steps from the first to the last.
    fn threshold(&self, rank: u32) -> Duration {
        let steps = self.tiers.saturating_sub(1).max(1);
        self.first + (self.last - self.first) * rank.min(steps) / steps
    }
}
