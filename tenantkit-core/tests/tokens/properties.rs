//! Nothing but the token itself holds, whatever is done to it.

use std::sync::LazyLock;

use proptest::prelude::*;
use tenantkit_core::{
    Identity, Incarnation, MemoryDirectory, RoutingEpoch, SigningKey, Subject, TenantRecord,
    TierSet, TxnTokens, UnixTime, test_util::TestIssuer,
};

use crate::common::{DOMAIN, ISSUER, Members, NOW, World, after, key, keys, pair, text, txn};

/// One key for all cases.
static SETUP: LazyLock<(SigningKey, TxnTokens, String)> = LazyLock::new(|| {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    documents.verify(&token, NOW).unwrap();
    (edge, documents, token)
});

static BEARER: LazyLock<(World, String)> = LazyLock::new(|| {
    let issuer = TestIssuer::new(ISSUER);
    let world = World::of(&issuer);
    let token = issuer.sign(&Members::bearer().json());
    world.bearer(&token).unwrap();
    (world, token)
});

#[test]
fn a_token_with_any_bit_flipped_is_refused() {
    let (_, documents, token) = &*SETUP;
    for at in 0..token.len() {
        for bit in 0..8 {
            let mut bytes = token.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            if let Ok(flipped) = String::from_utf8(bytes) {
                assert!(documents.verify(&flipped, NOW).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}

#[test]
fn a_token_cut_anywhere_is_refused() {
    let (_, documents, token) = &*SETUP;
    for at in 0..token.len() {
        assert!(documents.verify(&token[..at], NOW).is_err(), "up to {at}");
        assert!(documents.verify(&token[at + 1..], NOW).is_err(), "from {}", at + 1);
    }
}

fn name() -> impl Strategy<Value = String> {
    "[^\\p{C}\u{2028}\u{2029}]{1,60}"
}

proptest! {
    #[test]
    fn any_string_is_refused_and_nothing_panics(token in ".{0,300}") {
        prop_assert!(SETUP.1.verify(&token, NOW).is_err());
    }

    #[test]
    fn anything_that_looks_like_a_token_is_refused(
        token in "[A-Za-z0-9_-]{0,120}\\.[A-Za-z0-9_-]{0,200}\\.[A-Za-z0-9_-]{0,90}",
    ) {
        prop_assert!(SETUP.1.verify(&token, NOW).is_err());
        prop_assert!(BEARER.0.bearer(&token).is_err());
    }

    #[test]
    fn any_claims_that_a_trusted_key_signs_are_read_without_a_panic(claims in ".{0,300}") {
        let token = tenantkit_core::test_util::sign(&SETUP.0, crate::common::TXN_HEADER, &claims);
        prop_assert!(SETUP.1.verify(&token, NOW).is_err());
    }

    #[test]
    fn parts_of_two_tokens_do_not_make_a_third(sub in "[a-z]{1,8}", which in 0..3_usize) {
        prop_assume!(sub != "alice");
        let (edge, documents, token) = &*SETUP;
        let other = txn(edge, &Members::txn().with("sub", format!("{sub:?}")));
        let mut parts: Vec<_> = token.split('.').collect();
        let swapped = other.split('.').nth(which).unwrap();
        if parts[which] != swapped {
            parts[which] = swapped;
            prop_assert!(documents.verify(&parts.join("."), NOW).is_err());
        }
    }

    #[test]
    fn what_is_minted_is_what_is_read(
        tenant in "t[a-z0-9_-]{0,40}",
        (issuer, sub, txn) in (name(), name(), name()),
        actor in proptest::option::of((name(), name())),
        scopes in proptest::option::of("[a-z]{1,9}( [a-z]{1,9}){0,3}"),
        region in proptest::option::of(name()),
        epoch in proptest::option::of(any::<u64>()),
        incarnation in any::<u64>(),
        life in 1..600_u64,
    ) {
        static KEY: LazyLock<SigningKey> = LazyLock::new(|| key("edge-1", "edge"));
        let tokens = TxnTokens::new(DOMAIN, "edge", keys([&*KEY])).unwrap();
        let tokens = tokens.signing(KEY.clone()).unwrap().cache_bytes(0);
        let tokens = tokens.lifetime(std::time::Duration::from_secs(600));
        let (tenant, txn) = (tenant.parse().unwrap(), text(&txn));
        let subject = Subject::new(text(&issuer), text(&sub));
        let actor = actor.map(|(issuer, sub)| Subject::new(text(&issuer), text(&sub)));
        let (region, epoch) = (region.map(|region| text(&region)), epoch.map(RoutingEpoch));
        let incarnation = Incarnation::new(incarnation);
        let mut identity = Identity::new(tenant, subject.clone(), after(life))
            .incarnation(incarnation)
            .transaction(txn.clone());
        if let Some(actor) = &actor {
            identity = identity.actor(actor.clone());
        }
        if let Some(scopes) = &scopes {
            identity = identity.scopes(scopes.parse().unwrap());
        }
        if let Some(region) = &region {
            identity = identity.region(region.clone());
        }
        if let Some(epoch) = epoch {
            identity = identity.epoch(epoch);
        }
        let gold = TierSet::METALS.get("gold").unwrap();
        let token = tokens.issue(&identity, gold, NOW).unwrap();
        let record = TenantRecord::active(gold).incarnation(incarnation, UnixTime::EPOCH);
        let directory = MemoryDirectory::new([(tenant, record)]);
        let world = World::new(|builder| builder.txn_tokens(tokens).directory(directory));
        let read = world.txn(&token).unwrap();
        prop_assert_eq!(read.tenant(), &tenant);
        prop_assert_eq!(read.incarnation(), incarnation);
        prop_assert_eq!(read.subject(), &subject);
        prop_assert_eq!(read.actor(), actor.as_ref());
        prop_assert_eq!(read.scopes().collect::<Vec<_>>().join(" "), scopes.unwrap_or_default());
        prop_assert_eq!(read.region(), region.as_ref());
        prop_assert_eq!(read.epoch(), epoch);
        prop_assert_eq!(read.transaction(), &txn);
        prop_assert_eq!(read.workload(), Some(&text("edge")));
        prop_assert_eq!(read.expires(), after(life));
    }
}
