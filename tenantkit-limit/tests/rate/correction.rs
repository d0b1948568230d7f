use std::time::Duration;

use proptest::prelude::*;
use tenantkit_limit::{
    quota::{Cost, Quota},
    rate::{Charge, RateLimiter},
};

use crate::model::{Passed, cost, quotas, steps};

fn remaining(limiter: &RateLimiter<u32>, quota: Quota, now: Duration) -> Vec<u32> {
    let plan = limiter.plan(&quota, now).unwrap();
    limiter.peek(&1, &plan, Cost::ONE, now).standings().map(|it| it.remaining).collect()
}

fn charge(limiter: &RateLimiter<u32>, quota: Quota, price: u32, now: Duration) -> Charge {
    let plan = limiter.plan(&quota, now).unwrap();
    limiter.check(&1, &plan, cost(price), now).charge().unwrap()
}

#[test]
fn a_call_that_cost_less_gives_back_the_rest_and_one_that_cost_more_pays_it() {
    let quota = Quota::per_second(100).and_per_minute(1_000).build().unwrap();
    let limiter = RateLimiter::new(8);
    let first = charge(&limiter, quota, 80, Duration::ZERO);
    assert_eq!(limiter.correct(&1, first, 30, Duration::ZERO), 0);
    assert_eq!(remaining(&limiter, quota, Duration::ZERO), [70, 970]);
    let second = charge(&limiter, quota, 50, Duration::ZERO);
    assert_eq!(limiter.correct(&1, second, 150, Duration::ZERO), 0);
    // Eighty more than the burst are owed: they are earned before anything passes.
    assert_eq!(remaining(&limiter, quota, Duration::from_millis(800)), [0, 833]);
    assert_eq!(remaining(&limiter, quota, Duration::from_millis(900)), [10, 835]);
}

#[test]
fn a_debt_is_bounded_and_what_is_beyond_is_told() {
    let quota = Quota::per_second(10).build().unwrap();
    let limiter = RateLimiter::new(8);
    let call = charge(&limiter, quota, 1, Duration::ZERO);
    let unpaid = limiter.correct(&1, call, 1_000_000_000, Duration::ZERO);
    assert!((999_999_000..1_000_000_000 - 20).contains(&unpaid), "{unpaid}");
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    let wait = limiter.check(&1, &plan, Cost::ONE, Duration::ZERO).retry_after().unwrap();
    assert!(wait < Duration::from_secs(10), "{wait:?}");
}

#[test]
fn time_and_a_correction_do_not_both_give_back_the_same() {
    let quota = Quota::per_second(10).build().unwrap();
    let limiter = RateLimiter::new(8);
    let at = Duration::from_millis;
    let first = charge(&limiter, quota, 10, at(0));
    // All has been earned back, and taken again.
    let _second = charge(&limiter, quota, 10, at(1_000));
    assert_eq!(limiter.correct(&1, first, 0, at(1_000)), 0);
    assert_eq!(remaining(&limiter, quota, at(1_000)), [0]);
}

#[test]
fn a_correction_after_a_change_of_plan_is_in_units_of_cost() {
    let (small, large) =
        (Quota::per_second(10).build().unwrap(), Quota::per_second(100).build().unwrap());
    let limiter = RateLimiter::new(8);
    let first = charge(&limiter, small, 8, Duration::ZERO);
    let _second = charge(&limiter, large, 2, Duration::ZERO);
    assert_eq!(limiter.correct(&1, first, 3, Duration::ZERO), 0);
    assert_eq!(remaining(&limiter, large, Duration::ZERO), [95]);
}

#[test]
fn a_forgotten_tenant_is_not_added_by_a_refund() {
    let quota = Quota::per_second(10).build().unwrap();
    let limiter = RateLimiter::new(8);
    let call = charge(&limiter, quota, 10, Duration::ZERO);
    limiter.forget(Duration::from_secs(10));
    assert_eq!(limiter.correct(&1, call, 0, Duration::from_secs(10)), 0);
    assert!(limiter.is_empty());
}

proptest! {
    #[test]
    fn with_corrections_no_more_passes_than_at_the_true_costs(
        quota in quotas(),
        calls in proptest::collection::vec((steps(), 1_u32..4, 0_u32..4, 0_usize..4), 1..100),
    ) {
        let limiter = RateLimiter::new(8);
        let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
        let (mut now, mut passed, mut open) = (Duration::ZERO, Passed::default(), Vec::new());
        let unit = (quota.largest_cost() / 5).max(1);
        for (step, price, actual, which) in calls {
            now += Duration::from_nanos(step);
            let decision = limiter.check(&1, &plan, cost((price * unit).min(quota.largest_cost())), now);
            if let Some(charge) = decision.charge() {
                open.push((passed.note(now, charge.cost().get()), charge));
            }
            if which < open.len() {
                // Only to less: a call that turns out dearer has passed already.
                let (number, charge) = open.swap_remove(which);
                let actual = (actual * unit).min(charge.cost().get());
                prop_assert_eq!(limiter.correct(&1, charge, actual, now), 0);
                passed.amend(number, actual);
            }
        }
        passed.assert_within(&quota);
    }
}
