//! The exact model: a list of what passed, judged with whole numbers and no rounding.

use std::time::Duration;

use proptest::prelude::*;
use tenantkit_limit::quota::{Cost, Quota};

/// What passed: at what time on the caller's clock, and at what cost.
#[derive(Debug, Default, Clone)]
pub(crate) struct Passed(Vec<(Duration, u32)>);

impl Passed {
    /// Notes a call, and gives it a number.
    pub(crate) fn note(&mut self, at: Duration, cost: u32) -> usize {
        self.0.push((at, cost));
        self.0.len() - 1
    }

    /// What the call of that number has cost in truth.
    pub(crate) fn amend(&mut self, number: usize, cost: u32) {
        self.0[number].1 = cost;
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().map(|(_, cost)| u64::from(*cost)).sum()
    }

    /// Asserts that from any time of the clock to any other no more passed than
    /// `burst + count / period * time`, for every window.
    pub(crate) fn assert_within(&self, quota: &Quota) {
        let mut passed = self.0.clone();
        passed.sort_by_key(|(at, _)| *at);
        for window in quota.windows() {
            for (first, (from, _)) in passed.iter().enumerate() {
                let mut sum = 0_u128;
                for (until, cost) in &passed[first..] {
                    sum += u128::from(*cost);
                    let over = sum.saturating_sub(u128::from(window.burst()));
                    let earned = (*until - *from).as_nanos() * u128::from(window.count());
                    assert!(
                        over * window.period().as_nanos() <= earned,
                        "{over} over the burst of {window:?} in {:?}",
                        *until - *from,
                    );
                }
            }
        }
    }
}

pub(crate) fn cost(cost: u32) -> Cost {
    Cost::new(cost).unwrap()
}

/// Quotas of one to three windows, of all sizes.
pub(crate) fn quotas() -> impl Strategy<Value = Quota> {
    let size = || prop_oneof![1_u32..5, 1_u32..200, 1_u32..100_000];
    let window = || (size(), proptest::option::of(size()));
    let periods = prop_oneof![
        Just([1_000, 60_000, 86_400_000]),
        Just([1, 7, 1_009]),
        Just([250, 3_600_000, 31_536_000_000]),
    ];
    (periods, proptest::collection::vec(window(), 1..=3)).prop_filter_map(
        "contradictory",
        |(periods, windows)| {
            let mut quota = Quota::builder();
            for (period, (count, burst)) in periods.into_iter().zip(windows) {
                quota = quota.and_per(count, Duration::from_millis(period));
                if let Some(burst) = burst {
                    quota = quota.burst(burst);
                }
            }
            quota.build().ok()
        },
    )
}

/// Steps of a clock, small and large ones, in nanoseconds.
pub(crate) fn steps() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => Just(0),
        3 => 0_u64..1_000,
        5 => 0_u64..20_000_000,
        3 => 0_u64..2_000_000_000,
        1 => 0_u64..100_000_000_000_000,
    ]
}
