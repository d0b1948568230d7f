//! [`Quota`]: how much a tenant may do, as up to three windows, checked when it is declared.
//!
//! ```
//! use tenantkit_limit::quota::{Quota, QuotaError, Part};
//!
//! // 100 a second with bursts of 200, and no more than 3,000 a minute.
//! const GOLD: Quota = Quota::per_second(100).burst(200).and_per_minute(3_000).declare();
//! assert_eq!(GOLD.windows().len(), 2);
//!
//! // From a document: an error instead of a build that fails.
//! let never = Quota::per_second(10).and_per_minute(600).build();
//! assert_eq!(never, Err(QuotaError::NeverBinds { window: 1, other: 0 }));
//! let zero = Quota::per_second(0).build();
//! assert_eq!(zero, Err(QuotaError::Zero { window: 0, part: Part::Count }));
//! ```
//!
//! A bad quota in a constant does not compile:
//!
//! ```compile_fail,E0080
//! # use tenantkit_limit::quota::Quota;
//! const NEVER: Quota = Quota::per_second(10).and_per_minute(600).declare();
//! ```

mod builder;
mod error;

use std::{num::NonZeroU32, time::Duration};

pub use builder::QuotaBuilder;
pub use error::{Part, QuotaError};

use crate::rate::layout::{Layout, Units};

/// How much a tenant may do: up to [`Quota::MAX_WINDOWS`] windows, the shortest first, all of which
/// must have room for a call.
///
/// Whoever has a `Quota` has one that can be kept: no window is zero, none is implied by another, and
/// all fit into one 128-bit word with at most 1% of rate lost to rounding, which is always in the
/// tenant's disfavour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quota {
    /// Those past `len` repeat the first, so that the derived equality is that of the windows.
    windows: [Window; Self::MAX_WINDOWS],
    len: u8,
    units: Units,
}

impl Quota {
    /// The largest number of windows.
    pub const MAX_WINDOWS: usize = 3;

    /// Starts a quota without windows.
    pub const fn builder() -> QuotaBuilder {
        QuotaBuilder::new()
    }

    /// Starts a quota with `count` a second.
    pub const fn per_second(count: u32) -> QuotaBuilder {
        Self::builder().and_per_second(count)
    }

    /// Starts a quota with `count` a minute.
    pub const fn per_minute(count: u32) -> QuotaBuilder {
        Self::builder().and_per_minute(count)
    }

    /// Starts a quota with `count` an hour.
    pub const fn per_hour(count: u32) -> QuotaBuilder {
        Self::builder().and_per_hour(count)
    }

    /// Starts a quota with `count` in 24 hours.
    pub const fn per_day(count: u32) -> QuotaBuilder {
        Self::builder().and_per_day(count)
    }

    /// Starts a quota with `count` in each `period`.
    pub const fn per(count: u32, period: Duration) -> QuotaBuilder {
        Self::builder().and_per(count, period)
    }

    /// Its windows, the shortest first.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows[..usize::from(self.len)]
    }

    /// The largest cost that can ever pass: the smallest burst of its windows.
    #[must_use]
    pub fn largest_cost(&self) -> u32 {
        self.windows.iter().map(|window| window.burst).min().unwrap_or(0)
    }

    pub(crate) const fn layout(&self) -> Layout {
        Layout::new(&self.windows, self.len as usize, self.units)
    }
}

/// `count` in each `period`, and at most `burst` at once.
///
/// Over any span of time T no more than `burst + count / period * T` passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    count: u32,
    burst: u32,
    period: Duration,
}

impl Window {
    /// How much is allowed in a period, in the long run.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How much is allowed at once.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// The period.
    #[must_use]
    pub const fn period(&self) -> Duration {
        self.period
    }

    /// The period in nanoseconds, exactly: a period is bounded when a quota is built.
    pub(crate) const fn period_nanos(&self) -> u64 {
        self.period.as_secs() * 1_000_000_000 + self.period.subsec_nanos() as u64
    }
}

/// What a call takes from a quota, in the quota's own unit (calls, kilobytes, rows). Never zero: what
/// costs nothing is not to be limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cost(NonZeroU32);

impl Cost {
    /// One.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// A cost, unless it is zero.
    #[must_use]
    pub const fn new(cost: u32) -> Option<Self> {
        match NonZeroU32::new(cost) {
            Some(cost) => Some(Self(cost)),
            None => None,
        }
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl From<NonZeroU32> for Cost {
    fn from(cost: NonZeroU32) -> Self {
        Self(cost)
    }
}

#[cfg(test)]
mod tests;
