use std::{
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
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
    fn never_more_than_burst_and_rate_pass_in_any_span(
        quota in quotas(),
        start in prop_oneof![Just(0_u64), 0_u64..u64::MAX / 32, Just((1 << 60) - 50_000_000_000)],
        calls in proptest::collection::vec((steps(), 1_u32..4), 1..150),
    ) {
        let limiter = RateLimiter::new(8);
        let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
        let (mut now, mut passed) = (start, Passed::default());
        for (step, price) in calls {
            now += step;
            let price = price * (quota.largest_cost() / 7).max(1);
            let at = Duration::from_nanos(now);
            if limiter.check(&1, &plan, cost(price), at).is_allowed() {
                passed.note(at, price);
            }
        }
        passed.assert_within(&quota);
    }

    #[test]
    fn a_clock_that_jumps_about_lets_no_more_pass_in_any_span_of_its_time(
        quota in quotas(),
        calls in proptest::collection::vec((steps(), any::<bool>(), any::<bool>()), 1..150),
    ) {
        let limiter = RateLimiter::new(8);
        let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
        let (mut now, mut passed) = (1_000_000_000_000_000_u64, Passed::default());
        for (step, back, others) in calls {
            now = if back { now.saturating_sub(step) } else { now + step };
            let at = Duration::from_nanos(now);
            if others {
                // The shard is rebuilt, and what is idle by this time forgotten.
                limiter.forget(at);
            }
            let price = (quota.largest_cost() / 5).max(1);
            if limiter.check(&1, &plan, cost(price), at).is_allowed() {
                passed.note(at, price);
            }
        }
        passed.assert_within(&quota);
    }

    #[test]
    fn what_passes_at_the_first_moment_that_it_may_is_not_too_early(
        quota in quotas(),
        start in 0_u64..1_000_000,
    ) {
        let limiter = RateLimiter::new(8);
        let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
        // At a multiple of every unit that a window may be counted in: there rounding gives the least away.
        let (mut now, mut passed) = (Duration::from_nanos(start << 30), Passed::default());
        let most = quota.largest_cost();
        prop_assert!(limiter.check(&1, &plan, cost(most), now).is_allowed());
        passed.note(now, most);
        for _ in 0..5 {
            let refused = limiter.check(&1, &plan, Cost::ONE, now);
            now += refused.retry_after().unwrap_or_default();
            if !refused.is_allowed() {
                prop_assert!(limiter.check(&1, &plan, Cost::ONE, now).is_allowed());
            }
            passed.note(now, 1);
        }
        passed.assert_within(&quota);
    }
}

#[test]
fn threads_that_race_for_one_tenant_get_no_more_together() {
    let quota = Quota::per(1_000, Duration::from_millis(10))
        .burst(50)
        .and_per_second(20_000)
        .burst(300)
        .build()
        .unwrap();
    let limiter = RateLimiter::new(1_000);
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    let (clock, passed) = (AtomicU64::new(0), Mutex::new(Passed::default()));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut mine = Vec::new();
                for _ in 0..3_000 {
                    let now = Duration::from_nanos(clock.fetch_add(1_700, Ordering::SeqCst));
                    if limiter.check(&7, &plan, Cost::ONE, now).is_allowed() {
                        mine.push(now);
                    }
                }
                let mut passed = passed.lock().unwrap();
                for at in mine {
                    passed.note(at, 1);
                }
            });
        }
    });
    let passed = passed.into_inner().unwrap();
    assert!(passed.total() >= 300, "the burst at least");
    passed.assert_within(&quota);
}

#[test]
fn at_the_end_of_time_the_burst_is_left_and_nothing_is_earned() {
    let limiter = RateLimiter::new(8);
    let quota = Quota::per_second(10).and_per_minute(100).build().unwrap();
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    let passed =
        |now| (0..50).filter(|_| limiter.check(&1, &plan, Cost::ONE, now).is_allowed()).count();
    assert_eq!(passed(Duration::from_secs(u64::MAX / 2)), 10);
    assert_eq!(passed(Duration::MAX), 0);
    assert_eq!(
        limiter.check(&1, &plan, Cost::ONE, Duration::MAX).retry_after().unwrap().as_millis(),
        100
    );
    assert!(limiter.check(&2, &plan, Cost::ONE, Duration::MAX).is_allowed());
}
