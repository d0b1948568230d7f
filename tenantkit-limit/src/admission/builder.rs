//! [`Builder`]: what an [`Admission`] is made from.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tenantkit_core::{Clock, SystemClock, TierSet};

use super::{Admission, Inner, State, drain::Drain, levels::Levels, observed::Observed};

/// Builds an [`Admission`].
#[must_use = "it does nothing until it is built"]
pub struct Builder {
    tiers: TierSet,
    first: Duration,
    last: Duration,
    most: u32,
    interval: Duration,
    clock: Arc<dyn Clock>,
}

impl Builder {
    pub(super) fn new(tiers: TierSet) -> Self {
        Self {
            tiers,
            first: Duration::from_millis(20),
            last: Duration::from_millis(80),
            most: 100_000,
            interval: Duration::from_millis(100),
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// With which wait the lowest tier is shed, and with which the highest is too; the others lie
    /// evenly between. 20 and 80 ms, if nothing is said.
    pub const fn thresholds(mut self, lowest: Duration, highest: Duration) -> Self {
        (self.first, self.last) = (lowest, highest);
        self
    }

    /// How many may be in the queue at most, of whatever tier and however fast it drains: 100,000, if
    /// nothing is said.
    pub const fn queue(mut self, most: u32) -> Self {
        self.most = most;
        self
    }

    /// Over which time the least of the [observed](Admission::observe) waits is taken: 100 ms, as
    /// CoDel has it, if nothing is said.
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The clock by which it measures.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The admission.
    ///
    /// # Errors
    ///
    /// When a threshold, the interval or the length of the queue is zero, or the highest tier would be
    /// shed before the lowest.
    pub fn build(self) -> Result<Admission, InvalidThresholds> {
        if self.first.is_zero() || self.interval.is_zero() || self.most == 0 {
            return Err(InvalidThresholds::Zero);
        }
        if self.first > self.last {
            return Err(InvalidThresholds::Contradictory);
        }
        // At most 16.
        let tiers = u32::try_from(self.tiers.iter().len()).unwrap_or(u32::MAX);
        let state = State {
            drain: Drain::default(),
            observed: Observed::new(self.interval),
            levels: Levels::new(tiers, self.first, self.last),
        };
        let Self { tiers, most, clock, .. } = self;
        Ok(Admission { inner: Arc::new(Inner { tiers, most, clock, state: Mutex::new(state) }) })
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("tiers", &self.tiers)
            .field("thresholds", &(self.first, self.last))
            .field("queue", &self.most)
            .finish_non_exhaustive()
    }
}

/// Why there is no admission by these thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidThresholds {
    /// It would shed all, always.
    #[error("a threshold, interval or queue of zero sheds everything")]
    Zero,
    /// The highest tier's is below the lowest's.
    #[error("the highest tier would be shed before the lowest")]
    Contradictory,
}
