use std::time::Duration;

use proptest::prelude::*;
use tenantkit_limit::{
    quota::{Cost, Quota},
    rate::{Denial, RateLimiter},
};

use crate::model::{cost, quotas, steps};

const NANO: Duration = Duration::from_nanos(1);

proptest! {
    #[test]
    fn the_wait_is_exact_and_a_refusal_takes_nothing(
        quota in quotas(),
        calls in proptest::collection::vec((steps(), 1_u32..8), 1..60),
    ) {
        let limiter = RateLimiter::new(8);
        let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
        let mut now = Duration::ZERO;
        for (step, part) in calls {
            now += Duration::from_nanos(step);
            let price = cost((quota.largest_cost() / part).max(1));
            let before: Vec<_> = limiter.peek(&1, &plan, price, now).standings().map(|it| format!("{it:?}")).collect();
            let peeked = limiter.peek(&1, &plan, price, now).denial();
            let decision = limiter.check(&1, &plan, price, now);
            prop_assert_eq!(peeked.is_some(), decision.denial().is_some());
            let Some(wait) = decision.retry_after() else { continue };
            prop_assert_eq!(peeked, decision.denial());
            let after: Vec<_> = decision.standings().map(|it| format!("{it:?}")).collect();
            prop_assert_eq!(before, after);
            prop_assert!(wait > Duration::ZERO);
            prop_assert!(limiter.peek(&1, &plan, price, now + wait).is_allowed());
            prop_assert!(!limiter.peek(&1, &plan, price, now + wait - NANO).is_allowed());
            let earlier = wait.saturating_sub(Duration::from_millis(1));
            prop_assert!(!limiter.peek(&1, &plan, price, now + earlier).is_allowed());
        }
    }

    #[test]
    fn the_whole_burst_passes_at_once_at_any_time(quota in quotas(), at in 0_u64..u64::MAX / 32) {
        let limiter = RateLimiter::new(8);
        let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
        let now = Duration::from_nanos(at);
        let most = quota.largest_cost();
        prop_assert!(limiter.check(&1, &plan, cost(most), now).is_allowed());
        prop_assert!(!limiter.check(&1, &plan, Cost::ONE, now).is_allowed());
        for _ in 0..most.min(50) {
            prop_assert!(limiter.check(&2, &plan, Cost::ONE, now).is_allowed());
        }
        if most <= 50 {
            prop_assert!(!limiter.check(&2, &plan, Cost::ONE, now).is_allowed());
        }
    }
}

#[test]
fn the_wait_is_that_of_the_window_that_has_room_last() {
    let limiter = RateLimiter::new(8);
    let quota = Quota::per_second(4).and_per_minute(6).build().unwrap();
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    let at = |millis| Duration::from_millis(millis);
    assert!(limiter.check(&1, &plan, cost(4), at(0)).is_allowed());
    let refused = limiter.check(&1, &plan, cost(2), at(0));
    assert_eq!(refused.denial(), Some(Denial::Exhausted { retry_after: at(500), window: 0 }));
    assert!(limiter.check(&1, &plan, cost(2), at(500)).is_allowed());
    // Of six a minute all are gone: the next comes ten seconds after the first was taken.
    let refused = limiter.check(&1, &plan, Cost::ONE, at(500));
    let Some(Denial::Exhausted { retry_after, window: 1 }) = refused.denial() else {
        panic!("{refused:?}");
    };
    assert_eq!(retry_after.as_millis(), 9_500);
}

#[test]
fn a_standing_says_what_remains_and_when_all_is_back() {
    let limiter = RateLimiter::new(8);
    let quota = Quota::per_second(10).burst(20).and_per_minute(100).build().unwrap();
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    let decision = limiter.check(&1, &plan, cost(5), Duration::ZERO);
    let standings: Vec<_> = decision.standings().collect();
    assert_eq!((standings[0].remaining, standings[1].remaining), (15, 95));
    assert_eq!(standings[0].full_after.as_millis(), 500);
    assert_eq!(standings[1].full_after.as_millis(), 3_000);
    let later = limiter.peek(&1, &plan, Cost::ONE, Duration::from_millis(250));
    assert_eq!(later.standings().map(|it| it.remaining).collect::<Vec<_>>(), [17, 95]);
}

#[test]
fn a_cost_above_a_burst_is_refused_for_good_and_adds_no_key() {
    let limiter = RateLimiter::new(8);
    let quota = Quota::per_second(10).burst(5).and_per_minute(100).build().unwrap();
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    let refused = limiter.check(&1, &plan, cost(6), Duration::ZERO);
    assert_eq!(refused.denial(), Some(Denial::CostTooLarge { window: 0, burst: 5 }));
    assert_eq!(refused.retry_after(), None);
    assert!(limiter.is_empty());
}

#[test]
fn peeking_adds_no_key() {
    let limiter = RateLimiter::new(8);
    let plan = limiter.plan(&Quota::per_second(10).build().unwrap(), Duration::ZERO).unwrap();
    assert!(limiter.peek(&1, &plan, Cost::ONE, Duration::ZERO).is_allowed());
    assert!(limiter.is_empty());
}

#[test]
fn tenants_do_not_share() {
    let limiter = RateLimiter::new(100_000);
    let plan = limiter.plan(&Quota::per_second(2).build().unwrap(), Duration::ZERO).unwrap();
    for _ in 0..2 {
        for key in 0..20_000 {
            assert!(limiter.check(&key, &plan, Cost::ONE, Duration::ZERO).is_allowed());
        }
    }
    assert_eq!(limiter.len(), 20_000);
    for key in 0..20_000 {
        assert!(!limiter.check(&key, &plan, Cost::ONE, Duration::ZERO).is_allowed());
    }
}

/// All keys hash alike, as if somebody had found out how.
#[derive(Debug, Clone, Default)]
struct Colliding;

impl std::hash::BuildHasher for Colliding {
    type Hasher = Constant;

    fn build_hasher(&self) -> Constant {
        Constant
    }
}

#[derive(Debug)]
struct Constant;

impl std::hash::Hasher for Constant {
    fn finish(&self) -> u64 {
        42
    }

    fn write(&mut self, _: &[u8]) {}
}

#[test]
fn keys_that_hash_alike_are_told_apart_and_fill_one_shard_at_most() {
    let limiter = RateLimiter::with_hasher(1_000_000, Colliding);
    let plan = limiter.plan(&Quota::per_second(1).build().unwrap(), Duration::ZERO).unwrap();
    for key in 0..200 {
        assert!(limiter.check(&key, &plan, Cost::ONE, Duration::ZERO).is_allowed());
    }
    for key in 0..200 {
        assert!(!limiter.check(&key, &plan, Cost::ONE, Duration::ZERO).is_allowed());
    }
    for key in 200..8_200 {
        let _ = limiter.check(&key, &plan, Cost::ONE, Duration::ZERO);
    }
    assert_eq!(limiter.len(), 8_192);
}
