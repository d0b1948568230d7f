//! Items are leased: they end once, or come back.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tenantkit_core::{Refusal, RefusalCode};
use tenantkit_limit::fair::{LeaseLost, Refused, Share};

use super::*;

#[test]
fn what_is_dropped_or_panicked_on_comes_back_in_front_and_says_how_often() {
    let (queue, _) = queue(|it| it);
    push(&queue, 1, 10, 1);
    push(&queue, 1, 11, 1);
    drop(pop(&queue));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let lease = pop(&queue);
        assert_eq!((*lease, lease.attempt()), (10, 2));
        panic!("a handler does");
    }));
    assert!(panicked.is_err());
    let lease = pop(&queue);
    assert_eq!((*lease, lease.attempt()), (10, 3));
    lease.complete().unwrap();
    assert_eq!(next(&queue), Some((1, 11)));
    assert_eq!((queue.waiting(), queue.in_flight()), (0, 0));
}

#[test]
fn who_is_too_late_is_not_heard_and_does_not_end_anothers_lease() {
    let (queue, clock) = queue(|it| it);
    push(&queue, 1, 10, 1);
    let late = pop(&queue);
    clock.advance(9 * SECOND);
    assert!(queue.try_pop().is_none());
    clock.advance(SECOND);
    let second = pop(&queue);
    assert_eq!((*second, second.attempt()), (10, 2));
    assert_eq!(late.complete_at(1_000_000), Err(LeaseLost));
    assert_eq!(queue.in_flight(), 1);
    second.complete().unwrap();
    assert_eq!((queue.waiting(), queue.in_flight()), (0, 0));
}

#[test]
fn a_late_drop_takes_nothing_from_who_has_the_item_now() {
    let (queue, clock) = queue(|it| it);
    push(&queue, 1, 10, 1);
    let late = pop(&queue);
    clock.advance(10 * SECOND);
    let second = pop(&queue);
    drop(late);
    assert!(queue.try_pop().is_none());
    second.complete().unwrap();
}

#[test]
fn a_renewed_lease_lasts_as_long_as_a_new_one() {
    let (queue, clock) = queue(|it| it);
    push(&queue, 1, 10, 1);
    push(&queue, 2, 20, 1);
    let (mut first, second) = (pop(&queue), pop(&queue));
    clock.advance(6 * SECOND);
    first.renew().unwrap();
    clock.advance(6 * SECOND);
    queue.tick();
    assert_eq!((queue.waiting(), queue.in_flight()), (1, 1));
    assert_eq!(second.complete(), Err(LeaseLost));
    first.complete().unwrap();
    assert_eq!(next(&queue), Some((2, 20)));
}

#[test]
fn a_retry_waits_and_holds_nobody_else_back() {
    let (queue, clock) = queue(|it| it);
    push(&queue, 1, 10, 1);
    push(&queue, 1, 11, 1);
    push(&queue, 2, 20, 1);
    pop(&queue).retry_after(5 * SECOND).unwrap();
    assert_eq!(queue.tick(), Some(5 * SECOND));
    let mut rest = [next(&queue).unwrap(), next(&queue).unwrap()];
    rest.sort_unstable();
    assert_eq!(rest, [(1, 11), (2, 20)]);
    assert_eq!(next(&queue), None);
    clock.advance(5 * SECOND);
    assert_eq!(next(&queue), Some((1, 10)));
}

#[test]
fn items_of_one_key_come_one_at_a_time_in_order_also_when_one_is_retried() {
    let (queue, clock) = queue(|it| it);
    let key = |item| Work::new(item).in_order_of("account");
    for item in 0..3 {
        queue.push(&1, bronze(), key(item)).unwrap();
        queue.push(&1, bronze(), Work::new(item + 100)).unwrap();
        // The same key of another tenant is another.
        queue.push(&2, bronze(), key(item + 200)).unwrap();
    }
    let first: Vec<_> = std::iter::from_fn(|| queue.try_pop()).collect();
    let mut items: Vec<u32> = first.iter().map(|lease| **lease).collect();
    items.sort_unstable();
    assert_eq!(items, [0, 100, 101, 102, 200]);
    for lease in first {
        if *lease == 0 {
            lease.retry_after(SECOND).unwrap();
        } else {
            lease.complete().unwrap();
        }
    }
    assert_eq!(next(&queue), Some((2, 201)));
    assert_eq!(next(&queue), Some((2, 202)));
    assert_eq!(next(&queue), None);
    clock.advance(SECOND);
    drop(pop(&queue));
    assert_eq!(next(&queue), Some((1, 0)));
    pop(&queue).dead_letter().unwrap();
    assert_eq!(next(&queue), Some((1, 2)));
    assert_eq!((queue.dead(), queue.waiting()), (1, 0));
}

#[test]
fn a_released_item_is_not_charged_and_a_dropped_one_is() {
    for (is_released, expected) in [(true, [1, 2, 2, 1]), (false, [2, 2, 1, 1])] {
        let (queue, _) = queue(|it| it);
        push(&queue, 1, 10, 100);
        push(&queue, 1, 11, 100);
        let lease = pop(&queue);
        push(&queue, 2, 20, 60);
        push(&queue, 2, 21, 60);
        if is_released {
            lease.release().unwrap();
        } else {
            drop(lease);
        }
        let mut order = [(); 4].map(|()| next(&queue).unwrap().0);
        // Of equal tags either may be first.
        order[..2].sort_unstable();
        assert_eq!(order, expected);
    }
}

#[test]
fn a_tenant_that_is_held_back_gets_nothing_and_others_do() {
    let (queue, clock) = queue(|it| it);
    push(&queue, 1, 10, 1);
    push(&queue, 2, 20, 1);
    queue.hold(&1, 3 * SECOND);
    queue.hold(&1, SECOND);
    assert_eq!(next(&queue), Some((2, 20)));
    clock.advance(2 * SECOND);
    assert_eq!(next(&queue), None);
    clock.advance(SECOND);
    assert_eq!(next(&queue), Some((1, 10)));
}

#[test]
fn caps_on_items_and_on_cost_in_flight_are_never_exceeded() {
    let share = weight(1).max_in_flight(3).max_cost_in_flight(10);
    let (queue, _) = queue(|it| it.share(bronze(), share));
    for cost in [4, 4, 4, 1, 1, 50, 1] {
        push(&queue, 1, cost, cost);
    }
    push(&queue, 2, 99, 1);
    let (a, b) = (pop(&queue), pop(&queue));
    let other = [*a.tenant(), *b.tenant()].contains(&2);
    assert!(other);
    let c = pop(&queue);
    assert!(queue.try_pop().is_none(), "4 + 4 + 4 is above 10");
    a.complete().unwrap();
    b.complete().unwrap();
    let d = pop(&queue);
    let e = pop(&queue);
    c.complete().unwrap();
    let f = pop(&queue);
    assert!(queue.try_pop().is_none(), "three in flight");
    [d, e, f].into_iter().for_each(|lease| lease.complete().unwrap());
    let dear = pop(&queue);
    assert_eq!(dear.cost(), 50, "alone it may");
    assert!(queue.try_pop().is_none());
    dear.complete().unwrap();
    assert_eq!(next(&queue), Some((1, 1)));
}

#[test]
fn a_cap_that_is_raised_reaches_who_was_at_it() {
    let (queue, _) = queue(|it| it.share(bronze(), weight(1).max_in_flight(0)));
    push(&queue, 1, 10, 1);
    assert!(queue.try_pop().is_none());
    queue.set_share(bronze(), weight(1));
    assert_eq!(next(&queue), Some((1, 10)));
    push(&queue, 1, 11, 1);
    queue.set_tenant_share(&1, Some(weight(1).max_in_flight(0))).unwrap();
    assert!(queue.try_pop().is_none());
    queue.set_tenant_share(&1, None).unwrap();
    assert_eq!(next(&queue), Some((1, 11)));
}

#[test]
fn more_than_may_wait_is_refused_with_the_item() {
    let few: Share = weight(1).max_waiting(2);
    let (queue, _) = queue(|it| it.share(bronze(), few).max_waiting(3).max_tenants(2));
    push(&queue, 1, 10, 1);
    push(&queue, 1, 11, 1);
    let refused = queue.push(&1, bronze(), Work::new(12)).unwrap_err();
    assert_eq!(refused.refused(), Refused::TenantFull);
    assert_eq!(refused.into_work().into_item(), 12);
    push(&queue, 2, 20, 1);
    let refused = queue.push(&2, bronze(), Work::new(21)).unwrap_err();
    assert_eq!(refused.refused(), Refused::QueueFull);
    assert_eq!(Refusal::from(refused).code(), RefusalCode::Overloaded);
    next(&queue).unwrap();
    let refused = queue.push(&3, bronze(), Work::new(30)).unwrap_err();
    assert_eq!(refused.refused(), Refused::TooManyTenants);
    assert_eq!(format!("{refused:?}"), "PushError { refused: TooManyTenants, .. }");
    queue.close();
    let refused = queue.push(&2, bronze(), Work::new(21)).unwrap_err();
    assert_eq!(refused.refused(), Refused::Closed);
}

#[test]
fn what_comes_back_is_kept_also_where_no_more_may_wait() {
    let (queue, clock) = queue(|it| it.share(bronze(), weight(1).max_waiting(2)).max_waiting(2));
    (0..2).for_each(|item| push(&queue, 1, item, 1));
    let (dropped, delayed) = (pop(&queue), pop(&queue));
    (2..4).for_each(|item| push(&queue, 1, item, 1));
    drop(dropped);
    delayed.retry_after(SECOND).unwrap();
    assert_eq!(queue.waiting(), 4);
    assert!(queue.push(&1, bronze(), Work::new(4)).is_err());
    clock.advance(SECOND);
    let mut all: Vec<u32> = std::iter::from_fn(|| next(&queue)).map(|(_, item)| item).collect();
    all.sort_unstable();
    assert_eq!(all, [0, 1, 2, 3]);
}

#[test]
fn nothing_is_due_for_what_was_taken_out_while_it_was_delayed() {
    let (queue, _) = queue(|it| it);
    for item in 0..3 {
        push(&queue, 1, item, 1);
    }
    (5..8).for_each(|seconds| pop(&queue).retry_after(seconds * SECOND).unwrap());
    queue.hold(&1, SECOND);
    assert_eq!(queue.take(|_, item| *item != 1).len(), 2);
    assert_eq!(queue.tick(), Some(SECOND), "who is held back still is");
    queue.take(|_, _| true);
    push(&queue, 2, 3, 1);
    assert_eq!(next(&queue), Some((2, 3)));
    let used = allocation_counter::measure(|| {
        for item in 0..1_000 {
            push(&queue, 2, item, 1);
            pop(&queue).retry_after(Duration::MAX).unwrap();
            assert_eq!(queue.take(|_, _| true).len(), 1);
        }
    });
    assert!(used.bytes_current < 1_000, "{} are left", used.bytes_current);
}

#[test]
fn what_is_taken_out_is_gone_and_the_rest_of_its_key_goes_on() {
    let (queue, clock) = queue(|it| it);
    for item in 0..6 {
        queue.push(&1, bronze(), Work::new(item).in_order_of("key")).unwrap();
        push(&queue, 2, item + 10, 1);
    }
    let (a, b) = (pop(&queue), pop(&queue));
    a.retry_after(SECOND).unwrap();
    b.retry_after(SECOND).unwrap();
    let mut taken = queue.take(|_, item| item % 2 == 0);
    taken.sort_unstable();
    assert_eq!(taken, [(1, 0), (1, 2), (1, 4), (2, 10), (2, 12), (2, 14)]);
    clock.advance(SECOND);
    let mut rest: Vec<_> = std::iter::from_fn(|| next(&queue)).collect();
    rest.sort_unstable();
    assert_eq!(rest, [(1, 1), (1, 3), (1, 5), (2, 11), (2, 13), (2, 15)]);
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn who_chooses_and_panics_has_taken_nothing() {
    let (queue, _) = queue(|it| it);
    (0..3).for_each(|item| push(&queue, 1, item, 1));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        queue.take(|_, item| if *item == 2 { panic!("at the third") } else { true })
    }));
    assert!(panicked.is_err());
    assert_eq!(queue.take(|_, _| true).len(), 3);
}

#[test]
fn what_is_due_is_found_behind_whatever_else_is() {
    let (queue, clock) = queue(|it| it);
    for tenant in 1..=10 {
        push(&queue, tenant, tenant, 1);
        queue.hold(&tenant, SECOND);
        queue.hold(&tenant, 9 * SECOND);
    }
    push(&queue, 11, 11, 1);
    pop(&queue).retry_after(2 * SECOND).unwrap();
    clock.advance(2 * SECOND);
    assert_eq!(next(&queue), Some((11, 11)));
}

#[test]
fn what_is_given_is_in_flight_no_more_and_lets_the_next_of_its_key_go() {
    let (queue, clock) = queue(|it| it.share(bronze(), weight(1).max_in_flight(1)));
    for item in 0..3 {
        queue.push(&1, bronze(), Work::new(item).in_order_of("key")).unwrap();
    }
    let given: Vec<_> = std::iter::from_fn(|| queue.try_give()).collect();
    assert_eq!(given, [(1, 0), (1, 1), (1, 2)]);
    assert_eq!((queue.waiting(), queue.in_flight()), (0, 0));
    clock.advance(10 * SECOND);
    assert!(queue.try_give().is_none());
}

#[test]
fn the_longest_wait_is_told_by_tier() {
    let (queue, clock) = queue(|it| it);
    push(&queue, 1, 10, 1);
    clock.advance(3 * SECOND);
    queue.push(&2, gold(), Work::new(20)).unwrap();
    clock.advance(SECOND);
    let (bronze_waits, gold_waits) = (queue.longest_wait(bronze()), queue.longest_wait(gold()));
    assert_eq!(bronze_waits.map(|it| it.as_secs()), Some(4));
    assert_eq!(gold_waits.map(|it| it.as_secs()), Some(1));
    let lease = pop(&queue);
    assert_eq!(lease.waited(), 4 * SECOND);
    assert_eq!(queue.longest_wait(bronze()), None);
    // A delay that was asked for is no wait, but what comes back has waited since it was pushed.
    lease.retry_after(5 * SECOND).unwrap();
    clock.advance(4 * SECOND);
    assert_eq!(queue.longest_wait(bronze()), None);
    clock.advance(3 * SECOND);
    queue.tick();
    assert_eq!(queue.longest_wait(bronze()).map(|it| it.as_secs()), Some(2));
    let (one, other) = (pop(&queue), pop(&queue));
    let mut waited = [one.waited(), other.waited()];
    waited.sort_unstable();
    assert_eq!(waited, [2 * SECOND, 8 * SECOND]);
    drop((one, other));
    assert_eq!(queue.longest_wait(gold()).map(|it| it.as_secs()), Some(8));
}

#[test]
fn what_an_error_or_a_queue_prints_names_no_tenant_and_no_item() {
    let (queue, _) = queue(|it| it);
    push(&queue, 777, 888, 1);
    let handle = queue.tenant(&777, bronze()).unwrap();
    let printed = format!("{queue:?} {handle:?} {:?} {:?}", queue.pop(), pop(&queue));
    assert!(!printed.contains("777") && !printed.contains("888"), "{printed}");
}
