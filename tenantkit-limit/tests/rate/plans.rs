use std::time::Duration;

use proptest::prelude::*;
use tenantkit_limit::{
    quota::{Cost, Quota},
    rate::{Denial, RateLimiter, TooManyPlans},
};

use crate::model::{cost, quotas, steps};

fn remaining(limiter: &RateLimiter<u32>, quota: Quota, now: Duration) -> Vec<u32> {
    let plan = limiter.plan(&quota, now).unwrap();
    limiter.peek(&1, &plan, Cost::ONE, now).standings().map(|it| it.remaining).collect()
}

fn take(limiter: &RateLimiter<u32>, quota: Quota, price: u32, now: Duration) -> bool {
    let plan = limiter.plan(&quota, now).unwrap();
    limiter.check(&1, &plan, cost(price), now).is_allowed()
}

#[test]
fn what_was_taken_is_carried_over_to_a_larger_and_to_a_smaller_quota() {
    let small = Quota::per_second(100).and_per_minute(1_000).build().unwrap();
    let large = Quota::per_second(200).and_per_minute(5_000).build().unwrap();
    let tiny = Quota::per_second(50).build().unwrap();
    let limiter = RateLimiter::new(8);
    let now = Duration::from_secs(7);
    assert!(take(&limiter, small, 80, now));
    assert_eq!(remaining(&limiter, large, now), [120, 4_920]);
    assert!(take(&limiter, large, 20, now));
    assert_eq!(remaining(&limiter, small, now), [0, 900]);
    assert_eq!(remaining(&limiter, tiny, now), [0]);
    assert!(!take(&limiter, tiny, 1, now));
    // Of fifty that count a second later all are earned.
    assert_eq!(remaining(&limiter, tiny, now + Duration::from_secs(1)), [50]);
}

#[test]
fn a_refusal_under_a_new_plan_ends_the_old_rate() {
    let fast = Quota::per_second(1_000).build().unwrap();
    let slow = Quota::per_minute(10).build().unwrap();
    let limiter = RateLimiter::new(8);
    assert!(take(&limiter, fast, 1_000, Duration::ZERO));
    assert!(!take(&limiter, slow, 1, Duration::ZERO));
    // By the fast rate everything would be back.
    assert!(!take(&limiter, slow, 2, Duration::from_secs(6)));
    assert!(take(&limiter, slow, 1, Duration::from_secs(6)));
}

#[test]
fn a_window_that_is_new_starts_with_what_a_shorter_one_counts() {
    let second = Quota::per_second(10).build().unwrap();
    let both = Quota::per_second(10).and_per_day(1_000).build().unwrap();
    let limiter = RateLimiter::new(8);
    assert!(take(&limiter, second, 8, Duration::ZERO));
    assert_eq!(remaining(&limiter, both, Duration::ZERO), [2, 992]);
    assert!(take(&limiter, both, 2, Duration::ZERO));
    assert_eq!(remaining(&limiter, both, Duration::from_secs(1)), [10, 990]);
}

proptest! {
    #[test]
    fn no_change_of_plans_gives_anything_back(
        plans in proptest::collection::vec(quotas(), 2..5),
        calls in proptest::collection::vec((0_usize..5, 1_u32..5), 1..60),
    ) {
        // At one moment nothing is earned: whatever the order of plans, what passes under them all is
        // at most the largest burst.
        let limiter = RateLimiter::new(8);
        let now = Duration::from_nanos(1_234_567_891);
        let largest = plans.iter().map(Quota::largest_cost).max().unwrap();
        let mut ascending = plans;
        ascending.sort_by_key(Quota::largest_cost);
        let (mut passed, mut at) = (0_u64, 0);
        for (step, part) in calls {
            // Only ever to a larger burst, because a smaller one forgives what exceeds it.
            at = (at + step / 3).min(ascending.len() - 1);
            let price = (ascending[at].largest_cost() / part).max(1);
            if take(&limiter, ascending[at], price, now) {
                passed += u64::from(price);
            }
        }
        prop_assert!(passed <= u64::from(largest), "{} of {}", passed, largest);
    }

    #[test]
    fn a_change_there_and_back_earns_no_more_than_time_does(
        one in quotas(),
        step in steps(),
        part in 1_u32..5,
    ) {
        let other = Quota::per(1, Duration::from_secs(3_600)).burst(u32::MAX / 100_000).build().unwrap();
        prop_assume!(one.largest_cost() <= other.largest_cost());
        // The other earns no faster than any window of the one.
        prop_assume!(one.windows().iter().all(|it| it.period() <= Duration::from_secs(3_600) * it.count()));
        let (changed, kept) = (RateLimiter::new(8), RateLimiter::new(8));
        let (start, end) = (Duration::ZERO, Duration::from_nanos(step));
        let price = (one.largest_cost() / part).max(1);
        prop_assert!(take(&changed, one, price, start) && take(&kept, one, price, start));
        prop_assert!(take(&changed, other, 1, start) && (one.largest_cost() == price || take(&kept, one, 1, start)));
        for (changed, kept) in remaining(&changed, one, end).iter().zip(remaining(&kept, one, end)) {
            prop_assert!(*changed <= kept, "{} of {}", changed, kept);
        }
    }
}

#[test]
fn a_plan_of_another_limiter_is_refused() {
    let (one, other) = (RateLimiter::new(8), RateLimiter::<u32>::new(8));
    let plan = other.plan(&Quota::per_second(1).build().unwrap(), Duration::ZERO).unwrap();
    let refused = one.check(&1, &plan, Cost::ONE, Duration::ZERO);
    assert_eq!(refused.denial(), Some(Denial::ForeignPlan));
    assert!(!one.peek(&1, &plan, Cost::ONE, Duration::ZERO).is_allowed());
}

#[test]
fn equal_quotas_share_a_plan_and_there_are_thousands() {
    let limiter = RateLimiter::new(8);
    let quota = |count| Quota::per_hour(count).build().unwrap();
    let plans: Vec<_> =
        (1..=4_095).map(|count| limiter.plan(&quota(count), Duration::ZERO).unwrap()).collect();
    assert!(limiter.plan(&quota(1), Duration::ZERO).is_ok());
    assert_eq!(limiter.plan(&quota(5_000), Duration::ZERO).err(), Some(TooManyPlans));
    assert!(limiter.check(&1, &plans[99], cost(100), Duration::ZERO).is_allowed());
    assert!(limiter.check(&2, &plans[98], cost(1), Duration::ZERO).is_allowed());
    drop(plans);
    // Nobody has any plan, and key 2 is idle by then: only the plan of key 1 is needed.
    let now = Duration::from_secs(1_800);
    let all: Vec<_> =
        (10_000..14_094).map(|count| limiter.plan(&quota(count), now).unwrap()).collect();
    assert_eq!(limiter.plan(&quota(20_000), now).err(), Some(TooManyPlans));
    assert_eq!(limiter.len(), 1);
    // What key 1 took is still known.
    let standing =
        limiter.peek(&1, &all[0], Cost::ONE, now).standings().next().map(|it| it.remaining);
    assert_eq!(standing, Some(10_000 - 50));
}
