//! Ten times what a server can do, in a simulation with a clock that is moved.

use std::time::Duration;

use tenantkit_core::{ManualClock, UnixTime};
use tenantkit_limit::admission::Admission;

use crate::server::{Seen, Server, TIERS, run};

const BRONZE: usize = 0;
const SILVER: usize = 1;
const GOLD: usize = 2;
const PLATINUM: usize = 3;

fn admission() -> (Admission, ManualClock) {
    let clock = ManualClock::at(UnixTime::EPOCH);
    (Admission::builder(TIERS).clock(clock.clone()).build().unwrap(), clock)
}

fn with_admission(server: &Server) -> Seen {
    let (admission, clock) = admission();
    run(server, Some(&admission), &clock)
}

#[test]
fn at_ten_times_the_capacity_goodput_stays_at_95_percent_of_it() {
    let even = Server { span: Duration::from_secs(10), ..Server::offered([2.5; 4]) };
    let many = Server { workers: 64, span: Duration::from_secs(2), ..even.clone() };
    let steady: fn(f64) -> f64 = |_| 1.0;
    // One call in ten takes 9.1 times the mean, the others a tenth of it.
    let two_kinds: fn(f64) -> f64 = |random| if random < 0.1 { 9.1 } else { 0.1 };
    for server in [
        even.clone(),
        Server { spread: steady, ..even.clone() },
        Server { spread: two_kinds, ..even.clone() },
        Server { workers: 1, ..even.clone() },
        many.clone(),
        // Workers that all begin at once, and work of 50 ms, as long as the waits that are allowed.
        Server { spread: steady, ..many.clone() },
        Server { service: Duration::from_millis(50), spread: steady, span: even.span, ..many },
        Server {
            workers: 2,
            service: Duration::from_micros(50),
            span: Duration::from_secs(1),
            ..even
        },
        Server::offered([10.0, 0.0, 0.0, 0.0]),
        Server::offered([0.0, 0.0, 0.0, 10.0]),
        Server::offered([9.6, 0.2, 0.1, 0.1]),
    ] {
        let seen = with_admission(&server);
        let goodput = seen.goodput(&server);
        assert!(goodput >= 0.95, "{goodput:.3} of the capacity of {server:?}: {seen:?}");
        // Beyond the last threshold only while it is not known yet how fast the queue drains.
        assert!(seen.longest_wait < Duration::from_millis(500), "{server:?}: {seen:?}");
    }
}

#[test]
fn without_admission_goodput_collapses() {
    let clock = ManualClock::at(UnixTime::EPOCH);
    let server = Server::offered([2.5; 4]);
    let goodput = run(&server, None, &clock).goodput(&server);
    assert!(goodput < 0.1, "{goodput:.3}");
}

#[test]
fn the_lowest_tier_is_shed_first_and_a_higher_one_only_when_that_is_not_enough() {
    // The two highest fit, so they are served as if there were no others.
    let seen = with_admission(&Server::offered([4.6, 4.6, 0.4, 0.4]));
    assert!(seen.admitted_part(PLATINUM) == 1.0, "{seen:?}");
    assert!(seen.admitted_part(GOLD) > 0.97, "{seen:?}");
    assert!(seen.admitted_part(SILVER) < 0.1, "{seen:?}");
    assert!(seen.admitted_part(BRONZE) < 0.02, "{seen:?}");

    // The highest alone is too much: then it has all.
    let seen = with_admission(&Server::offered([2.5; 4]));
    for lower in [BRONZE, SILVER, GOLD] {
        assert!(seen.admitted_part(lower) < 0.02, "{seen:?}");
    }
}

#[test]
fn below_the_capacity_nothing_is_shed() {
    let seen = with_admission(&Server::offered([0.1; 4]));
    for tier in [BRONZE, SILVER, GOLD, PLATINUM] {
        assert!(seen.admitted_part(tier) > 0.999, "{seen:?}");
    }
}

#[test]
fn the_level_does_not_change_at_each_request() {
    for server in [Server::offered([2.5; 4]), Server::offered([4.6, 4.6, 0.4, 0.4])] {
        let seen = with_admission(&server);
        let served: u32 = seen.good.iter().sum();
        assert!(seen.changes_of_level < served / 20, "{seen:?}");
    }
}

#[test]
fn when_the_overload_is_over_all_are_admitted_again() {
    let (admission, clock) = admission();
    run(&Server::offered([2.5; 4]), Some(&admission), &clock);
    let mut calm = Server::offered([0.1; 4]);
    let mut first = calm.clone();
    first.span = Duration::from_millis(200);
    run(&first, Some(&admission), &clock);
    calm.span = Duration::from_secs(5);
    let seen = run(&calm, Some(&admission), &clock);
    assert!(seen.admitted_part(BRONZE) > 0.999, "{seen:?}");
}

#[test]
fn a_server_that_becomes_ten_times_slower_is_followed() {
    let (admission, clock) = admission();
    let fast = Server::offered([0.2; 4]);
    run(&fast, Some(&admission), &clock);
    // The same is offered, which is eight times what it can do now.
    let slow = Server { service: Duration::from_millis(20), offered: [2.0; 4], ..fast };
    let seen = run(&slow, Some(&admission), &clock);
    let goodput = seen.goodput(&slow);
    assert!(goodput >= 0.95, "{goodput:.3}: {seen:?}");
}
