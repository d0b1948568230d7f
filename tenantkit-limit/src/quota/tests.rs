use std::time::Duration;

use super::{Cost, Part, Quota, QuotaError};

#[test]
fn a_contradiction_is_refused_and_says_which_window() {
    let refusals = [
        (Quota::builder().build(), QuotaError::Empty),
        (Quota::builder().burst(3).build(), QuotaError::BurstWithoutWindow),
        (Quota::per_second(0).build(), QuotaError::Zero { window: 0, part: Part::Count }),
        (Quota::per_second(1).burst(0).build(), QuotaError::Zero { window: 0, part: Part::Burst }),
        (
            Quota::per_second(9).and_per(1, Duration::ZERO).build(),
            QuotaError::Zero { window: 1, part: Part::Period },
        ),
        (Quota::per_minute(9).and_per_second(8).build(), QuotaError::NotAscending { window: 1 }),
        (Quota::per_minute(9).and_per_minute(8).build(), QuotaError::NotAscending { window: 1 }),
        (
            Quota::per_second(10).and_per_minute(600).build(),
            QuotaError::NeverBinds { window: 1, other: 0 },
        ),
        (
            Quota::per_second(10).burst(100).and_per_minute(60).build(),
            QuotaError::NeverBinds { window: 0, other: 1 },
        ),
        (
            Quota::per_second(9).and_per_minute(99).and_per_hour(999).and_per_day(9_999).build(),
            QuotaError::TooManyWindows,
        ),
        (Quota::per(1, Duration::MAX).build(), QuotaError::TooLong { window: 0 }),
        (Quota::per_day(1).burst(u32::MAX).build(), QuotaError::TooLong { window: 0 }),
        (Quota::per_second(u32::MAX).build(), QuotaError::TooFine { window: 0 }),
    ];
    for (built, expected) in refusals {
        assert_eq!(built, Err(expected));
    }
}

#[test]
fn windows_too_large_for_one_word_are_refused_and_large_ones_are_not() {
    let large = |count: u32| {
        Quota::per_second(count / 10)
            .and_per_minute(count)
            .and_per_day(count.saturating_mul(100))
            .build()
    };
    assert!(large(10_000).is_ok());
    assert!(large(100_000).is_ok());
    assert!(matches!(large(10_000_000), Err(QuotaError::TooFine { .. })));
}

#[test]
fn a_faster_window_may_have_the_smaller_burst() {
    let quota = Quota::per_second(10).burst(100).and_per_minute(1_200).burst(50).build().unwrap();
    assert_eq!(quota.largest_cost(), 50);
}

#[test]
fn the_first_mistake_is_told() {
    let quota = Quota::builder().burst(1).and_per_second(0);
    assert_eq!(quota.build(), Err(QuotaError::BurstWithoutWindow));
}

#[test]
fn a_cost_is_never_zero() {
    assert_eq!(Cost::new(0), None);
    assert_eq!(Cost::new(3).map(Cost::get), Some(3));
}
