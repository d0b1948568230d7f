use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use proptest::prelude::*;
use tenantkit_limit::{
    quota::{Cost, Quota},
    rate::RateLimiter,
};

use crate::model::{Passed, cost, quotas, steps};

proptest! {
    #[test]
    fn forgetting_changes_no_decision(
        quota in quotas(),
        calls in proptest::collection::vec((steps(), 0_u32..4, any::<bool>()), 1..120),
    ) {
        let (forgetful, faithful) = (RateLimiter::new(1_000), RateLimiter::new(1_000));
        let plans = (
            forgetful.plan(&quota, Duration::ZERO).unwrap(),
            faithful.plan(&quota, Duration::ZERO).unwrap(),
        );
        let mut now = 0;
        let price = cost((quota.largest_cost() / 2).max(1));
        for (step, key, forget) in calls {
            now += step;
            let at = Duration::from_nanos(now);
            if forget {
                forgetful.forget(at);
            }
            let one = forgetful.check(&key, &plans.0, price, at);
            let other = faithful.check(&key, &plans.1, price, at);
            prop_assert_eq!(one.denial(), other.denial());
            let standings = |of: &tenantkit_limit::rate::Decision<'_>| {
                of.standings().map(|it| it.remaining).collect::<Vec<_>>()
            };
            prop_assert_eq!(standings(&one), standings(&other));
        }
    }
}

#[test]
fn the_idle_are_forgotten_after_two_seconds_and_the_others_are_not() {
    let limiter = RateLimiter::new(10_000);
    let quota = Quota::per_second(10).and_per_minute(100).build().unwrap();
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    for key in 0..5_000 {
        let price = cost(1 + key % 2 * 9);
        assert!(limiter.check(&key, &plan, price, Duration::ZERO).is_allowed());
    }
    // One of a hundred a minute is back after 600 ms, ten are after 6 s.
    limiter.forget(Duration::from_millis(2_590));
    assert_eq!(limiter.len(), 5_000);
    limiter.forget(Duration::from_millis(2_610));
    assert_eq!(limiter.len(), 2_500);
    limiter.forget(Duration::from_millis(8_010));
    assert!(limiter.is_empty());
}

#[test]
fn a_thread_with_an_old_time_gains_nothing_from_what_was_forgotten() {
    let limiter = RateLimiter::new(10);
    let quota = Quota::per_second(10).build().unwrap();
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    assert!(limiter.check(&1, &plan, cost(10), Duration::ZERO).is_allowed());
    limiter.forget(Duration::from_secs(10));
    assert!(limiter.is_empty());
    // It read the clock ten seconds ago, when all ten were taken.
    assert!(!limiter.check(&1, &plan, Cost::ONE, Duration::ZERO).is_allowed());
    assert!(limiter.check(&1, &plan, cost(10), Duration::from_secs(1)).is_allowed());
}

#[test]
fn nothing_is_lost_while_shards_are_rebuilt_under_load() {
    // Ever new keys make every shard grow and forget, while four threads use the same tenants up.
    let limiter = RateLimiter::new(60_000);
    let quota = Quota::per_minute(60).burst(40).build().unwrap();
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    let (millis, newcomer) = (AtomicU64::new(0), AtomicU64::new(1_000));
    let passed = thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    let mut passed = vec![Passed::default(); 100];
                    for round in 0..120_u64 {
                        for key in 0..100_u64 {
                            let now =
                                Duration::from_micros(millis.fetch_add(200, Ordering::SeqCst));
                            if limiter.check(&key, &plan, Cost::ONE, now).is_allowed() {
                                passed[usize::try_from(key).unwrap()].note(now, 1);
                            }
                            let other = newcomer.fetch_add(1, Ordering::Relaxed);
                            let _ = limiter.check(&other, &plan, Cost::ONE, now);
                        }
                        if round % 10 == 0 {
                            limiter.forget(Duration::from_micros(millis.load(Ordering::SeqCst)));
                        }
                    }
                    passed
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    for key in 0..100 {
        let mut all = Passed::default();
        passed.iter().for_each(|thread| all.extend(&thread[key]));
        all.assert_within(&quota);
        assert!(all.total() >= 40, "the burst at least");
    }
    assert!(limiter.len() < 48_000, "the idle are forgotten");
}
