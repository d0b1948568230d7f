//! [`BreakerPolicy`]: when a circuit opens, and how it closes again.

use std::time::Duration;

/// When circuits open, and how they close again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerPolicy {
    pub(super) window: Duration,
    pub(super) min_calls: u32,
    pub(super) failing_percent: u8,
    pub(super) min_tenants: u32,
    pub(super) failing_tenants_percent: u8,
    pub(super) open_for: Duration,
    pub(super) open_at_most: Duration,
    pub(super) probes: u32,
    pub(super) closes_after: u32,
    max_tenants: usize,
}

impl BreakerPolicy {
    /// The default one, to change what differs.
    #[must_use]
    pub const fn builder() -> BreakerPolicyBuilder {
        BreakerPolicyBuilder(Self {
            window: Duration::from_secs(10),
            min_calls: 10,
            failing_percent: 50,
            min_tenants: 3,
            failing_tenants_percent: 80,
            open_for: Duration::from_secs(1),
            open_at_most: Duration::from_secs(60),
            probes: 1,
            closes_after: 3,
            max_tenants: 100_000,
        })
    }

    /// How many tenants may have a circuit of their own at a time.
    #[must_use]
    pub const fn max_tenants(&self) -> usize {
        self.max_tenants
    }

    /// How long a circuit stays open that has been opened `trips` times in a row.
    pub(super) fn open_after(&self, trips: u32) -> Duration {
        let doubled = 1_u32.checked_shl(trips.saturating_sub(1)).unwrap_or(u32::MAX);
        self.open_for.saturating_mul(doubled).min(self.open_at_most)
    }
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self::builder().0
    }
}

/// Makes a [`BreakerPolicy`].
#[derive(Debug, Clone, Copy)]
pub struct BreakerPolicyBuilder(BreakerPolicy);

impl BreakerPolicyBuilder {
    /// Over how long calls are counted: between half of it and all of it. 10 seconds if not said.
    #[must_use]
    pub const fn window(self, window: Duration) -> Self {
        Self(BreakerPolicy { window, ..self.0 })
    }

    /// How many calls the window has before a circuit may open. 10 if not said.
    #[must_use]
    pub const fn min_calls(self, min_calls: u32) -> Self {
        Self(BreakerPolicy { min_calls, ..self.0 })
    }

    /// The share of failures, in percent, at which a tenant's circuit opens. 50 if not said.
    #[must_use]
    pub const fn failing_percent(self, failing_percent: u8) -> Self {
        Self(BreakerPolicy { failing_percent, ..self.0 })
    }

    /// How many tenants the window has before the dependency's circuit may open. 3 if not said.
    #[must_use]
    pub const fn min_tenants(self, min_tenants: u32) -> Self {
        Self(BreakerPolicy { min_tenants, ..self.0 })
    }

    /// The mean of the tenants' shares of failures, in percent, at which the dependency's circuit
    /// opens. Every tenant weighs the same, however many calls it makes. 80 if not said.
    #[must_use]
    pub const fn failing_tenants_percent(self, failing_tenants_percent: u8) -> Self {
        Self(BreakerPolicy { failing_tenants_percent, ..self.0 })
    }

    /// How long a circuit stays open before its first probe, doubled with each time in a row. 1 second
    /// if not said.
    #[must_use]
    pub const fn open_for(self, open_for: Duration) -> Self {
        Self(BreakerPolicy { open_for, ..self.0 })
    }

    /// The longest that a circuit stays open before a probe. 60 seconds if not said.
    #[must_use]
    pub const fn open_at_most(self, open_at_most: Duration) -> Self {
        Self(BreakerPolicy { open_at_most, ..self.0 })
    }

    /// How many calls a half-open circuit has under way at most. 1 if not said.
    #[must_use]
    pub const fn probes(self, probes: u32) -> Self {
        Self(BreakerPolicy { probes, ..self.0 })
    }

    /// How many probes must succeed before a half-open circuit closes. 3 if not said.
    #[must_use]
    pub const fn closes_after(self, closes_after: u32) -> Self {
        Self(BreakerPolicy { closes_after, ..self.0 })
    }

    /// How many tenants may have a circuit of their own at a time. 100,000 if not said.
    #[must_use]
    pub const fn max_tenants(self, max_tenants: usize) -> Self {
        Self(BreakerPolicy { max_tenants, ..self.0 })
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// When something is zero that cannot be, a percentage is not one, or the longest opening is
    /// shorter than the first.
    pub fn build(self) -> Result<BreakerPolicy, InvalidBreakerPolicy> {
        use InvalidBreakerPolicy as Invalid;
        let policy = self.0;
        let numbers = [
            ("min_calls", policy.min_calls),
            ("min_tenants", policy.min_tenants),
            ("probes", policy.probes),
            ("closes_after", policy.closes_after),
        ];
        if let Some((name, _)) = numbers.into_iter().find(|(_, number)| *number == 0) {
            return Err(Invalid::Zero(name));
        }
        if policy.max_tenants == 0 {
            return Err(Invalid::Zero("max_tenants"));
        }
        let percentages = [
            ("failing_percent", policy.failing_percent),
            ("failing_tenants_percent", policy.failing_tenants_percent),
        ];
        let is_percentage = |percent| (1..=100).contains(&percent);
        if let Some((name, _)) =
            percentages.into_iter().find(|(_, percent)| !is_percentage(*percent))
        {
            return Err(Invalid::Percentage(name));
        }
        if policy.window < Duration::from_millis(2) {
            return Err(Invalid::Window);
        }
        if policy.open_for.is_zero() {
            return Err(Invalid::Zero("open_for"));
        }
        if policy.open_at_most < policy.open_for {
            return Err(Invalid::OpenAtMost);
        }
        Ok(policy)
    }
}

/// Why a [`BreakerPolicy`] cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidBreakerPolicy {
    /// What cannot be zero.
    #[error("{0} must not be zero")]
    Zero(&'static str),
    /// What is not a percentage.
    #[error("{0} must be from 1 to 100")]
    Percentage(&'static str),
    /// Too short to count anything in.
    #[error("window must be at least 2 milliseconds")]
    Window,
    /// Shorter than the first opening.
    #[error("open_at_most must be at least open_for")]
    OpenAtMost,
}
