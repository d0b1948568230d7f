//! The table of the documentation is the one that the code makes.

use std::{fs, path::Path, sync::Arc};

use tenantkit_core::{TenantId, TierSet, test_util::TestAuthority};
use tenantkit_limit::{
    fair::FairQueue,
    limits::Limits,
    policy::{Allowance, LimitPolicy},
};
use tenantkit_otel::{limits, metrics::TenantMetrics, requests::RequestMetrics};

use crate::world::World;

#[test]
fn the_table_in_the_documentation_is_that_of_the_code() {
    let test = TestAuthority::new();
    let tiers = test.authority().tiers();
    let policy = LimitPolicy::builder(tiers);
    let policy = tiers
        .iter()
        .fold(policy, |policy, tier| policy.tier("all", tier.as_str(), Allowance::unlimited()))
        .build()
        .unwrap();
    let of = Limits::builder(test.authority(), policy).build().unwrap();
    let queue: FairQueue<TenantId, u32> =
        FairQueue::builder(tiers).build(Arc::new(test.clock().clone())).unwrap();

    let world = World::new(TenantMetrics::declare(TierSet::METALS));
    let meter = world.metrics.meter("acmedocs");
    RequestMetrics::new(&meter).unwrap();
    limits::observe(&meter, &of).unwrap();
    limits::observe_queue(&meter, &queue, tiers).unwrap();

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    let documented = fs::read_to_string(file).unwrap();
    let table = world.metrics.table();
    assert!(documented.contains(&table), "docs/metrics.md should have:\n\n{table}");
}
