//! Who gets how much.

use super::*;

/// How often each was served.
fn serve(queue: &Queue, pops: usize, tenants: &[u32]) -> Vec<u32> {
    let mut served = vec![0; tenants.len()];
    for _ in 0..pops {
        let (tenant, _) = next(queue).unwrap();
        let at = tenants.iter().position(|other| *other == tenant).unwrap();
        served[at] += 1;
        push(queue, tenant, 0, 1);
    }
    served
}

#[test]
fn weights_hold_within_one_percent() {
    for ratio in [3_u16, 10, 100, 1000] {
        let (queue, _) = queue(|it| it);
        queue.set_tenant_share(&1, Some(weight(ratio))).unwrap();
        for tenant in [1, 2] {
            (0..3).for_each(|_| push(&queue, tenant, 0, 1));
        }
        let served = serve(&queue, 200_000, &[1, 2]);
        let seen = f64::from(served[0]) / f64::from(served[1]);
        let off = (seen / f64::from(ratio) - 1.0).abs();
        assert!(off < 0.01, "{ratio}:1 was {seen}");
    }
}

#[test]
fn equals_are_served_equally_whatever_they_have_queued() {
    let (queue, _) = queue(|it| it);
    let tenants: Vec<u32> = (0..50).collect();
    for tenant in &tenants {
        (0..=*tenant * 10).for_each(|_| push(&queue, *tenant, 0, 1));
    }
    let served = serve(&queue, 200_000, &tenants);
    let (sum, squares) = served.iter().fold((0.0, 0.0), |(sum, squares), one| {
        let one = f64::from(*one);
        (sum + one, squares + one * one)
    });
    let jain = sum * sum / (50.0 * squares);
    assert!(jain >= 0.99, "{jain}");
}

#[test]
fn many_of_a_large_weight_take_turns() {
    let (queue, _) = queue(|it| it.granule(Cost::ONE, Weight::new(1000).unwrap()));
    for tenant in 0..10 {
        queue.set_tenant_share(&tenant, Some(weight(1000))).unwrap();
        (0..100).for_each(|_| push(&queue, tenant, 0, 1));
    }
    let order: Vec<u32> = (0..1000).map(|_| next(&queue).unwrap().0).collect();
    assert!(order.windows(5).all(|five| five.iter().any(|tenant| *tenant != five[0])));
}

#[test]
fn whoever_leaves_and_comes_again_sheds_no_debt() {
    let (queue, _) = queue(|it| it);
    push(&queue, 1, 10, 1000);
    push(&queue, 2, 0, 1);
    while next(&queue).is_some() {}
    // Both have nothing. One of them was served a thousand times as much.
    for item in 0..100 {
        push(&queue, 1, 11 + item, 1);
        push(&queue, 2, 1 + item, 1);
    }
    let order: Vec<u32> = (0..100).map(|_| next(&queue).unwrap().0).collect();
    assert!(order.iter().all(|tenant| *tenant == 2), "{order:?}");
}

#[test]
fn idleness_earns_nothing() {
    let (queue, _) = queue(|it| it);
    push(&queue, 2, 0, 1);
    next(&queue).unwrap();
    for _ in 0..1000 {
        push(&queue, 1, 10, 1);
        next(&queue).unwrap();
    }
    for item in 0..100 {
        push(&queue, 1, item, 1);
        push(&queue, 2, item, 1);
    }
    let order: Vec<u32> = (0..100).map(|_| next(&queue).unwrap().0).collect();
    let second = order.iter().filter(|tenant| **tenant == 2).count();
    assert!((49..=51).contains(&second), "{second}");
}

#[test]
fn a_cost_that_is_known_late_is_charged_also_to_one_who_has_left() {
    let (queue, _) = queue(|it| it);
    push(&queue, 1, 10, 1);
    pop(&queue).complete_at(50).unwrap();
    for item in 0..100 {
        push(&queue, 1, item, 1);
        push(&queue, 2, item, 1);
    }
    let order: Vec<u32> = (0..49).map(|_| next(&queue).unwrap().0).collect();
    assert!(order.iter().all(|tenant| *tenant == 2), "{order:?}");
}

#[test]
fn what_was_estimated_too_high_is_given_back_in_full() {
    let (queue, _) = queue(|it| it);
    for item in 0..1000 {
        push(&queue, 1, item, 100);
        push(&queue, 2, item, 10);
    }
    // Each costs ten in truth, and eight are in flight at a time.
    let (mut flying, mut served) = (std::collections::VecDeque::new(), [0; 3]);
    for _ in 0..1000 {
        if flying.len() == 8 {
            let lease: Lease<u32, u32> = flying.pop_front().unwrap();
            lease.complete_at(10).unwrap();
        }
        let lease = pop(&queue);
        served[*lease.tenant() as usize] += 1;
        flying.push_back(lease);
    }
    assert!(i32::abs(served[1] - served[2]) <= 40, "{served:?}");
}

#[test]
fn a_weight_can_change_while_its_tenant_waits() {
    let (queue, _) = queue(|it| it);
    for tenant in [1, 2] {
        (0..3).for_each(|_| push(&queue, tenant, 0, 1));
    }
    serve(&queue, 1000, &[1, 2]);
    queue.set_tenant_share(&1, Some(weight(9))).unwrap();
    let served = serve(&queue, 10_000, &[1, 2]);
    assert!((8_990..=9_010).contains(&served[0]), "{served:?}");
    queue.set_tenant_share(&1, None).unwrap();
    let served = serve(&queue, 10_000, &[1, 2]);
    assert!((4_990..=5_010).contains(&served[0]), "{served:?}");
}

#[test]
fn a_tiers_weight_is_each_of_its_tenants_and_can_change_while_they_wait() {
    let (queue, _) = queue(|it| it.share(gold(), weight(3)));
    let push_gold = |tenant| queue.push(&tenant, gold(), Work::new(0)).unwrap();
    for (of_gold, expected) in [(3, 2_990..=3_010), (8, 3_990..=4_010)] {
        queue.set_share(gold(), weight(of_gold));
        // Two of the tier, one of the other.
        let pops = if of_gold == 3 { 7_000 } else { 8_500 };
        let mut served = [0; 3];
        for tenant in 0..2 {
            (0..3).for_each(|_| push_gold(tenant));
        }
        (0..3).for_each(|_| push(&queue, 2, 0, 1));
        for _ in 0..pops {
            let (tenant, _) = next(&queue).unwrap();
            served[tenant as usize] += 1;
            if tenant == 2 { push(&queue, 2, 0, 1) } else { push_gold(tenant) }
        }
        assert!(served[..2].iter().all(|it| expected.contains(it)), "{served:?}");
    }
}

#[test]
fn a_correction_is_at_the_weight_that_was_charged() {
    for actual in [None, Some(1)] {
        let (queue, _) = queue(|it| it);
        // So that there is virtual time to go back in.
        for _ in 0..3 {
            push(&queue, 3, 0, 10_000_000);
            next(&queue).unwrap();
        }
        queue.set_tenant_share(&1, Some(weight(1000))).unwrap();
        for tenant in [1, 2] {
            (0..200).for_each(|_| push(&queue, tenant, 0, 1000));
        }
        let leases = [(); 100].map(|()| pop(&queue));
        queue.set_tenant_share(&1, None).unwrap();
        for lease in leases {
            match actual {
                Some(actual) => lease.complete_at(actual).unwrap(),
                None => lease.release().unwrap(),
            }
        }
        // At its present weight it would have been owed a hundred times what it is charged for one.
        let order: Vec<u32> = (0..20).map(|_| next(&queue).unwrap().0).collect();
        let first = order.iter().filter(|tenant| **tenant == 1).count();
        assert!((9..=11).contains(&first), "{order:?}");
    }
}

#[test]
fn a_refund_does_not_make_up_for_time_in_which_there_was_nothing_to_do() {
    let (queue, _) = queue(|it| it);
    push(&queue, 1, 0, 1000);
    let lease = pop(&queue);
    (0..100).for_each(|_| push(&queue, 2, 0, 10));
    (0..50).for_each(|_| _ = next(&queue).unwrap());
    // It was charged until here for what cost nothing, and it had nothing else.
    lease.complete_at(0).unwrap();
    (0..100).for_each(|_| push(&queue, 1, 0, 10));
    let order: Vec<u32> = (0..40).map(|_| next(&queue).unwrap().0).collect();
    let first = order.iter().filter(|tenant| **tenant == 1).count();
    assert!((19..=21).contains(&first), "{order:?}");
}

#[test]
fn who_waits_far_ahead_comes_before_who_came_into_its_bucket_later() {
    // A bucket is as wide as what an item charges.
    let (queue, _) = queue(|it| it.granule(Cost::new(2).unwrap(), Weight::ONE));
    push(&queue, 1, 0, 10_000);
    push(&queue, 1, 1, 1);
    next(&queue).unwrap();
    push(&queue, 2, 0, 9_999);
    push(&queue, 2, 1, 1);
    next(&queue).unwrap();
    push(&queue, 3, 0, 10_000);
    next(&queue).unwrap();
    // The virtual time comes near to where the first one stands, and then another comes to there.
    assert_eq!(next(&queue), Some((2, 1)));
    push(&queue, 3, 1, 1);
    let order: Vec<u32> = std::iter::from_fn(|| next(&queue)).map(|(tenant, _)| tenant).collect();
    assert_eq!(order, [1, 3]);
}

#[test]
fn the_order_holds_when_more_was_served_than_64_bits_of_buckets_count() {
    // The narrowest buckets there are, and the largest costs.
    let (queue, _) = queue(|it| it.granule(Cost::ONE, Weight::new(u16::MAX).unwrap()));
    for _ in 0..40_000 {
        push(&queue, 1, 0, u32::MAX);
        next(&queue).unwrap();
    }
    for tenant in [1, 2] {
        push(&queue, tenant, 1, 1);
        push(&queue, tenant, 2, 1);
    }
    let order: Vec<u32> = std::iter::from_fn(|| next(&queue)).map(|(tenant, _)| tenant).collect();
    assert_eq!(order, [2, 2, 1, 1], "one was served ahead");
}

#[test]
fn costs_of_any_size_are_in_order() {
    let (queue, _) = queue(|it| it);
    push(&queue, 1, 0, u32::MAX);
    push(&queue, 2, 0, 1_000_000);
    push(&queue, 3, 0, 1);
    for tenant in 1..=3 {
        (1..=5).for_each(|item| push(&queue, tenant, item, 1));
    }
    let order: Vec<u32> = std::iter::from_fn(|| next(&queue)).map(|(tenant, _)| tenant).collect();
    assert_eq!(order[3..], [3, 3, 3, 3, 3, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1]);
}
