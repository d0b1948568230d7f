use std::{sync::Arc, time::Duration};

use proptest::prelude::*;
use tenantkit_core::{ManualClock, UnixTime};

use super::{Backoff, GiveUp, InvalidRetryPolicy, RetryBudget, RetryBudgetBuilder, RetryPolicy};

const SECOND: Duration = Duration::from_secs(1);

fn budget(builder: RetryBudgetBuilder<u32>) -> (RetryBudget<u32>, ManualClock) {
    let clock = ManualClock::at(UnixTime::EPOCH);
    (builder.build(Arc::new(clock.clone())).unwrap(), clock)
}

/// Makes a call that fails as often as it is made, and says how often that was.
fn storm(policy: RetryPolicy, budget: &RetryBudget<u32>, tenant: u32) -> u32 {
    let mut attempts = policy.first(budget, &tenant);
    while attempts.again(budget, &tenant, None, None).is_ok() {}
    attempts.made()
}

#[test]
fn a_storm_adds_a_fifth_to_the_load_and_the_reserve_and_no_more() {
    let (budget, clock) = budget(RetryBudget::builder());
    let policy = RetryPolicy::builder().max_attempts(10).build().unwrap();
    let mut made = 0;
    for _ in 0..10_000 {
        made += storm(policy, &budget, 1);
        clock.advance(Duration::from_millis(10));
    }
    // 100 seconds are ten windows.
    assert!(made <= 12_000 + 3 * 11, "{made}");
    assert!(made >= 11_900, "{made}: and it does use what it has");
}

#[test]
fn one_tenants_storm_spends_nothing_of_anothers() {
    let (budget, _) = budget(RetryBudget::builder());
    for _ in 0..1000 {
        storm(RetryPolicy::default(), &budget, 1);
    }
    assert_eq!(storm(RetryPolicy::default(), &budget, 2), 3);
}

#[test]
fn whoever_gives_up_takes_nothing_from_the_budget() {
    let (own, _) = budget(RetryBudget::builder().reserve(1));
    let mut attempts = RetryPolicy::default().first(&own, &1);
    let told = Some(SECOND);
    for remaining in [Duration::ZERO, SECOND] {
        let given_up = attempts.again(&own, &1, told, Some(remaining));
        assert_eq!(given_up, Err(GiveUp::DeadlineTooNear));
    }
    attempts.again(&own, &1, told, Some(SECOND * 2)).unwrap();

    let (budget, _) = budget(RetryBudget::builder().reserve(1));
    let policy = RetryPolicy::builder().max_attempts(2).max_wait(SECOND).build().unwrap();
    let mut attempts = policy.first(&budget, &1);
    assert_eq!(attempts.again(&budget, &1, Some(SECOND * 2), None), Err(GiveUp::WaitTooLong));
    attempts.again(&budget, &1, None, None).unwrap();
    assert_eq!(attempts.again(&budget, &1, None, None), Err(GiveUp::AttemptsSpent));
    let mut other = policy.first(&budget, &1);
    assert_eq!(other.again(&budget, &1, None, None), Err(GiveUp::BudgetSpent));
}

#[test]
fn what_the_other_side_wants_waited_is_never_undercut() {
    let backoff = Backoff::new(Duration::from_millis(10), SECOND);
    for _ in 0..1000 {
        let wait = backoff.wait(1, Some(SECOND));
        assert!((SECOND..=SECOND + Duration::from_millis(10)).contains(&wait));
    }
}

#[test]
fn the_jitter_on_top_of_the_longest_wait_is_no_reason_to_give_up() {
    let (budget, _) = budget(RetryBudget::builder().reserve(u32::MAX));
    let policy = RetryPolicy::builder().max_attempts(u32::MAX).max_wait(SECOND).build().unwrap();
    let mut attempts = policy.first(&budget, &1);
    for _ in 0..100 {
        assert_eq!(attempts.again(&budget, &1, Some(SECOND), None), Ok(SECOND));
    }
}

#[test]
fn the_bound_on_a_wait_doubles_up_to_its_cap_and_the_wait_is_spread_below_it() {
    let backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(350));
    let bounds = [1, 2, 3, 40].map(|made| backoff.bound(made).as_millis());
    assert_eq!(bounds, [100, 200, 350, 350]);
    let waits: Vec<u128> = (0..1000).map(|_| backoff.wait(3, None).as_millis()).collect();
    assert!(waits.iter().all(|wait| *wait <= 350));
    assert!(waits.iter().any(|wait| *wait < 100) && waits.iter().any(|wait| *wait > 250));
}

#[test]
fn newcomers_at_the_bound_share_one_budget_until_there_is_room() {
    let (budget, clock) = budget(RetryBudget::builder().max_tenants(10));
    for tenant in 0..10 {
        storm(RetryPolicy::default(), &budget, tenant);
    }
    let retries: u32 =
        (10..1000).map(|tenant| storm(RetryPolicy::default(), &budget, tenant) - 1).sum();
    assert!(retries <= 990 / 5 + 3, "{retries}");
    clock.advance(SECOND * 20);
    let again: Vec<u32> =
        (2000..2500).map(|tenant| storm(RetryPolicy::default(), &budget, tenant)).collect();
    assert!(again.iter().filter(|made| **made == 3).count() >= 3);
}

#[test]
fn a_policy_that_cannot_be_is_refused_and_says_what_of_it() {
    let zero = InvalidRetryPolicy::Zero;
    assert_eq!(RetryPolicy::builder().max_attempts(0).build(), Err(zero("max_attempts")));
    let none = Backoff::new(Duration::ZERO, SECOND);
    assert_eq!(RetryPolicy::builder().backoff(none).build(), Err(zero("backoff")));
    let build = |builder: RetryBudgetBuilder<u32>| {
        builder.build(Arc::new(ManualClock::at(UnixTime::EPOCH))).map(drop)
    };
    assert_eq!(build(RetryBudget::builder().percent(101)), Err(InvalidRetryPolicy::Percent));
    assert_eq!(build(RetryBudget::builder().window(Duration::ZERO)), Err(zero("window")));
    assert_eq!(build(RetryBudget::builder().max_tenants(0)), Err(zero("max_tenants")));
}

proptest! {
    #[test]
    fn over_any_time_retries_stay_within_the_stated_bound(
        events in prop::collection::vec((0_u64..3000, any::<bool>()), 1..500),
        percent in 0_u8..=100,
        reserve in 0_u32..5,
    ) {
        let (budget, clock) = budget(RetryBudget::builder().percent(percent).reserve(reserve));
        let (mut now, mut calls, mut retries) = (0, 0_u64, 0_u64);
        for (wait, is_call) in events {
            clock.advance(Duration::from_millis(wait));
            now += wait;
            if is_call {
                budget.call(&1);
                calls += 1;
            } else {
                retries += u64::from(budget.retry(&1));
            }
            let windows = now / 10_000 + 1;
            prop_assert!(retries <= calls * u64::from(percent) / 100 + u64::from(reserve) * windows);
        }
    }
}
