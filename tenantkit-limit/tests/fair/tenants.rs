//! Who is remembered, for how long, and as what.

use tenantkit_limit::fair::{Class, InvalidFairQueue, Refused};

use super::*;

#[test]
fn a_million_idle_tenants_cost_no_memory_afterwards() {
    let mut kept = None;
    let used = allocation_counter::measure(|| {
        let (queue, clock) = queue(|it| it);
        for tenant in 0..1_000_000 {
            push(&queue, tenant, 0, 1 + tenant % 7);
        }
        while next(&queue).is_some() {}
        assert!(queue.tenants() > 900_000, "not before the virtual time has passed them");
        clock.advance(10 * SECOND);
        while queue.tick().is_some() {}
        assert_eq!(queue.tenants(), 0);
        kept = Some(queue);
    });
    assert!(used.bytes_max > 100_000_000);
    assert!(used.bytes_current < 1_000_000, "{} are left", used.bytes_current);
}

#[test]
fn a_backlog_takes_the_memory_that_is_stated() {
    // What there is of an empty queue, and of pages that are not full.
    const REST: u64 = 1_000_000;
    let mut kept = None;
    let used = allocation_counter::measure(|| {
        let (queue, _) = queue(|it| it.max_waiting(2_000_000).share(bronze(), weight(1)));
        (0..1_000_000).for_each(|item| push(&queue, 1, item, 1));
        kept = Some(queue);
    });
    let item = 56 + size_of::<Option<u32>>() as u64;
    assert!(used.bytes_max <= 1_000_000 * item + REST, "{} for items", used.bytes_max);

    let used = allocation_counter::measure(|| {
        // So that each stands alone in a bucket, and far away.
        let (queue, _) = queue(|it| it.granule(Cost::ONE, Weight::ONE).max_tenants(100_000));
        for tenant in 0..100_000 {
            push(&queue, tenant, 0, 10_000 + 7 * tenant);
        }
        (0..100_000).for_each(|_| _ = next(&queue).unwrap());
        (0..100_000).for_each(|tenant| push(&queue, tenant, 0, 1));
        assert_eq!(queue.tenants(), 100_000);
        kept = Some(queue);
    });
    assert!(used.bytes_max <= 100_000 * (256 + item) + REST, "{} for tenants", used.bytes_max);
}

#[test]
fn tenants_are_forgotten_while_the_queue_is_busy_once_the_virtual_time_has_passed_them() {
    let (queue, _) = queue(|it| it);
    for tenant in 1..=1000 {
        push(&queue, tenant, 0, 2);
    }
    while next(&queue).is_some() {}
    assert_eq!(queue.tenants(), 1000);
    for _ in 0..2000 {
        push(&queue, 0, 0, 1);
        next(&queue).unwrap();
    }
    assert_eq!(queue.tenants(), 1);
}

#[test]
fn a_tenant_is_remembered_for_as_long_as_there_is_a_handle() {
    let (queue, _) = queue(|it| it.max_tenants(1));
    let handle = queue.tenant(&1, bronze()).unwrap();
    let other = handle.clone();
    drop(handle);
    assert_eq!(queue.tenants(), 1);
    assert_eq!(queue.tenant(&2, bronze()).unwrap_err(), Refused::TooManyTenants);
    other.push(Work::new(7)).unwrap();
    assert_eq!(next(&queue), Some((1, 7)));
    assert_eq!(queue.tenants(), 1);
    drop(other);
    // It was served ahead, and nothing has come after it.
    assert_eq!(queue.tenants(), 1);

    let (queue, _) = self::queue(|it| it.max_tenants(1));
    drop(queue.tenant(&1, bronze()).unwrap());
    assert_eq!(queue.tenants(), 0, "it owes nothing");
    push(&queue, 2, 7, 1);
}

#[test]
fn a_tenant_whose_tier_changes_has_the_caps_of_its_new_one() {
    let (queue, _) = queue(|it| it.share(bronze(), weight(1).max_in_flight(1)));
    let gold_work = || queue.push(&1, gold(), Work::new(0)).unwrap();
    (0..3).for_each(|_| gold_work());
    let (one, two) = (pop(&queue), pop(&queue));
    push(&queue, 1, 0, 1);
    assert!(queue.try_pop().is_none(), "two are in flight, of one");
    one.complete().unwrap();
    assert!(queue.try_pop().is_none());
    // And of the higher one again.
    gold_work();
    let three = pop(&queue);
    [two, three].into_iter().for_each(|lease| lease.complete().unwrap());
    let fifth = pop(&queue);
    assert_eq!((queue.waiting(), queue.in_flight()), (1, 1));
    fifth.complete().unwrap();
}

#[test]
fn a_share_of_its_own_outlives_what_is_in_the_queue_and_its_tier() {
    let (queue, _) = queue(|it| it);
    queue.set_tenant_share(&1, Some(weight(1).max_in_flight(0))).unwrap();
    queue.set_tenant_share(&2, Some(weight(1).max_in_flight(0))).unwrap();
    queue.set_tenant_share(&2, None).unwrap();
    queue.set_tenant_share(&2, None).unwrap();
    // The number of the one that is gone is another's now.
    queue.set_tenant_share(&3, Some(weight(1).max_in_flight(0))).unwrap();
    for (tier, tenant) in [(bronze(), 1), (gold(), 1), (bronze(), 2), (bronze(), 3)] {
        queue.push(&tenant, tier, Work::new(tenant)).unwrap();
    }
    queue.set_share(gold(), weight(1));
    assert_eq!(next(&queue), Some((2, 2)));
    assert_eq!(next(&queue), None);
    queue.set_tenant_share(&1, Some(weight(1).max_in_flight(1))).unwrap();
    assert_eq!(next(&queue), Some((1, 1)));
}

#[test]
fn no_more_tenants_have_a_share_of_their_own_than_may_be_remembered() {
    let (queue, _) = queue(|it| it.max_tenants(2));
    for tenant in [1, 2] {
        queue.set_tenant_share(&tenant, Some(weight(2))).unwrap();
    }
    assert!(queue.set_tenant_share(&3, Some(weight(2))).is_err());
    queue.set_tenant_share(&2, Some(weight(3))).unwrap();
    queue.set_tenant_share(&1, None).unwrap();
    queue.set_tenant_share(&3, Some(weight(2))).unwrap();
}

#[test]
fn who_is_held_back_is_remembered_until_then() {
    let (queue, clock) = queue(|it| it);
    push(&queue, 1, 0, 1);
    let lease = pop(&queue);
    queue.hold(&1, SECOND);
    lease.release().unwrap();
    assert_eq!(queue.take(|_, _| true).len(), 1);
    assert_eq!(queue.tenants(), 1);
    push(&queue, 1, 1, 1);
    assert!(queue.try_pop().is_none(), "it left, and came again");
    clock.advance(SECOND);
    assert_eq!(next(&queue), Some((1, 1)));
    // Nobody knows this one, so that there is nobody to hold back.
    queue.hold(&2, SECOND);
    push(&queue, 2, 2, 1);
    assert_eq!(next(&queue), Some((2, 2)));
}

#[test]
fn a_queue_that_cannot_be_is_refused_with_the_reason() {
    type Change = fn(Builder<u32, u32>) -> Builder<u32, u32>;
    let stranger = TierSet::new(&["a", "b", "c", "d", "e", "f"]).get("f").unwrap();
    let refused = |change: Change| {
        let clock = Arc::new(ManualClock::at(UnixTime::EPOCH));
        change(FairQueue::builder(TIERS)).build(clock).unwrap_err()
    };
    assert_eq!(refused(|it| it.max_waiting(0)), InvalidFairQueue::Zero("max_waiting"));
    assert_eq!(refused(|it| it.max_tenants(0)), InvalidFairQueue::Zero("max_tenants"));
    assert_eq!(refused(|it| it.lease(Duration::ZERO)), InvalidFairQueue::Zero("lease"));
    assert_eq!(refused(|it| it.max_tenants(1 << 28)), InvalidFairQueue::TooMany("max_tenants"));
    assert_eq!(refused(|it| it.max_waiting(1 << 28)), InvalidFairQueue::TooMany("max_waiting"));
    let clock = Arc::new(ManualClock::at(UnixTime::EPOCH));
    let other = FairQueue::<u32, u32>::builder(TIERS).share(stranger, weight(1)).build(clock);
    assert_eq!(other.unwrap_err(), InvalidFairQueue::UnknownTier);
    let (fits, _) = queue(|it| it.max_tenants((1 << 28) - 1).share(Class::Unverified, weight(1)));
    assert_eq!(fits.tenants(), 0);
}
