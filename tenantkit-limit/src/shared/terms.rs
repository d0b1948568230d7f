//! [`Terms`]: a quota, in the form in which it is shared, and the part of it that is safe alone.

use std::num::NonZeroU32;

use crate::quota::{Quota, QuotaError, Window};

/// A quota and what a process may do with it before it has asked.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(super) quota: Quota,
    /// For each window, how much it earns in a nanosecond, and its burst.
    windows: [(f64, f64); Quota::MAX_WINDOWS],
    /// How much may be admitted that Redis has not heard of.
    pub(super) credit: u32,
    /// How much is leased at most, unless one call costs more.
    pub(super) lease: u32,
}

impl Terms {
    pub(crate) fn new(quota: Quota, processes: NonZeroU32) -> Self {
        let mut windows = [(0.0, f64::INFINITY); Quota::MAX_WINDOWS];
        for (place, window) in windows.iter_mut().zip(quota.windows()) {
            let rate = f64::from(window.count()) / window.period().as_nanos() as f64;
            *place = (rate, f64::from(window.burst()));
        }
        let burst = quota.largest_cost();
        let credit = u64::from(burst).div_ceil(2 * u64::from(processes.get()));
        // No more than the burst, which is a `u32`.
        let credit = u32::try_from(credit).unwrap_or(burst);
        Self { quota, windows, credit, lease: burst.div_ceil(2) }
    }

    /// The rate a nanosecond and the burst of each window.
    pub(super) fn windows(&self) -> &[(f64, f64)] {
        &self.windows[..self.quota.windows().len()]
    }
}

/// What is safe for one of so many processes that do not hear of each other: of each window its part of
/// the count and of the burst, rounded down, and never less than one.
///
/// # Errors
///
/// When that is no quota: a burst that would then take too long to earn.
pub fn safe_share(quota: &Quota, processes: NonZeroU32) -> Result<Quota, QuotaError> {
    let part = |whole: u32| (whole / processes).max(1);
    let mut windows: Vec<&Window> = quota.windows().iter().collect();
    loop {
        let share = windows.iter().fold(Quota::builder(), |share, window| {
            share.and_per(part(window.count()), window.period()).burst(part(window.burst()))
        });
        match share.build() {
            // Rounding has made two of them alike, so one of them says it all.
            Err(QuotaError::NeverBinds { window, .. }) => drop(windows.remove(window)),
            share => return share,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_safe_share_is_never_nothing_and_together_they_are_no_more_than_the_quota() {
        let four = NonZeroU32::new(4).unwrap();
        let quota = Quota::per_second(102).burst(200).and_per_minute(3_000).build().unwrap();
        let share = Quota::per_second(25).burst(50).and_per_minute(750).build().unwrap();
        assert_eq!(safe_share(&quota, four), Ok(share));

        let small = Quota::per_second(2).and_per_minute(3).build().unwrap();
        assert_eq!(safe_share(&small, four), Quota::per_minute(1).build());
    }

    proptest! {
        #[test]
        fn every_quota_has_a_safe_share(
            counts in proptest::collection::vec((1_u32..2_000, 1_u32..4_000), 1..=3),
            processes in 1_u32..2_000,
        ) {
            let periods = [1, 60, 86_400].map(Duration::from_secs);
            let quota = counts.iter().zip(periods).fold(
                Quota::builder(),
                |quota, ((count, burst), period)| quota.and_per(*count, period).burst(*burst),
            );
            let Ok(quota) = quota.build() else { return Ok(()) };
            let share = safe_share(&quota, NonZeroU32::new(processes).unwrap()).unwrap();
            prop_assert!(share.largest_cost() >= 1);
            for window in share.windows() {
                let whole = quota.windows().iter().find(|whole| whole.period() == window.period());
                let whole = whole.unwrap();
                prop_assert!(window.count() == 1 || window.count() * processes <= whole.count());
                prop_assert!(window.burst() == 1 || window.burst() * processes <= whole.burst());
            }
        }
    }
}
