//! What is refused before anything is asked of Redis.

use std::{num::NonZeroU32, time::Duration};

use tenantkit_limit::{
    limits::{InvalidLimits, Limits},
    policy::{Allowance, LimitPolicy},
    shared::{InvalidShared, SharedRates},
};

const ONE: NonZeroU32 = NonZeroU32::MIN;
const URL: &str = "redis://user:hunter2@127.0.0.1:1";

#[test]
fn no_configuration_error_repeats_a_password_and_no_debug_does() {
    let builder = SharedRates::builder(URL, ONE);
    let bad = SharedRates::builder("redis://user:hunter2@[nowhere", ONE).build().unwrap_err();
    assert_eq!(bad, InvalidShared::Server);
    let said = format!("{builder:?} {bad} {bad:?}") + &format!("{:?}", builder.build().unwrap());
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn what_is_out_of_range_is_refused() {
    let with = || SharedRates::builder(URL, ONE);
    let long = "a".repeat(65);
    for prefix in ["", "a{b", "a}b", "a b", "A", "ä", &long] {
        assert_eq!(with().prefix(prefix).build().unwrap_err(), InvalidShared::Prefix);
    }
    for term in [Duration::ZERO, Duration::from_millis(499), Duration::from_secs(61)] {
        assert_eq!(with().term(term).build().unwrap_err(), InvalidShared::Term);
    }
    for deadline in [Duration::ZERO, Duration::from_secs(11), Duration::MAX] {
        assert_eq!(with().deadline(deadline).build().unwrap_err(), InvalidShared::Deadline);
    }
    assert!(with().prefix("a-b_c.d:e").build().is_ok());
}

#[test]
fn shared_rates_are_those_of_one_set_of_limits() {
    let tests = tenantkit_core::test_util::TestAuthority::new();
    let tiers = tests.authority().tiers();
    let policy = tiers.iter().fold(LimitPolicy::builder(tiers), |policy, tier| {
        policy.tier("api", tier.as_str(), Allowance::unlimited())
    });
    let policy = policy.build().unwrap();
    let (shared, _courier) = SharedRates::builder(URL, ONE).build().unwrap();
    let limits =
        || Limits::builder(tests.authority(), policy.clone()).shared(shared.clone()).build();
    assert!(limits().is_ok());
    assert_eq!(limits().unwrap_err(), InvalidLimits::SharedTwice);
}
