//! Tokens that another language's libraries made. `fixtures/tokens.py` says which and how.

use serde_json::Value;
use tenantkit_core::{BearerPolicy, Jwks, KeySet, TxnTokens};

use crate::common::{DOMAIN, ISSUER, World, text};

const FIXTURES: &str = include_str!("../fixtures/tokens.json");

fn tokens(fixtures: &Value, kind: &str) -> Vec<(String, String)> {
    let all = fixtures["tokens"].as_array().unwrap().iter();
    all.filter(|token| token["kind"] == kind)
        .map(|token| {
            let name = format!("{} {}", token["library"], token["alg"]);
            (name, token["token"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn transaction_tokens_of_other_libraries_are_understood() {
    let fixtures: Value = serde_json::from_str(FIXTURES).unwrap();
    let keys = KeySet::parse(&fixtures["txn_keys"].to_string()).unwrap();
    let world = World::new(|builder| {
        builder.txn_tokens(TxnTokens::new(DOMAIN, "documents", keys).unwrap())
    });
    let tokens = tokens(&fixtures, "txn");
    assert_eq!(tokens.len(), 4, "two libraries, two algorithms");
    for (name, token) in tokens {
        let context = world.txn(&token).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_eq!(*context.tenant(), "acme", "{name}");
        assert_eq!(*context.subject().sub(), text("alice"), "{name}");
        assert_eq!(context.workload(), Some(&text("edge")), "{name}");
        assert_eq!(context.region(), Some(&text("eu")), "{name}");
    }
}

#[test]
fn bearer_tokens_of_other_libraries_are_understood() {
    let fixtures: Value = serde_json::from_str(FIXTURES).unwrap();
    let jwks = Jwks::parse(&fixtures["issuer_keys"].to_string()).unwrap();
    let policy = BearerPolicy::new(ISSUER, "acmedocs").asserts_any_tenant();
    let world = World::new(|builder| builder.bearer(jwks, policy));
    let tokens = tokens(&fixtures, "bearer");
    assert_eq!(tokens.len(), 6, "two libraries, three algorithms");
    for (name, token) in tokens {
        let context = world.bearer(&token).unwrap_or_else(|reason| panic!("{name}: {reason}"));
        assert_eq!(*context.tenant(), "acme", "{name}");
        assert_eq!(*context.subject().sub(), text("älice"), "{name}");
        assert!(context.has_scope("read") && context.has_scope("write"), "{name}");
    }
}
