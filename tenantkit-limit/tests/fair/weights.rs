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
