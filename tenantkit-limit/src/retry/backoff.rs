//! [`Backoff`]: how long to wait before trying again.

use std::time::Duration;

/// Exponential backoff with full jitter: uniformly between nothing and a bound that doubles with each
/// attempt.
///
/// Source: Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015. Clients that
/// failed together do not come back together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
}

impl Backoff {
    /// The bound is `base` before the second attempt, twice that before the third, and at most `cap`.
    #[must_use]
    pub const fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap }
    }

    pub(super) const fn is_zero(&self) -> bool {
        self.base.is_zero() || self.cap.is_zero()
    }

    /// How long to wait after `made` attempts. What one is told comes first, and the jitter on top of
    /// it: otherwise all who were told the same come back at the same moment.
    pub(super) fn wait(&self, made: u32, told: Option<Duration>) -> Duration {
        let bound = self.bound(made).as_nanos();
        let nanos = fastrand::u64(..=u64::try_from(bound).unwrap_or(u64::MAX));
        told.unwrap_or_default().saturating_add(Duration::from_nanos(nanos))
    }

    pub(super) fn bound(&self, made: u32) -> Duration {
        let doubled = 1_u32.checked_shl(made.saturating_sub(1)).unwrap_or(u32::MAX);
        self.base.saturating_mul(doubled).min(self.cap)
    }
}
