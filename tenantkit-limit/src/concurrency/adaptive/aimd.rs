//! [`Aimd`]: additive increase, multiplicative decrease.

use std::time::Duration;

use super::{
    Seen,
    range::{Range, range_settings},
};

/// Additive increase, multiplicative decrease (Chiu and Jain, 1989; Netflix' `AIMDLimit`).
///
/// Once a window: when work failed of load, or took longer than `patience` on average, the limit
/// shrinks to nine tenths; otherwise, when at least half of it was in use, it grows by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aimd {
    pub(in crate::concurrency) range: Range,
    patience: Duration,
    backoff_percent: u8,
}

impl Aimd {
    range_settings!();

    const fn in_range(range: Range) -> Self {
        Self { range, patience: Duration::from_secs(5), backoff_percent: 90 }
    }

    /// How long work may take: 5 s, if nothing is said.
    #[must_use]
    pub const fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// What is left of the limit after a bad window, in percent, 50 to 99: 90, if nothing is said.
    #[must_use]
    pub fn backoff_percent(mut self, percent: u8) -> Self {
        self.backoff_percent = percent.clamp(50, 99);
        self
    }

    pub(super) fn next(&self, limit: u32, seen: Seen) -> u32 {
        let (least, _, most) = self.range.bounds();
        let next = if seen.overloaded || seen.took > self.patience {
            #[expect(clippy::cast_possible_truncation, reason = "less than the limit was")]
            let less = (u64::from(limit) * u64::from(self.backoff_percent) / 100) as u32;
            less
        } else if seen.most_in_use >= limit.div_ceil(2) {
            limit.saturating_add(1)
        } else {
            limit
        };
        next.clamp(least, most)
    }
}
