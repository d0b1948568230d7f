//! [`Gradient2`]: the limit follows the gradient of the time that work takes.

use std::time::Duration;

use super::{
    Seen,
    range::{Range, range_settings},
};

/// After how many windows the long average is one of windows only that came first.
const WARM_UP: u32 = 10;

/// The gradient of time: Netflix' `Gradient2Limit`.
///
/// Once a window, with the average time of that window and a long average of it:
///
/// ```text
/// gradient = clamp(1.5 × long / short, 0.5, 1)
/// limit    = (1 − smoothing) × limit + smoothing × (gradient × limit + queue)
/// ```
///
/// While time does not grow, the limit does, by a part of `queue` each window; when it grows by more
/// than the tolerance, it shrinks. It stays as it is while less than half of it is in use. The factor
/// of 1.5 is the library's `rttTolerance`. Known of it: a queue that is there from the start, or for
/// long, is taken for normal by and by, so the range's upper end matters.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient2 {
    pub(in crate::concurrency) range: Range,
    smoothing: f64,
    queue: f64,
    tolerance: f64,
    long_window: u32,
}

impl Gradient2 {
    range_settings!();

    const fn in_range(range: Range) -> Self {
        Self { range, smoothing: 0.2, queue: 4.0, tolerance: 1.5, long_window: 600 }
    }

    /// How much of a new estimate is taken at a time, in percent, 1 to 100: 20, if nothing is said.
    #[must_use]
    pub fn smoothing_percent(mut self, percent: u8) -> Self {
        self.smoothing = f64::from(percent.clamp(1, 100)) / 100.0;
        self
    }

    /// How much more than needed is tried, so that growth is possible: 4, if nothing is said.
    #[must_use]
    pub fn queue(mut self, queue: u16) -> Self {
        self.queue = f64::from(queue);
        self
    }

    /// By how much time may grow before the limit shrinks, in percent of the long average, at least
    /// 100: 150, if nothing is said.
    #[must_use]
    pub fn tolerance_percent(mut self, percent: u16) -> Self {
        self.tolerance = f64::from(percent.max(100)) / 100.0;
        self
    }
}

/// Where the search is.
#[derive(Debug)]
pub(super) struct Estimate {
    settings: Gradient2,
    limit: f64,
    long: f64,
    windows: u32,
}

impl Estimate {
    pub(super) fn new(settings: Gradient2) -> Self {
        let limit = f64::from(settings.range.initial);
        Self { settings, limit, long: 0.0, windows: 0 }
    }

    pub(super) fn next(&mut self, seen: Seen) -> u32 {
        let settings = &self.settings;
        let short = seen.took.max(Duration::from_nanos(1)).as_secs_f64();
        self.windows = self.windows.saturating_add(1);
        // A plain average at first, then an exponential one.
        let weight = if self.windows <= WARM_UP {
            1.0 / f64::from(self.windows)
        } else {
            2.0 / (f64::from(settings.long_window) + 1.0)
        };
        self.long += (short - self.long) * weight;
        // After a long time of load the average is too long: come down faster than it would.
        if self.long > 2.0 * short {
            self.long *= 0.9;
        }
        if f64::from(seen.most_in_use) >= self.limit / 2.0 {
            let gradient = (settings.tolerance * self.long / short).clamp(0.5, 1.0);
            let next = self.limit * gradient + settings.queue;
            let next = self.limit * (1.0 - settings.smoothing) + next * settings.smoothing;
            let (least, _, most) = settings.range.bounds();
            self.limit = next.clamp(f64::from(least), f64::from(most));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within the range, which is of u32"
        )]
        let limit = self.limit as u32;
        limit
    }
}
