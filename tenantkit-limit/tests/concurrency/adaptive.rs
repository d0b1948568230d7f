//! Limits that are found while running, with a server of known capacity and a clock that is moved.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

use tenantkit_core::{ManualClock, UnixTime};
use tenantkit_limit::concurrency::{
    Aimd, Cap, ConcurrencyLimiter, Gradient2, Limit, Outcome, Permit, Sharing,
};

use crate::tenant;

/// A server that works on `workers` calls at a time, 10 ms each; others wait inside, unseen. Callers
/// always want more. It returns the limit after `span`.
fn found(limiter: &ConcurrencyLimiter, clock: &ManualClock, workers: usize, span: Duration) -> u32 {
    let acme = tenant("acme");
    let service = Duration::from_millis(10);
    let mut free = vec![Duration::ZERO; workers];
    let mut ends: BinaryHeap<Reverse<(Duration, usize)>> = BinaryHeap::new();
    let mut under_way: Vec<Option<Permit>> = Vec::new();
    let mut now = Duration::ZERO;
    while now < span {
        while let Ok(permit) = limiter.try_acquire(&acme, Cap::of(u32::MAX)) {
            // The worker that is free first.
            let worker = (0..workers).min_by_key(|worker| free[*worker]).unwrap();
            free[worker] = free[worker].max(now) + service;
            ends.push(Reverse((free[worker], under_way.len())));
            under_way.push(Some(permit));
        }
        let Reverse((end, call)) = ends.pop().unwrap();
        clock.advance(end - now);
        now = end;
        under_way[call].take().unwrap().finished(Outcome::Served);
    }
    limiter.global()
}

fn learning(limit: Limit) -> (ConcurrencyLimiter, ManualClock) {
    let clock = ManualClock::at(UnixTime::EPOCH);
    let builder = ConcurrencyLimiter::builder()
        .global(limit)
        .sharing(Sharing::DEFAULT.tenant_percent(100).reserve_percent(0));
    (builder.clock(clock.clone()).build().unwrap(), clock)
}

#[test]
fn gradient2_finds_about_what_the_server_can_do() {
    let settings = Gradient2::between(1, 1000).initial(10).window(Duration::from_millis(100));
    let (limiter, clock) = learning(Limit::gradient2(settings));
    let limit = found(&limiter, &clock, 50, Duration::from_secs(20));
    assert!((50..=100).contains(&limit), "{limit}");
}

#[test]
fn aimd_keeps_to_the_time_that_it_is_told() {
    let settings = Aimd::between(1, 1000)
        .initial(10)
        .patience(Duration::from_millis(15))
        .window(Duration::from_millis(100));
    let (limiter, clock) = learning(Limit::aimd(settings));
    let limit = found(&limiter, &clock, 50, Duration::from_secs(20));
    // Fifteen milliseconds are reached with 75 under way.
    assert!((50..=80).contains(&limit), "{limit}");
}

#[test]
fn a_limit_that_is_not_used_does_not_grow() {
    for limit in [
        Limit::gradient2(Gradient2::between(1, 1000).initial(20)),
        Limit::aimd(Aimd::between(1, 1000).initial(20)),
    ] {
        let (limiter, clock) = learning(limit);
        for _ in 0..1000 {
            let permit = limiter.try_acquire(&tenant("acme"), Cap::of(9)).unwrap();
            clock.advance(Duration::from_millis(10));
            permit.finished(Outcome::Served);
        }
        assert_eq!(limiter.global(), 20);
    }
}

#[test]
fn work_that_failed_of_load_shrinks_the_limit_and_ignored_work_does_nothing() {
    for (outcome, expected) in [
        (Some(Outcome::Overloaded), 1),
        (Some(Outcome::Served), 3),
        (Some(Outcome::Ignored), 2),
        (None, 2),
    ] {
        let settings = Aimd::between(1, 1000).initial(2).window(Duration::from_millis(100));
        let (limiter, clock) = learning(Limit::aimd(settings));
        for _ in 0..20 {
            let permit = limiter.try_acquire(&tenant("acme"), Cap::of(9)).unwrap();
            clock.advance(Duration::from_millis(10));
            match outcome {
                Some(outcome) => permit.finished(outcome),
                None => drop(permit),
            }
        }
        assert_eq!(limiter.global(), expected, "{outcome:?}");
    }
}

#[test]
fn a_limit_stays_in_its_range() {
    let settings = Aimd::between(5, 9).initial(7).window(Duration::from_millis(10));
    let (limiter, clock) = learning(Limit::aimd(settings));
    for (outcome, expected) in [(Outcome::Overloaded, 5), (Outcome::Served, 9)] {
        for _ in 0..200 {
            let held: Vec<_> =
                (0..5).map(|_| limiter.try_acquire(&tenant("acme"), Cap::of(9)).unwrap()).collect();
            clock.advance(Duration::from_millis(1));
            held.into_iter().for_each(|permit| permit.finished(outcome));
        }
        assert_eq!(limiter.global(), expected);
    }
}
