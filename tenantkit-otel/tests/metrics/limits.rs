//! What the limiters say of themselves.

use std::{sync::Arc, time::Duration};

use tenantkit_core::{TenantId, TierSet, test_util::TestAuthority};
use tenantkit_limit::{
    fair::{FairQueue, Work},
    limits::Limits,
    policy::{Allowance, LimitPolicy},
    quota::Cost,
};
use tenantkit_otel::{limits, metrics::TenantMetrics};

use crate::world::{World, tier};

#[test]
fn a_queue_tells_by_tier_how_long_something_waits() {
    let test = TestAuthority::new();
    let world = World::new(TenantMetrics::declare(TierSet::METALS).undeclared(0));
    let queue: FairQueue<TenantId, u32> =
        FairQueue::builder(TierSet::METALS).build(Arc::new(test.clock().clone())).unwrap();
    limits::observe_queue(&world.metrics.meter("test"), &queue, TierSet::METALS).unwrap();

    let acme = *test.context("acme").tenant();
    queue.push(&acme, tier("gold"), Work::new(1)).unwrap();
    test.clock().advance(Duration::from_secs(8));
    let told = world.values();
    let wait = told["tenantkit.queue.longest_wait{tenant.tier=gold}"];
    assert!((8.0..8.1).contains(&wait), "{wait}");
    assert_eq!(told["tenantkit.queue.longest_wait{tenant.tier=bronze}"], 0.0);
    assert_eq!(told["tenantkit.queue.waiting{}"], 1.0);

    let lease = queue.try_pop().unwrap();
    assert_eq!(world.values()["tenantkit.queue.in_flight{}"], 1.0);
    lease.complete().unwrap();
    assert_eq!(world.values()["tenantkit.queue.in_flight{}"], 0.0);
}

#[test]
fn limits_tell_what_is_held_and_never_by_whom() {
    let test = TestAuthority::new();
    let authority = test.authority();
    let each = Allowance::unlimited().in_flight(8);
    let policy = LimitPolicy::builder(authority.tiers());
    let policy = authority
        .tiers()
        .iter()
        .fold(policy, |policy, tier| policy.tier("exports", tier.as_str(), each))
        .build()
        .unwrap();
    let limits = Limits::builder(authority, policy).build().unwrap();
    let world = World::new(TenantMetrics::declare(TierSet::METALS).undeclared(0));
    limits::observe(&world.metrics.meter("test"), &limits).unwrap();

    let exports = limits.resource("exports").unwrap();
    let entered = exports.try_enter(&test.context("acme"), Cost::ONE).unwrap();
    let told = world.values();
    assert_eq!(told["tenantkit.permits.in_use{}"], 1.0);
    assert!(told["tenantkit.permits.limit{}"] > 1.0);
    assert!(!told.keys().any(|name| name.contains("acme")));
    drop(entered);
    assert_eq!(world.values()["tenantkit.permits.in_use{}"], 0.0);
}
