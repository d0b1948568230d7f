use std::time::Duration;

use super::{Part, Quota, QuotaError, Window};
use crate::rate::layout::Layout;

/// Nothing may take longer than this to earn, so that no sum of two of them overflows (nine years).
const LONGEST: u128 = 1 << 58;

/// A quota under construction. The first mistake is kept and told by [`QuotaBuilder::build`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use = "a builder is no quota until `build` or `declare`"]
pub struct QuotaBuilder {
    windows: [Window; Quota::MAX_WINDOWS],
    len: usize,
    mistake: Option<QuotaError>,
}

impl QuotaBuilder {
    pub(super) const fn new() -> Self {
        let none = Window { count: 0, burst: 0, period: Duration::ZERO };
        Self { windows: [none; Quota::MAX_WINDOWS], len: 0, mistake: None }
    }

    /// Adds a window of a second.
    pub const fn and_per_second(self, count: u32) -> Self {
        self.and_per(count, Duration::from_secs(1))
    }

    /// Adds a window of a minute.
    pub const fn and_per_minute(self, count: u32) -> Self {
        self.and_per(count, Duration::from_secs(60))
    }

    /// Adds a window of an hour.
    pub const fn and_per_hour(self, count: u32) -> Self {
        self.and_per(count, Duration::from_secs(3_600))
    }

    /// Adds a window of 24 hours.
    pub const fn and_per_day(self, count: u32) -> Self {
        self.and_per(count, Duration::from_secs(86_400))
    }

    /// Adds a window: `count` in each `period`, all of which may come at once unless a
    /// [`burst`](Self::burst) follows. Windows are added the shortest first.
    pub const fn and_per(mut self, count: u32, period: Duration) -> Self {
        if self.len == Quota::MAX_WINDOWS {
            return self.mistaken(QuotaError::TooManyWindows);
        }
        self.windows[self.len] = Window { count, burst: count, period };
        self.len += 1;
        self
    }

    /// How much of the window before it may come at once.
    pub const fn burst(mut self, burst: u32) -> Self {
        if self.len == 0 {
            return self.mistaken(QuotaError::BurstWithoutWindow);
        }
        self.windows[self.len - 1].burst = burst;
        self
    }

    /// The quota.
    ///
    /// # Errors
    ///
    /// When it is empty, zero, contradictory, or not to be kept exactly enough; see [`QuotaError`].
    pub const fn build(mut self) -> Result<Quota, QuotaError> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if self.len == 0 {
            return Err(QuotaError::Empty);
        }
        let mut at = 0;
        while at < self.len {
            if let Err(mistake) = check(&self.windows, at) {
                return Err(mistake);
            }
            at += 1;
        }
        while at < Quota::MAX_WINDOWS {
            self.windows[at] = self.windows[0];
            at += 1;
        }
        let units = match Layout::units(&self.windows, self.len) {
            Ok(units) => units,
            Err(window) => return Err(QuotaError::TooFine { window }),
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_WINDOWS")]
        let len = self.len as u8;
        Ok(Quota { windows: self.windows, len, units })
    }

    /// The quota, for a `const`, where a bad one does not compile.
    ///
    /// # Panics
    ///
    /// Where [`QuotaBuilder::build`] errs.
    #[must_use]
    pub const fn declare(self) -> Quota {
        match self.build() {
            Ok(quota) => quota,
            Err(QuotaError::NeverBinds { .. }) => panic!("a window of the quota never binds"),
            Err(QuotaError::Zero { .. }) => panic!("a window of the quota is zero"),
            Err(QuotaError::NotAscending { .. }) => panic!("a quota has its shortest window first"),
            Err(QuotaError::TooFine { .. } | QuotaError::TooLong { .. }) => {
                panic!("a window of the quota is too long or too fine")
            }
            Err(_) => panic!("a quota has one to three windows, and a burst follows its window"),
        }
    }

    const fn mistaken(mut self, mistake: QuotaError) -> Self {
        if self.mistake.is_none() {
            self.mistake = Some(mistake);
        }
        self
    }
}

/// Judges the window `at`, alone and against those before it.
const fn check(windows: &[Window; Quota::MAX_WINDOWS], at: usize) -> Result<(), QuotaError> {
    let window = &windows[at];
    let period = window.period.as_nanos();
    if window.count == 0 {
        return Err(QuotaError::Zero { window: at, part: Part::Count });
    }
    if window.burst == 0 {
        return Err(QuotaError::Zero { window: at, part: Part::Burst });
    }
    if period == 0 {
        return Err(QuotaError::Zero { window: at, part: Part::Period });
    }
    // The first comparison keeps the second from overflowing.
    if period > LONGEST || period * window.burst as u128 / window.count as u128 > LONGEST {
        return Err(QuotaError::TooLong { window: at });
    }
    let mut before = 0;
    while before < at {
        let shorter = &windows[before];
        if period <= shorter.period.as_nanos() {
            return Err(QuotaError::NotAscending { window: at });
        }
        // Rates as products, because quotients round.
        let (longer_rate, shorter_rate) =
            (window.count as u128 * shorter.period.as_nanos(), shorter.count as u128 * period);
        if longer_rate >= shorter_rate && window.burst >= shorter.burst {
            return Err(QuotaError::NeverBinds { window: at, other: before });
        }
        if longer_rate <= shorter_rate && window.burst <= shorter.burst {
            return Err(QuotaError::NeverBinds { window: before, other: at });
        }
        before += 1;
    }
    Ok(())
}
