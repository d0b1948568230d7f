use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use proptest::prelude::*;
use tenantkit_core::{ManualClock, UnixTime};

use super::{
    Breaker, BreakerPolicy, InvalidBreakerPolicy,
    circuit::{Circuit, Outcome},
};

const SECOND: Duration = Duration::from_secs(1);

fn breaker(policy: BreakerPolicy) -> (Breaker<u32>, ManualClock) {
    let clock = ManualClock::at(UnixTime::EPOCH);
    (Breaker::new(policy, Arc::new(clock.clone())), clock)
}

fn fail(breaker: &Breaker<u32>, tenant: u32, times: u32) {
    for _ in 0..times {
        if let Ok(call) = breaker.call(&tenant) {
            call.failed();
        }
    }
}

fn succeed(breaker: &Breaker<u32>, tenant: u32, times: u32) {
    for _ in 0..times {
        breaker.call(&tenant).unwrap().succeeded();
    }
}

#[test]
fn a_tenant_that_always_fails_opens_its_own_circuit_and_no_other() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    for _ in 0..100 {
        for light in 1..=3 {
            succeed(&breaker, light, 1);
        }
        fail(&breaker, 0, 300);
        clock.advance(Duration::from_millis(500));
    }
    assert!(breaker.shared.dependency.is_closed());
    assert!(breaker.call(&0).is_err());
    succeed(&breaker, 1, 1);
}

#[test]
fn a_dependency_down_for_all_is_open_for_a_tenant_that_never_called_it() {
    let (breaker, _) = breaker(BreakerPolicy::default());
    for tenant in 0..10 {
        fail(&breaker, tenant, 2);
    }
    let tracked = breaker.tracked();
    assert!(breaker.call(&99).is_err());
    assert_eq!(breaker.tracked(), tracked, "and it costs that tenant no memory");
}

#[test]
fn errors_spread_thinly_over_all_tenants_open_nothing() {
    let (breaker, _) = breaker(BreakerPolicy::default());
    for tenant in 0..200 {
        succeed(&breaker, tenant, 9);
        fail(&breaker, tenant, 1);
    }
    for tenant in 0..200 {
        succeed(&breaker, tenant, 1);
    }
}

#[test]
fn a_success_costs_no_memory_and_a_quiet_tenant_is_forgotten() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    succeed(&breaker, 1, 1000);
    assert_eq!(breaker.tracked(), 0);
    succeed(&breaker, 2, 50);
    fail(&breaker, 2, 1);
    assert_eq!(breaker.tracked(), 1);
    succeed(&breaker, 2, 1000);
    assert_eq!(breaker.tracked(), 1, "it has a failure in its window");
    clock.advance(SECOND * 20);
    succeed(&breaker, 2, 1);
    assert_eq!(breaker.tracked(), 0);
}

#[test]
fn tenants_that_failed_and_left_are_forgotten_while_others_call() {
    let (breaker, clock) = breaker(BreakerPolicy::builder().min_tenants(1000).build().unwrap());
    for tenant in 0..1000 {
        fail(&breaker, tenant, 1);
    }
    assert_eq!(breaker.tracked(), 1000);
    clock.advance(SECOND * 20);
    for _ in 0..64 {
        succeed(&breaker, 2000, 1);
        clock.advance(SECOND / 5);
    }
    assert_eq!(breaker.tracked(), 0);
    // And what is open, or was lately, is not.
    fail(&breaker, 1, 10);
    for _ in 0..200 {
        succeed(&breaker, 2000, 1);
        clock.advance(SECOND / 5);
    }
    assert_eq!(breaker.tracked(), 1);
}

#[test]
fn a_circuit_that_was_open_lately_is_not_forgotten_and_opens_for_longer() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    fail(&breaker, 1, 10);
    clock.advance(SECOND);
    succeed(&breaker, 1, 3);
    clock.advance(SECOND * 20);
    succeed(&breaker, 1, 1);
    assert_eq!(breaker.tracked(), 1);
    fail(&breaker, 1, 10);
    assert_eq!(breaker.call(&1).unwrap_err().wait(), Some(SECOND * 2));
}

#[test]
fn a_probe_that_hangs_does_not_keep_a_circuit_as_it_is() {
    let (breaker, clock) = breaker(BreakerPolicy::builder().closes_after(1).build().unwrap());
    fail(&breaker, 7, 10);
    clock.advance(SECOND);
    let hangs = breaker.call(&7).unwrap();
    assert_eq!(breaker.call(&7).unwrap_err().wait(), Some(SECOND));
    clock.advance(SECOND);
    let second = breaker.call(&7).unwrap();
    assert!(breaker.call(&7).is_err());
    // Slow, and not in vain.
    hangs.succeeded();
    let _closed = [breaker.call(&7).unwrap(), breaker.call(&7).unwrap()];
    drop(second);
}

#[test]
fn a_probe_that_hangs_does_not_keep_the_dependency_as_it_is() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    for tenant in 0..10 {
        fail(&breaker, tenant, 2);
    }
    clock.advance(SECOND);
    let _hangs = breaker.call(&1).unwrap();
    assert_eq!(breaker.call(&99).unwrap_err().wait(), Some(SECOND));
    for other in 50..53 {
        clock.advance(SECOND);
        succeed(&breaker, other, 1);
    }
    assert!(breaker.shared.dependency.is_closed());
}

#[test]
fn no_more_tenants_are_tracked_than_may_be_and_those_that_are_stay_exact() {
    let policy = BreakerPolicy::builder().max_tenants(100).min_tenants(1000).build().unwrap();
    let (breaker, clock) = breaker(policy);
    for tenant in 0..100 {
        fail(&breaker, tenant, 10);
    }
    for tenant in 100..10_000 {
        fail(&breaker, tenant, 20);
        assert!(breaker.tracked() <= 100);
    }
    assert!((0..100).all(|tenant| breaker.call(&tenant).is_err()));
    // When the first hundred are quiet, their places are free again.
    for _ in 0..3 {
        clock.advance(SECOND * 70);
        for tenant in 0..100 {
            succeed(&breaker, tenant, 1);
        }
    }
    clock.advance(SECOND * 200);
    for tenant in 20_000..30_000 {
        fail(&breaker, tenant, 10);
    }
    let open = (20_000..30_000).filter(|tenant| breaker.call(tenant).is_err()).count();
    assert!(open > 50, "{open}");
    assert!(breaker.tracked() <= 100);
}

#[test]
fn a_half_open_circuit_lets_so_many_probes_out_and_no_more() {
    let policy = BreakerPolicy::builder().probes(2).closes_after(2).build().unwrap();
    let (breaker, clock) = breaker(policy);
    fail(&breaker, 7, 10);
    assert!(breaker.call(&7).is_err());
    clock.advance(SECOND);
    let probes = [breaker.call(&7).unwrap(), breaker.call(&7).unwrap()];
    assert!(breaker.call(&7).is_err());
    let [first, second] = probes;
    first.succeeded();
    let third = breaker.call(&7).unwrap();
    assert!(breaker.call(&7).is_err());
    second.succeeded();
    drop(third);
    let _many: Vec<_> = (0..10).map(|_| breaker.call(&7).unwrap()).collect();
}

#[test]
fn a_probe_that_is_dropped_makes_place_for_another_and_says_nothing() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    fail(&breaker, 7, 10);
    clock.advance(SECOND);
    for _ in 0..100 {
        drop(breaker.call(&7).unwrap());
    }
    succeed(&breaker, 7, 3);
    let _all_at_once = [breaker.call(&7).unwrap(), breaker.call(&7).unwrap()];
}

#[test]
fn a_probe_that_the_dependency_refuses_is_given_back() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    for tenant in 0..10 {
        fail(&breaker, tenant, 10);
    }
    clock.advance(SECOND);
    let probe = breaker.call(&1).unwrap();
    for _ in 0..5 {
        assert!(breaker.call(&2).is_err(), "the dependency has one probe out");
    }
    probe.succeeded();
    succeed(&breaker, 2, 1);
}

#[test]
fn a_tenant_that_fails_by_its_own_fault_does_not_keep_the_dependency_open() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    for tenant in 0..10 {
        fail(&breaker, tenant, 2);
    }
    assert!(!breaker.shared.dependency.is_closed());
    clock.advance(SECOND);
    fail(&breaker, 0, 10);
    for light in 1..=3 {
        succeed(&breaker, light, 1);
    }
    assert!(breaker.shared.dependency.is_closed());
}

#[test]
fn a_dependency_that_is_still_down_opens_again_for_twice_as_long() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    for tenant in 0..10 {
        fail(&breaker, tenant, 2);
    }
    clock.advance(SECOND);
    fail(&breaker, 1, 1);
    fail(&breaker, 2, 1);
    assert_eq!(breaker.call(&99).unwrap_err().wait(), Some(SECOND * 2));
}

#[test]
fn a_single_tenant_whose_probe_failed_may_probe_again() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    for tenant in 0..10 {
        fail(&breaker, tenant, 2);
    }
    clock.advance(SECOND);
    fail(&breaker, 1, 1);
    assert!(breaker.call(&1).is_err());
    clock.advance(SECOND);
    breaker.call(&1).unwrap().succeeded();
}

#[test]
fn a_panic_in_a_call_is_a_failure() {
    let (breaker, _) = breaker(BreakerPolicy::default());
    for _ in 0..10 {
        let call = breaker.call(&1).unwrap();
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _call = call;
            panic!("in the call");
        }));
        assert!(panicked.is_err());
    }
    assert!(breaker.call(&1).is_err());
}

#[test]
fn a_call_from_before_the_circuit_opened_says_nothing_about_what_came_after() {
    let (breaker, clock) = breaker(BreakerPolicy::default());
    let slow: Vec<_> = (0..10).map(|_| breaker.call(&1).unwrap()).collect();
    fail(&breaker, 1, 10);
    clock.advance(SECOND);
    let probe = breaker.call(&1).unwrap();
    for call in slow {
        call.succeeded();
    }
    assert!(breaker.call(&1).is_err(), "the probe is still out");
    probe.failed();
    assert_eq!(breaker.call(&1).unwrap_err().wait(), Some(SECOND * 2));
}

#[test]
fn the_time_open_doubles_up_to_its_bound_and_starts_anew_when_all_was_well_for_long() {
    let policy = BreakerPolicy::builder().open_at_most(SECOND * 4).closes_after(1).build().unwrap();
    let (breaker, clock) = breaker(policy);
    fail(&breaker, 1, 10);
    for wait in [1, 2, 4, 4] {
        assert_eq!(breaker.call(&1).unwrap_err().wait(), Some(SECOND * wait));
        clock.advance(SECOND * wait - Duration::from_nanos(1));
        assert!(breaker.call(&1).is_err());
        clock.advance(Duration::from_nanos(1));
        fail(&breaker, 1, 1);
    }
    clock.advance(SECOND * 4);
    succeed(&breaker, 1, 1);
    clock.advance(SECOND * 4);
    fail(&breaker, 1, 10);
    assert_eq!(breaker.call(&1).unwrap_err().wait(), Some(SECOND));
}

#[test]
fn a_policy_that_cannot_be_is_refused_and_says_what_of_it() {
    let build = BreakerPolicy::builder;
    let refused = [
        (build().min_calls(0), InvalidBreakerPolicy::Zero("min_calls")),
        (build().min_tenants(0), InvalidBreakerPolicy::Zero("min_tenants")),
        (build().probes(0), InvalidBreakerPolicy::Zero("probes")),
        (build().closes_after(0), InvalidBreakerPolicy::Zero("closes_after")),
        (build().max_tenants(0), InvalidBreakerPolicy::Zero("max_tenants")),
        (build().open_for(Duration::ZERO), InvalidBreakerPolicy::Zero("open_for")),
        (build().failing_percent(0), InvalidBreakerPolicy::Percentage("failing_percent")),
        (build().failing_percent(101), InvalidBreakerPolicy::Percentage("failing_percent")),
        (
            build().failing_tenants_percent(0),
            InvalidBreakerPolicy::Percentage("failing_tenants_percent"),
        ),
        (build().window(Duration::from_millis(1)), InvalidBreakerPolicy::Window),
        (build().open_at_most(Duration::from_millis(1)), InvalidBreakerPolicy::OpenAtMost),
    ];
    for (builder, why) in refused {
        assert_eq!(builder.build(), Err(why));
    }
    assert!(build().failing_percent(100).build().is_ok());
}

/// The rule in plain words: keep every call of the window, and look at them all.
#[derive(Default)]
struct Model {
    calls: Vec<(u64, bool)>,
    open_until: Option<Duration>,
}

proptest! {
    #[test]
    fn a_closed_circuit_opens_exactly_when_the_window_says_so(
        events in prop::collection::vec((0_u64..4000, any::<bool>()), 1..200)
    ) {
        let policy = BreakerPolicy::builder().min_calls(4).failing_percent(60).build().unwrap();
        let (mut circuit, mut model) = (Circuit::born(0), Model::default());
        let mut now = Duration::ZERO;
        for (wait, failed) in events {
            now += Duration::from_millis(wait);
            if model.open_until.is_some() {
                prop_assert!(circuit.admit(now, &policy).is_err() == (model.open_until > Some(now)));
                break;
            }
            let ticket = circuit.admit(now, &policy).unwrap();
            let outcome = if failed { Outcome::Failure } else { Outcome::Success };
            circuit.settle(ticket, outcome, now, &policy);
            let half = u64::try_from(now.as_millis() / 5000).unwrap();
            model.calls.push((half, failed));
            let window: Vec<bool> =
                model.calls.iter().filter(|(at, _)| at + 1 >= half).map(|(_, failed)| *failed).collect();
            let failures = window.iter().filter(|failed| **failed).count();
            if failed && window.len() >= 4 && failures * 100 >= window.len() * 60 {
                model.open_until = Some(now + SECOND);
            }
        }
    }
}

/// What a tenant's call does in the property below.
#[derive(Debug, Clone, Copy)]
enum Step {
    Call(u32),
    Succeed(usize),
    Fail(usize),
    Drop(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_u32..5).prop_map(Step::Call),
        2 => (0_usize..8).prop_map(Step::Succeed),
        3 => (0_usize..8).prop_map(Step::Fail),
        1 => (0_usize..8).prop_map(Step::Drop),
        1 => (0_u64..5000).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happened, and whatever is still out: nobody is refused for longer than a circuit is
    /// open at most, a tenant is refused only after a failure, and one whose calls succeed is soon let
    /// in freely.
    #[test]
    fn no_circuit_is_ever_stuck(steps in prop::collection::vec(step(), 1..300), probes in 1_u32..3) {
        let policy = BreakerPolicy::builder()
            .min_calls(3)
            .probes(probes)
            .closes_after(2)
            .open_at_most(SECOND * 4)
            .build()
            .unwrap();
        let (breaker, clock) = breaker(policy);
        let (mut out, mut has_failed) = (Vec::new(), [false; 5]);
        for step in steps {
            match step {
                Step::Call(tenant) => match breaker.call(&tenant) {
                    Ok(call) => out.push((tenant, call)),
                    Err(refusal) => {
                        prop_assert!(refusal.wait().unwrap() <= SECOND * 4);
                        prop_assert!(
                            has_failed[tenant as usize] || !breaker.shared.dependency.is_closed()
                        );
                    }
                },
                Step::Wait(millis) => clock.advance(Duration::from_millis(millis)),
                Step::Succeed(at) if at < out.len() => out.swap_remove(at).1.succeeded(),
                Step::Drop(at) if at < out.len() => drop(out.swap_remove(at)),
                Step::Fail(at) if at < out.len() => {
                    let (tenant, call) = out.swap_remove(at);
                    has_failed[tenant as usize] = true;
                    call.failed();
                }
                Step::Succeed(_) | Step::Drop(_) | Step::Fail(_) => {}
            }
        }
        // All that is out hangs. With the dependency well again, everybody is let in again.
        for tenant in 0..5 {
            for _ in 0..8 {
                clock.advance(SECOND * 4);
                if let Ok(call) = breaker.call(&tenant) {
                    call.succeeded();
                }
            }
        }
        for tenant in 0..5 {
            let calls: Vec<_> = (0..10).map(|_| breaker.call(&tenant)).collect();
            prop_assert!(calls.iter().all(Result::is_ok));
        }
    }
}
