//! Workers run what is submitted, each item in its tenant's scope and limits.

use std::{
    pin::Pin,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
};

use tenantkit_core::{Authority, TenantContext, TenantStatus, test_util::TestAuthority};
use tenantkit_limit::{
    breaker::{Breaker, BreakerPolicy},
    fair::{FairWorkers, FairWorkersBuilder, Verdict},
    limits::{Limits, ResourceLimits},
    policy::{Allowance, LimitPolicy},
    quota::Quota,
    retry::{Backoff, RetryBudget, RetryPolicy},
};

use super::*;

type Workers = FairWorkers<u32>;

fn resource(authority: &Authority, each: Allowance) -> ResourceLimits {
    let all =
        authority.tiers().iter().fold(LimitPolicy::builder(authority.tiers()), |all, tier| {
            all.tier("jobs", tier.as_str(), each)
        });
    let limits = Limits::builder(authority, all.build().unwrap()).build().unwrap();
    limits.resource("jobs").unwrap()
}

/// A short backoff, and as many retries as wanted.
fn patient(tests: &TestAuthority, builder: FairWorkersBuilder<u32>) -> FairWorkersBuilder<u32> {
    let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(2));
    let policy = RetryPolicy::builder().max_attempts(3).backoff(backoff).build().unwrap();
    let budget = RetryBudget::builder().reserve(1000).build(tests.authority().clock().clone());
    builder.retries(policy, budget.unwrap())
}

/// Waits until nothing is left, while the tests' clock goes on by itself.
async fn settle(tests: &TestAuthority, workers: &Workers) {
    let clock = tests.clock().clone();
    for _ in 0..100_000 {
        if workers.waiting() + workers.in_flight() == 0 {
            return;
        }
        clock.advance(Duration::from_millis(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it does not end: {workers:?}");
}

#[tokio::test(start_paused = true)]
async fn each_item_runs_in_its_tenants_scope() {
    let tests = TestAuthority::new();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let saw = Arc::clone(&seen);
    let workers = FairWorkers::builder(tests.authority())
        .workers(3)
        .start(move |context: TenantContext, item| {
            let before = TenantContext::current().unwrap();
            let saw = Arc::clone(&saw);
            async move {
                tokio::task::yield_now().await;
                let ambient = TenantContext::current().unwrap();
                assert!(ambient.is_same_tenant(&context) && before.is_same_tenant(&context));
                saw.lock().unwrap().push((context.tenant().to_string(), item));
                Verdict::Done
            }
        })
        .unwrap();
    for item in 0..10 {
        for tenant in ["acme", "globex"] {
            workers.submit(&tests.context(tenant), Work::new(item)).unwrap();
        }
    }
    settle(&tests, &workers).await;
    assert_eq!(workers.tally().done, 20);
    let mut seen = seen.lock().unwrap().clone();
    seen.sort();
    let expected = ["acme", "globex"].iter().flat_map(|it| (0..10).map(|at| (it.to_string(), at)));
    assert_eq!(seen, expected.collect::<Vec<_>>());
    assert!(TenantContext::current().is_err());
}

#[tokio::test(start_paused = true)]
async fn what_panics_or_fails_is_tried_again_and_then_dead_and_stops_nobody() {
    let tests = TestAuthority::new();
    let dead = Arc::new(Mutex::new(Vec::new()));
    let buried = Arc::clone(&dead);
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let workers = patient(&tests, FairWorkers::builder(tests.authority()).workers(2))
        .dead_letters(move |context, item| {
            buried.lock().unwrap().push((context.tenant().to_string(), item));
        })
        .start(move |_, item| {
            if item == 1 {
                counted.fetch_add(1, Ordering::SeqCst);
                panic!("before there is a future");
            }
            async move {
                match item {
                    2 => panic!("in the future"),
                    3 => Verdict::Failed(Some(SECOND)),
                    4 => Verdict::Dead,
                    _ => Verdict::DoneAt(3),
                }
            }
        })
        .unwrap();
    for item in 0..100 {
        workers.submit(&tests.context("acme"), Work::new(item)).unwrap();
        workers.submit(&tests.context("globex"), Work::new(item + 100)).unwrap();
    }
    settle(&tests, &workers).await;
    let mut dead = dead.lock().unwrap().clone();
    dead.sort();
    assert_eq!(dead, [1, 2, 3, 4].map(|item| ("acme".to_owned(), item)));
    let tally = workers.tally();
    assert_eq!((tally.done, tally.dead, tally.retried, tally.panicked), (196, 4, 6, 6));
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_tenants_budget_of_retries_bounds_them() {
    let tests = TestAuthority::new();
    let budget =
        RetryBudget::builder().percent(0).reserve(2).build(tests.authority().clock().clone());
    let workers = FairWorkers::builder(tests.authority())
        .workers(1)
        .retries(RetryPolicy::default(), budget.unwrap())
        .start(|_, _: u32| async { Verdict::Failed(None) })
        .unwrap();
    for item in 0..50 {
        workers.submit(&tests.context("acme"), Work::new(item)).unwrap();
    }
    for _ in 0..1000 {
        // The clock stands, so that the budget's window does.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let tally = workers.tally();
    assert_eq!((tally.retried, tally.dead), (2, 48));
    // Another tenant has its own.
    workers.submit(&tests.context("globex"), Work::new(0)).unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((workers.tally().retried, workers.tally().dead), (3, 48));
}

#[tokio::test(start_paused = true)]
async fn a_tenant_over_its_rate_is_held_back_and_others_are_not() {
    const SLOW: Quota = Quota::per_second(10).burst(1).declare();
    let tests = TestAuthority::new();
    let limits = resource(tests.authority(), Allowance::unlimited().rate(SLOW));
    let order = Arc::new(Mutex::new(Vec::new()));
    let ran = Arc::clone(&order);
    let workers = FairWorkers::builder(tests.authority())
        .workers(1)
        .limits(limits)
        .start(move |context: TenantContext, _: u32| {
            ran.lock().unwrap().push(context.tenant().to_string());
            async { Verdict::Done }
        })
        .unwrap();
    for item in 0..5 {
        workers.submit(&tests.context("acme"), Work::new(item)).unwrap();
    }
    workers.submit(&tests.context("globex"), Work::new(0)).unwrap();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let first = order.lock().unwrap().clone();
    assert_eq!((first.len(), workers.tally().dead), (2, 0), "{first:?}");
    assert!(first.contains(&"globex".to_owned()));
    settle(&tests, &workers).await;
    assert_eq!(workers.tally().done, 6);
    assert!(workers.tally().held >= 4);
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_holds_its_tenant_back() {
    let tests = TestAuthority::new();
    let policy = BreakerPolicy::builder().min_calls(5).open_for(SECOND).build().unwrap();
    let breaker = Breaker::new(policy, tests.authority().clock().clone());
    let calls = Arc::new(AtomicU32::new(0));
    let called = Arc::clone(&calls);
    let workers = patient(&tests, FairWorkers::builder(tests.authority()).workers(1))
        .breaker(breaker)
        .start(move |context: TenantContext, _| {
            let is_bad = context.tenant().as_str() == "acme";
            called.fetch_add(u32::from(is_bad), Ordering::SeqCst);
            async move { if is_bad { Verdict::Failed(None) } else { Verdict::Done } }
        })
        .unwrap();
    for item in 0..50 {
        workers.submit(&tests.context("acme"), Work::new(item)).unwrap();
        workers.submit(&tests.context("globex"), Work::new(item)).unwrap();
    }
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(calls.load(Ordering::SeqCst), 5, "then the circuit is open, and the clock stands");
    assert_eq!(workers.tally().done, 50);
}

#[tokio::test(start_paused = true)]
async fn a_tenant_has_no_more_in_flight_than_its_limit_and_others_go_past_it() {
    let tests = TestAuthority::new();
    let limits = resource(tests.authority(), Allowance::unlimited().in_flight(1));
    let (running, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let saw = Arc::clone(&most);
    let workers = FairWorkers::builder(tests.authority())
        .workers(4)
        .limits(limits)
        .start(move |context: TenantContext, _: u32| {
            let (running, saw) = (Arc::clone(&running), Arc::clone(&saw));
            async move {
                if context.tenant().as_str() == "acme" {
                    saw.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    tokio::time::sleep(SECOND).await;
                    running.fetch_sub(1, Ordering::SeqCst);
                }
                Verdict::Done
            }
        })
        .unwrap();
    for item in 0..5 {
        workers.submit(&tests.context("acme"), Work::new(item)).unwrap();
    }
    workers.submit(&tests.context("globex"), Work::new(0)).unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((workers.tally().done, workers.tally().dead), (1, 0));
    settle(&tests, &workers).await;
    assert_eq!((workers.tally().done, most.load(Ordering::SeqCst)), (6, 1));
    assert!(workers.tally().held >= 4);
}

#[tokio::test(start_paused = true)]
async fn a_tenants_share_can_be_its_own() {
    let tests = TestAuthority::new();
    let workers: Workers = FairWorkers::builder(tests.authority())
        .workers(1)
        .start(|_, _| async { Verdict::Done })
        .unwrap();
    let acme = tests.context("acme").key(()).unwrap();
    workers.set_tenant_share(&acme, Some(weight(1).max_in_flight(0))).unwrap();
    workers.submit(&tests.context("acme"), Work::new(0)).unwrap();
    workers.submit(&tests.context("globex"), Work::new(0)).unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!((workers.tally().done, workers.waiting()), (1, 1));
    workers.set_tenant_share(&acme, None).unwrap();
    settle(&tests, &workers).await;
    assert_eq!(workers.tally().done, 2);
}

#[tokio::test(start_paused = true)]
async fn an_item_whose_dead_letter_could_not_be_kept_is_not_lost() {
    let tests = TestAuthority::new();
    let (kept, has_room) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (keeps, room) = (Arc::clone(&kept), Arc::clone(&has_room));
    let workers: Workers = FairWorkers::builder(tests.authority())
        .workers(1)
        .dead_letters(move |_, _| {
            assert_eq!(room.load(Ordering::SeqCst), 1, "there is no room");
            keeps.fetch_add(1, Ordering::SeqCst);
        })
        .start(|_, _| async { Verdict::Dead })
        .unwrap();
    workers.submit(&tests.context("acme"), Work::new(0)).unwrap();
    for _ in 0..500 {
        tests.clock().advance(Duration::from_millis(1));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((workers.waiting(), workers.tally().dead), (1, 0));
    // Not again and again without a pause either.
    assert!((4..=6).contains(&workers.tally().panicked), "{:?}", workers.tally());
    has_room.store(1, Ordering::SeqCst);
    settle(&tests, &workers).await;
    assert_eq!((workers.tally().dead, kept.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_panics_when_it_is_dropped_ends_no_worker() {
    struct Bomb(bool);

    impl Future for Bomb {
        type Output = Verdict;

        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Verdict> {
            Poll::Ready(Verdict::Done)
        }
    }

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "it is dropped");
        }
    }

    let tests = TestAuthority::new();
    let workers = patient(&tests, FairWorkers::builder(tests.authority()).workers(1))
        .start(|_, item| Bomb(item == 0))
        .unwrap();
    for item in 0..5 {
        workers.submit(&tests.context("acme"), Work::new(item)).unwrap();
    }
    settle(&tests, &workers).await;
    let tally = workers.tally();
    assert_eq!((tally.done, tally.panicked, tally.dead), (4, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn who_lost_its_lease_is_cancelled_and_not_counted() {
    let tests = TestAuthority::new();
    let (begun, ended) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (begins, ends) = (Arc::clone(&begun), Arc::clone(&ended));
    let workers: Workers = FairWorkers::builder(tests.authority())
        .workers(2)
        .start(move |_, _| {
            begins.fetch_add(1, Ordering::SeqCst);
            let ends = Arc::clone(&ends);
            async move {
                tokio::time::sleep(40 * SECOND).await;
                ends.fetch_add(1, Ordering::SeqCst);
                Verdict::Done
            }
        })
        .unwrap();
    workers.submit(&tests.context("acme"), Work::new(0)).unwrap();
    tokio::time::sleep(SECOND).await;
    // The process stood still, or the clock of the machine was put forward.
    tests.clock().advance(61 * SECOND);
    workers.submit(&tests.context("globex"), Work::new(0)).unwrap();
    tokio::time::sleep(300 * SECOND).await;
    assert_eq!((workers.waiting(), workers.in_flight(), workers.tally().done), (0, 0, 2));
    assert_eq!((begun.load(Ordering::SeqCst), ended.load(Ordering::SeqCst)), (3, 2));
}

#[tokio::test(start_paused = true)]
async fn what_waited_until_its_context_had_expired_is_dead() {
    let tests = TestAuthority::new();
    let dead = Arc::new(AtomicU32::new(0));
    let buried = Arc::clone(&dead);
    let workers: Workers = FairWorkers::builder(tests.authority())
        .workers(1)
        .dead_letters(move |_, item| _ = buried.fetch_add(item, Ordering::SeqCst))
        .start(|_, _| async { Verdict::Done })
        .unwrap();
    workers.submit(&tests.context("acme"), Work::new(7)).unwrap();
    tests.clock().advance(301 * SECOND);
    workers.submit(&tests.context("acme"), Work::new(1)).unwrap();
    settle(&tests, &workers).await;
    assert_eq!((workers.tally().done, workers.tally().dead), (1, 1));
    assert_eq!(dead.load(Ordering::SeqCst), 7);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_tenant_is_parked() {
    let tests = TestAuthority::new();
    let workers = FairWorkers::builder(tests.authority())
        .workers(1)
        .start(|_, _: u32| async { Verdict::Done })
        .unwrap();
    workers.submit(&tests.context("acme"), Work::new(0)).unwrap();
    tests.change("acme", |record| record.status(TenantStatus::Suspended));
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!((workers.waiting(), workers.tally().done, workers.tally().dead), (1, 0, 0));
    let refused = workers.submit(&tests.context("globex"), Work::new(0));
    assert!(refused.is_ok());
    tests.change("acme", |record| record.status(TenantStatus::Active));
    settle(&tests, &workers).await;
    assert_eq!(workers.tally().done, 2);
}

#[tokio::test(start_paused = true)]
async fn a_long_handler_keeps_its_lease_and_a_shutdown_loses_nothing() {
    let tests = TestAuthority::new();
    let workers = FairWorkers::builder(tests.authority())
        .workers(2)
        .start(|_, item: u32| async move {
            tokio::time::sleep(Duration::from_secs(if item == 0 { 1_000_000 } else { 5 })).await;
            Verdict::Done
        })
        .unwrap();
    for item in 0..10 {
        workers.submit(&tests.context("acme"), Work::new(item)).unwrap();
    }
    for _ in 0..300 {
        tokio::time::sleep(SECOND).await;
        tests.clock().advance(SECOND);
    }
    assert_eq!((workers.tally().done, workers.in_flight()), (9, 1), "it is leased for a minute");
    for item in 10..20 {
        workers.submit(&tests.context("acme"), Work::new(item)).unwrap();
    }
    tokio::time::sleep(SECOND).await;
    let left = workers.shutdown(10 * SECOND).await;
    let mut left: Vec<u32> = left.into_iter().map(|(_, item)| item).collect();
    left.sort_unstable();
    // One ran and ended within the deadline, and nothing else began.
    assert_eq!(left, [0].into_iter().chain(11..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_context_of_another_authority_is_refused_at_the_door() {
    let tests = TestAuthority::new();
    let workers: Workers =
        FairWorkers::builder(tests.authority()).start(|_, _| async { Verdict::Done }).unwrap();
    let foreign = TestAuthority::new().context("acme");
    assert!(workers.submit(&foreign, Work::new(0)).is_err());
    assert_eq!(workers.waiting(), 0);
}
