use std::time::Duration;

use tenantkit_limit::{
    quota::{Cost, Quota},
    rate::RateLimiter,
};

use crate::model::{Passed, cost};

#[test]
fn a_flood_of_new_ids_takes_bounded_memory_and_touches_nobody() {
    // A cheaper flood than that of the bench, which has ten million ids.
    const MOST: u64 = 4_000;
    let quota = Quota::per_minute(600).burst(60).build().unwrap();
    let mut shared = 0;
    let (alone, flooded) = (RateLimiter::new(10_000), RateLimiter::new(4_000));
    let plans = (
        alone.plan(&quota, Duration::ZERO).unwrap(),
        flooded.plan(&quota, Duration::ZERO).unwrap(),
    );
    let mut newcomers = Passed::default();
    let used = allocation_counter::measure(|| {
        for id in 0..400_000_u64 {
            let now = Duration::from_micros(id * 10);
            // A thousand who were there before, at work all the time: they are decided as ever.
            let tenant = id % 1_000;
            let (one, other) = (
                flooded.check(&tenant, &plans.1, Cost::ONE, now),
                alone.check(&tenant, &plans.0, Cost::ONE, now),
            );
            assert_eq!(one.denial(), other.denial());
            assert!(!one.is_shared());
            let newcomer = flooded.check(&(1_000 + id), &plans.1, cost(20), now);
            if newcomer.is_shared() {
                shared += 1;
                if newcomer.is_allowed() {
                    newcomers.note(now, 20);
                }
            }
        }
    });
    assert!(flooded.len() <= usize::try_from(MOST).unwrap());
    assert!(shared > 300_000, "{shared}");
    // 4,000 and 1,000 slots of 32 bytes, a sixteenth and a fifth more, and one table that nobody reads any more.
    assert!(used.bytes_current < 400_000, "{} bytes", used.bytes_current);
    // At no time more than all tables that there ever were, should somebody never stop reading the first;
    // if each of the ids had left something behind, it would be 13 million.
    assert!(used.bytes_max < 8_000_000, "{} bytes", used.bytes_max);
    // All newcomers together get no more than one tenant.
    newcomers.assert_within(&quota);
    assert!(newcomers.total() > 60);
}

#[test]
fn a_newcomer_that_is_let_in_at_last_starts_with_what_was_shared() {
    let limiter = RateLimiter::new(1);
    let quota = Quota::per_second(1).burst(10).build().unwrap();
    let plan = limiter.plan(&quota, Duration::ZERO).unwrap();
    let at = Duration::from_secs;
    assert!(limiter.check(&1, &plan, cost(1), at(0)).is_allowed());
    let newcomer = limiter.check(&2, &plan, cost(10), at(1));
    assert!(newcomer.is_allowed() && newcomer.is_shared());
    assert!(!limiter.check(&3, &plan, Cost::ONE, at(1)).is_allowed());
    // The first is idle since the first second and forgotten two seconds later.
    let newcomer = limiter.check(&2, &plan, cost(4), at(4));
    assert!(!newcomer.is_shared());
    assert!(!newcomer.is_allowed());
    assert_eq!(newcomer.retry_after(), Some(at(1)));
}

#[test]
fn a_check_of_a_tenant_that_is_there_allocates_nothing() {
    let limiter = RateLimiter::new(100);
    let plan = limiter.plan(&Quota::per_minute(60).build().unwrap(), Duration::ZERO).unwrap();
    assert!(limiter.check(&1, &plan, Cost::ONE, Duration::ZERO).is_allowed());
    let used = allocation_counter::measure(|| {
        for _ in 0..100 {
            let _ = limiter.check(&1, &plan, Cost::ONE, Duration::ZERO).retry_after();
        }
    });
    assert_eq!(used.count_total, 0);
}
