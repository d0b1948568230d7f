//! Limits, as a document: never a panic, and what is read speaks of every tier and allows something.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tenantkit_core::{TenantId, TierSet};
use tenantkit_limit::policy::LimitPolicy;

const TIERS: TierSet = TierSet::new(&["bronze", "gold"]);

fuzz_target!(|document: &str| {
    let somebody: TenantId = "somebody".parse().expect("an id");
    for read in [LimitPolicy::from_toml(TIERS, document), LimitPolicy::from_json(TIERS, document)] {
        let policy = match read {
            Ok(policy) => policy,
            Err(error) => {
                assert!(error.to_string().starts_with("limits: "), "{error}");
                continue;
            }
        };
        assert!((1..=LimitPolicy::MAX_RESOURCES).contains(&policy.resources().len()));
        for resource in policy.resources() {
            for tier in TIERS.iter() {
                assert!(policy.allowance(resource, &somebody, tier).is_some());
            }
        }
    }
});
