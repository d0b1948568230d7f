use std::{
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use tenantkit_core::{Reason, TenantContext, Tier, test_util::TestAuthority};

use super::{
    CannotReplace, Denied, Entered, Entry, InvalidLimits, Limits, LimitsBuilder, ResourceLimits,
};
use crate::{
    admission::Admission,
    concurrency::{Cap, Limit, Permit, Sharing},
    policy::{Allowance, LimitPolicy, LimitPolicyBuilder},
    quota::{Cost, Quota},
};

const FREE: Allowance = Allowance::unlimited();
const TWO: Quota = Quota::per_second(1).burst(2).declare();

fn all_tiers(tests: &TestAuthority, resource: &str, allowance: Allowance) -> LimitPolicyBuilder {
    let tiers = tests.authority().tiers();
    let tier = |policy: LimitPolicyBuilder, name| policy.tier(resource, name, allowance);
    tiers.iter().map(Tier::as_str).fold(LimitPolicy::builder(tiers), tier)
}

fn limits(tests: &TestAuthority, allowance: Allowance) -> LimitsBuilder {
    Limits::builder(tests.authority(), all_tiers(tests, "exports", allowance).build().unwrap())
}

fn door(limits: LimitsBuilder) -> ResourceLimits {
    limits.build().unwrap().resource("exports").unwrap()
}

fn reason(denied: &Denied) -> Reason {
    denied.refusal().reason()
}

fn remaining(door: &ResourceLimits, context: &TenantContext) -> Option<u32> {
    door.standings(context).iter().next().map(|standing| standing.remaining)
}

struct Never;

impl Wake for Never {
    fn wake(self: Arc<Self>) {}
}

fn poll<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(Arc::new(Never))))
}

#[test]
fn a_refusal_by_what_is_under_way_takes_nothing_from_the_rate() {
    let tests = TestAuthority::new();
    let door = door(limits(&tests, FREE.rate(TWO).in_flight(1)));
    let acme = tests.context("acme");
    let first = door.try_enter(&acme, Cost::ONE).unwrap();
    for _ in 0..10 {
        assert_eq!(
            reason(&door.try_enter(&acme, Cost::ONE).unwrap_err()),
            Reason::ConcurrencyExceeded
        );
    }
    assert_eq!(remaining(&door, &acme), Some(1));
    drop(first);
    drop(door.try_enter(&acme, Cost::ONE).unwrap());
}

#[test]
fn a_refusal_by_the_rate_takes_no_permit_and_says_exactly_how_long_to_wait() {
    let tests = TestAuthority::new();
    let door = door(limits(&tests, FREE.rate(TWO).in_flight(5)));
    let acme = tests.context("acme");
    let held =
        [door.try_enter(&acme, Cost::ONE).unwrap(), door.try_enter(&acme, Cost::ONE).unwrap()];
    let denied = door.try_enter(&acme, Cost::ONE).unwrap_err();
    assert_eq!(reason(&denied), Reason::RateExceeded);
    assert_eq!(denied.refusal().wait(), Some(Duration::from_secs(1)));
    assert_eq!(denied.standings().iter().next().unwrap().remaining, 0);
    assert_eq!(door.limits.permits().held(acme.tenant(), door.resource), 2);
    drop(held);
    tests.clock().advance(Duration::from_secs(1));
    drop(door.try_enter(&acme, Cost::ONE).unwrap());
}

#[test]
fn a_refusal_by_the_process_takes_nothing_from_the_rate_and_no_permit() {
    let tests = TestAuthority::new();
    let admission =
        Admission::builder(tests.authority().tiers()).clock(tests.clock().clone()).build().unwrap();
    let door = door(limits(&tests, FREE.rate(TWO).in_flight(5)).admission(admission.clone()));
    assert!(door.limits.admission().is_some());
    let acme = tests.context("acme");
    // A wait counts once it has lasted for an interval.
    for _ in 0..3 {
        admission.observe(Duration::from_secs(60));
        tests.clock().advance(Duration::from_millis(100));
    }
    for _ in 0..10 {
        assert_eq!(reason(&door.try_enter(&acme, Cost::ONE).unwrap_err()), Reason::LoadShed);
    }
    assert_eq!(remaining(&door, &acme), Some(2));
    assert_eq!(door.limits.permits().held(acme.tenant(), door.resource), 0);
}

#[test]
fn a_cost_that_can_never_pass_is_told_so_and_not_to_wait() {
    let tests = TestAuthority::new();
    let door = door(limits(&tests, FREE.rate(TWO)));
    let denied = door.try_enter(&tests.context("acme"), Cost::new(3).unwrap()).unwrap_err();
    assert_eq!(reason(&denied), Reason::CostTooLarge);
    assert_eq!(denied.refusal().wait(), None);
}

#[test]
fn a_cost_is_corrected_when_it_is_known() {
    let tests = TestAuthority::new();
    let door = door(limits(&tests, FREE.rate(TWO)));
    let acme = tests.context("acme");
    let mut entered = door.try_enter(&acme, Cost::new(2).unwrap()).unwrap();
    assert_eq!(remaining(&door, &acme), Some(0));
    assert_eq!(entered.correct(1), 0);
    assert_eq!(remaining(&door, &acme), Some(1));
    assert_eq!(entered.correct(0), 0, "a charge is corrected once");
    assert_eq!(remaining(&door, &acme), Some(1));
}

#[test]
fn one_tenants_load_is_not_counted_against_another() {
    let tests = TestAuthority::new();
    let door = door(limits(&tests, FREE.rate(TWO).in_flight(2)));
    let (acme, globex) = (tests.context("acme"), tests.context("globex"));
    let _held =
        [door.try_enter(&acme, Cost::ONE).unwrap(), door.try_enter(&acme, Cost::ONE).unwrap()];
    assert!(door.try_enter(&acme, Cost::ONE).is_err());
    drop(door.try_enter(&globex, Cost::ONE).unwrap());
}

#[test]
fn resources_are_counted_apart() {
    let tests = TestAuthority::new();
    let tiers = tests.authority().tiers();
    let policy = tiers.iter().fold(LimitPolicy::builder(tiers), |policy, tier| {
        let policy = policy.tier("reads", tier.as_str(), FREE.rate(TWO).in_flight(1));
        policy.tier("exports", tier.as_str(), FREE.rate(TWO).in_flight(1))
    });
    let limits = Limits::builder(tests.authority(), policy.build().unwrap()).build().unwrap();
    let acme = tests.context("acme");
    let [reads, exports] = ["reads", "exports"].map(|name| limits.resource(name).unwrap());
    let _read = reads.try_enter(&acme, Cost::ONE).unwrap();
    let _export = exports.try_enter(&acme, Cost::ONE).unwrap();
    assert_eq!(remaining(&exports, &acme), Some(1));
    assert!(limits.resource("writes").is_err());
}

#[test]
fn what_every_door_refuses_is_refused_here() {
    let (tests, others) = (TestAuthority::new(), TestAuthority::new());
    let door = door(limits(&tests, FREE));
    let foreign = door.try_enter(&others.context("acme"), Cost::ONE).unwrap_err();
    assert_eq!(reason(&foreign), Reason::ForeignAuthority);
    let acme = tests.context("acme");
    tests.clock().advance(Duration::from_secs(1_000_000));
    assert_eq!(reason(&door.try_enter(&acme, Cost::ONE).unwrap_err()), Reason::Expired);
}

#[test]
fn a_policy_is_replaced_without_losing_what_was_taken_or_is_under_way() {
    let tests = TestAuthority::new();
    let limits = limits(&tests, FREE.rate(TWO).in_flight(3)).build().unwrap();
    let door = limits.resource("exports").unwrap();
    let acme = tests.context("acme");
    let _held =
        [door.try_enter(&acme, Cost::ONE).unwrap(), door.try_enter(&acme, Cost::ONE).unwrap()];

    let five = FREE.rate(Quota::per_second(1).burst(5).declare()).in_flight(3);
    limits.replace(all_tiers(&tests, "exports", five).build().unwrap()).unwrap();
    assert_eq!(remaining(&door, &acme), Some(3), "two of five are taken");
    let _third = door.try_enter(&acme, Cost::ONE).unwrap();
    assert_eq!(reason(&door.try_enter(&acme, Cost::ONE).unwrap_err()), Reason::ConcurrencyExceeded);
}

#[test]
fn a_tenant_with_an_allowance_of_its_own_has_that_after_a_replacement_too() {
    let tests = TestAuthority::new();
    let limits = limits(&tests, FREE.in_flight(1)).build().unwrap();
    let door = limits.resource("exports").unwrap();
    let acme = tests.context("acme");
    let policy = all_tiers(&tests, "exports", FREE.in_flight(1));
    limits
        .replace(policy.tenant("exports", *acme.tenant(), FREE.in_flight(2)).build().unwrap())
        .unwrap();
    let _held =
        [door.try_enter(&acme, Cost::ONE).unwrap(), door.try_enter(&acme, Cost::ONE).unwrap()];
    let globex = tests.context("globex");
    let _one = door.try_enter(&globex, Cost::ONE).unwrap();
    assert!(door.try_enter(&globex, Cost::ONE).is_err());
}

#[test]
fn a_policy_of_other_tiers_or_resources_is_refused_and_the_present_one_stays() {
    let tests = TestAuthority::new();
    let limits = limits(&tests, FREE.in_flight(1)).build().unwrap();
    let door = limits.resource("exports").unwrap();
    let other = all_tiers(&tests, "imports", FREE).build().unwrap();
    assert_eq!(limits.replace(other), Err(CannotReplace::Resources));
    let more = all_tiers(&tests, "exports", FREE);
    let more = tests
        .authority()
        .tiers()
        .iter()
        .fold(more, |policy, tier| policy.tier("reads", tier.as_str(), FREE));
    assert_eq!(limits.replace(more.build().unwrap()), Err(CannotReplace::Resources));

    const TIERS: tenantkit_core::TierSet = tenantkit_core::TierSet::new(&["only"]);
    let foreign = LimitPolicy::builder(TIERS).tier("exports", "only", FREE).build().unwrap();
    assert_eq!(limits.replace(foreign.clone()), Err(CannotReplace::Tiers));
    let refused = Limits::builder(tests.authority(), foreign).build().map(drop);
    assert_eq!(refused, Err(InvalidLimits::Tiers));

    let acme = tests.context("acme");
    let _one = door.try_enter(&acme, Cost::ONE).unwrap();
    assert!(door.try_enter(&acme, Cost::ONE).is_err(), "one at a time, as before");
}

#[test]
fn who_waits_for_the_process_enters_when_there_is_room_and_not_before() {
    let tests = TestAuthority::new();
    let all = Sharing::DEFAULT.tenant_percent(100).reserve_percent(0);
    let door = door(
        limits(&tests, FREE.rate(TWO)).concurrency(|it| it.global(Limit::fixed(1)).sharing(all)),
    );
    let (acme, globex) = (tests.context("acme"), tests.context("globex"));
    let held = door.try_enter(&acme, Cost::ONE).unwrap();
    {
        let mut given_up = Box::pin(door.enter(&globex, Cost::ONE));
        assert!(poll(given_up.as_mut()).is_pending());
    }
    assert_eq!(remaining(&door, &globex), Some(2), "it took nothing");
    let mut waits = pin!(door.enter(&globex, Cost::ONE));
    assert!(poll(waits.as_mut()).is_pending());
    drop(held);
    let Poll::Ready(Ok(_entered)) = poll(waits.as_mut()) else { panic!("there is room") };
    assert_eq!(remaining(&door, &globex), Some(1));
}

/// A process with room for two, of which one is a third tenant's for as long as the test goes on.
fn nearly_full(limits: LimitsBuilder) -> (ResourceLimits, Permit) {
    let all = Sharing::DEFAULT.tenant_percent(100).reserve_percent(0);
    let door = door(limits.concurrency(|it| it.global(Limit::fixed(2)).sharing(all)));
    let third = "initech".parse().unwrap();
    let third = door.limits.permits().try_acquire(&third, Cap::of(1)).unwrap();
    (door, third)
}

type Call<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Entered, Denied>> + 'a>>;

fn in_line<'a>(door: &'a ResourceLimits, context: &'a TenantContext) -> Call<'a> {
    let mut call: Call<'a> = Box::pin(door.enter(context, Cost::ONE));
    if let Poll::Ready(answer) = poll(call.as_mut()) {
        panic!("it does not wait: {answer:?}");
    }
    call
}

fn refused(door: &ResourceLimits, context: &TenantContext) -> Denied {
    let Poll::Ready(Err(denied)) = poll(pin!(door.enter(context, Cost::ONE))) else {
        panic!("it was not refused at once")
    };
    denied
}

#[test]
fn who_waits_for_the_process_counts_as_under_way() {
    let tests = TestAuthority::new();
    let (door, _third) = nearly_full(limits(&tests, FREE.in_flight(2)));
    let (acme, globex) = (tests.context("acme"), tests.context("globex"));
    let _held = door.try_enter(&globex, Cost::ONE).unwrap();
    let line = [in_line(&door, &acme), in_line(&door, &acme)];
    assert_eq!(reason(&refused(&door, &acme)), Reason::ConcurrencyExceeded);
    drop(in_line(&door, &globex));
    drop(line);
    drop(in_line(&door, &acme));
}

#[test]
fn who_waits_for_the_process_has_its_place_before_it_is_polled() {
    let tests = TestAuthority::new();
    let (door, _third) = nearly_full(limits(&tests, FREE.in_flight(2)));
    let (acme, globex) = (tests.context("acme"), tests.context("globex"));
    let held = door.try_enter(&globex, Cost::ONE).unwrap();
    let begun = || match door.begin(&acme, Cost::ONE) {
        Ok(Entry::Waits(waiting)) => Ok(waiting),
        Ok(Entry::Entered(entered)) => panic!("there is no room: {entered:?}"),
        Err(denied) => Err(reason(&denied)),
    };
    let (first, second) = (begun().unwrap(), begun().unwrap());
    assert_eq!(begun().unwrap_err(), Reason::ConcurrencyExceeded);
    drop(held);
    assert_eq!(reason(&refused(&door, &acme)), Reason::ConcurrencyExceeded);
    // Dropped unpolled, what it was given meanwhile is the next one's.
    drop(first);
    let Poll::Ready(entered) = poll(pin!(second.enter())) else { panic!("it is its turn") };
    drop(entered.unwrap());
    drop(door.try_enter(&globex, Cost::ONE).unwrap());
}

#[test]
fn no_more_of_a_tenant_wait_for_the_process_than_its_rate_has_room_for() {
    let tests = TestAuthority::new();
    let (door, _third) = nearly_full(limits(&tests, FREE.rate(TWO)));
    let (acme, globex) = (tests.context("acme"), tests.context("globex"));
    let held = door.try_enter(&globex, Cost::ONE).unwrap();
    let line = [in_line(&door, &acme), in_line(&door, &acme)];
    drop(held);
    for mut call in line {
        let Poll::Ready(entered) = poll(call.as_mut()) else { panic!("it is its turn") };
        drop(entered.unwrap());
    }
    let held = door.try_enter(&globex, Cost::ONE).unwrap();
    // Nothing is left, and it is half a second too early for the next.
    tests.clock().advance(Duration::from_millis(1_500));
    let first = in_line(&door, &acme);
    let denied = refused(&door, &acme);
    assert_eq!(reason(&denied), Reason::RateExceeded);
    assert_eq!(denied.refusal().wait(), Some(Duration::from_millis(500)));
    drop((first, held));
    assert_eq!(remaining(&door, &acme), Some(1), "who waits has taken nothing");
}

#[test]
fn who_is_ahead_in_the_line_is_known_before_one_stands_there() {
    let tests = TestAuthority::new();
    let (door, _third) = nearly_full(limits(&tests, FREE));
    let (acme, globex) = (tests.context("acme"), tests.context("globex"));
    let held = door.try_enter(&globex, Cost::ONE).unwrap();
    let ahead = |tenant: &str| {
        let line = door.limits.permits().line(&tenant.parse().unwrap(), door.resource);
        (line.own, line.ahead)
    };
    assert_eq!(ahead("acme"), (0, 0));
    let globexs: Vec<_> = (0..5).map(|_| in_line(&door, &globex)).collect();
    assert_eq!((ahead("acme"), ahead("globex")), ((0, 1), (5, 5)));
    let acmes: Vec<_> = (0..2).map(|_| in_line(&door, &acme)).collect();
    // Of globex three have their turn before the third of acme; a newcomer has one of each ahead.
    assert_eq!((ahead("acme"), ahead("globex"), ahead("hooli")), ((2, 5), (5, 7), (0, 2)));
    drop((globexs, acmes, held));
    assert_eq!(ahead("globex"), (0, 0));
}

#[test]
fn a_tenant_that_fills_the_line_has_itself_shed_and_no_other() {
    let tests = TestAuthority::new();
    let (tiers, clock) = (tests.authority().tiers(), tests.clock());
    let admission = Admission::builder(tiers).clock(clock.clone()).build().unwrap();
    let (door, _third) = nearly_full(limits(&tests, FREE).admission(admission.clone()));
    let (acme, globex) = (tests.context("acme"), tests.context("globex"));
    let mut held = door.try_enter(&acme, Cost::ONE).unwrap();
    let mut line: Vec<Call<'_>> = (0..60).map(|_| in_line(&door, &acme)).collect();
    // The process takes 2 ms for each.
    for mut call in line.drain(..10) {
        clock.advance(Duration::from_millis(2));
        drop(held);
        let Poll::Ready(Ok(entered)) = poll(call.as_mut()) else { panic!("it is its turn") };
        held = entered;
    }
    assert_eq!(admission.tiers_shed(), tiers.iter().len(), "the line is far too long");
    assert_eq!(reason(&refused(&door, &acme)), Reason::LoadShed);
    let mut other = in_line(&door, &globex);
    drop(held);
    assert!(poll(other.as_mut()).is_ready(), "who has nothing is next");
}

#[test]
fn who_has_too_much_under_way_itself_does_not_wait_for_the_process() {
    let tests = TestAuthority::new();
    let door = door(limits(&tests, FREE.in_flight(1)));
    let acme = tests.context("acme");
    let _held = door.try_enter(&acme, Cost::ONE).unwrap();
    let Poll::Ready(Err(denied)) = poll(pin!(door.enter(&acme, Cost::ONE))) else {
        panic!("refused at once")
    };
    assert_eq!(reason(&denied), Reason::ConcurrencyExceeded);
}

#[test]
fn a_panic_while_work_is_under_way_gives_its_permit_back() {
    let tests = TestAuthority::new();
    let door = door(limits(&tests, FREE.in_flight(1)));
    let acme = tests.context("acme");
    for _ in 0..3 {
        let (door, acme) = (door.clone(), acme.clone());
        let panicked = std::thread::spawn(move || {
            let _entered = door.try_enter(&acme, Cost::ONE).unwrap();
            panic!("in the work");
        });
        assert!(panicked.join().is_err());
    }
    drop(door.try_enter(&acme, Cost::ONE).unwrap());
}
