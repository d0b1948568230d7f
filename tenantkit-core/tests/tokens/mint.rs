//! Minting and forwarding.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use serde_json::Value;
use tenantkit_core::{
    Algorithm, BearerPolicy, Identity, Incarnation, Jwks, KeyUse, Reason, RoutingEpoch, SigningKey,
    Source, TierSet, TxnTokens, test_util::TestIssuer,
};

use crate::common::{
    DOMAIN, ISSUER, Members, NOW, SECS, World, after, key, keys, pair, terms, text, txn,
};

/// An edge that takes bearer tokens and mints with `key`, and a service that verifies.
fn two_hops(key: &SigningKey) -> (TestIssuer, World, World) {
    let issuer = TestIssuer::new(ISSUER);
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let policy = BearerPolicy::new(ISSUER, "acmedocs").asserts_any_tenant();
    let minting =
        TxnTokens::new(DOMAIN, "edge", keys([key])).unwrap().signing(key.clone()).unwrap();
    let edge = World::new(|builder| builder.bearer(jwks, policy).txn_tokens(minting));
    let verifying = TxnTokens::new(DOMAIN, "documents", keys([key])).unwrap();
    let documents = World::new(|builder| builder.txn_tokens(verifying));
    (issuer, edge, documents)
}

fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

#[test]
fn what_the_edge_proved_arrives_at_the_next_service() {
    for algorithm in [Algorithm::EdDsa, Algorithm::Es256] {
        let key = SigningKey::generate(terms("edge-1", KeyUse::Txn, "edge"), algorithm).unwrap();
        let (issuer, edge, documents) = two_hops(&key);
        let claims =
            Members::bearer().with("act", r#"{"sub":"bob","iss":"https://staff.example"}"#);
        let proven = edge.bearer(&issuer.sign(&claims.json())).unwrap();
        let token = edge.authority.outbound_token(&proven).unwrap();
        let arrived = documents.txn(&token).unwrap();
        assert_eq!(arrived.tenant(), proven.tenant());
        assert_eq!(arrived.incarnation(), proven.incarnation());
        assert_eq!(arrived.tier(), proven.tier());
        assert_eq!(arrived.subject(), proven.subject());
        assert_eq!(arrived.actor(), proven.actor());
        assert_eq!(arrived.transaction(), proven.transaction());
        assert!(arrived.scopes().eq(proven.scopes()));
        assert_eq!(arrived.workload(), Some(&text("edge")));
        assert_eq!(arrived.expires(), after(120));
        assert_eq!(arrived.provenance().established_by(), Source::TxnToken);
        // And from there on it is forwarded as it is, though that service has no key.
        assert_eq!(documents.authority.outbound_token(&arrived).unwrap(), token);
    }
}

#[test]
fn what_is_minted_never_lives_longer_than_what_it_stands_for() {
    let key = key("edge-1", "edge");
    let (issuer, edge, documents) = two_hops(&key);
    let short = Members::bearer().with("exp", (SECS + 30).to_string());
    let context = edge.bearer(&issuer.sign(&short.json())).unwrap();
    for world in [&edge, &documents] {
        world.clock.advance(Duration::from_millis(10_500));
    }
    let token = edge.authority.outbound_token(&context).unwrap();
    assert_eq!(documents.txn(&token).unwrap().expires(), after(30));

    edge.clock.advance(Duration::from_millis(19_500));
    let refused = edge.authority.outbound_token(&context).unwrap_err();
    assert_eq!(refused.reason(), Reason::Expired);
}

#[test]
fn a_minted_token_is_used_again_and_renewed_before_it_expires() {
    let (issuer, edge, documents) = two_hops(&key("edge-1", "edge"));
    let context = edge.bearer(&issuer.sign(&Members::bearer().json())).unwrap();
    let first = edge.authority.outbound_token(&context).unwrap();
    edge.clock.advance(Duration::from_secs(89));
    assert_eq!(edge.authority.outbound_token(&context).unwrap(), first);
    edge.clock.advance(Duration::from_secs(1));
    let second = edge.authority.outbound_token(&context).unwrap();
    documents.clock.advance(Duration::from_secs(90));
    let (old, new) = (documents.txn(&first).unwrap(), documents.txn(&second).unwrap());
    assert_eq!(new.expires(), after(210));
    assert_eq!(new.transaction(), old.transaction());
    assert_eq!(new.subject(), old.subject());
}

#[test]
fn a_token_is_forwarded_unmodified_even_where_there_is_a_key() {
    let (edge, documents) = (key("edge-1", "edge"), key("documents-1", "documents"));
    let tokens = TxnTokens::new(DOMAIN, "documents", keys([&edge, &documents])).unwrap();
    let world = World::new(|builder| builder.txn_tokens(tokens.signing(documents).unwrap()));
    let token = txn(&edge, &Members::txn());
    let context = world.txn(&token).unwrap();
    assert_eq!(*world.authority.outbound_token(&context).unwrap(), *token);
    assert_eq!(context.region(), Some(&text("eu")));
    assert_eq!(context.epoch(), Some(RoutingEpoch(3)));
}

#[test]
fn a_service_without_a_key_does_not_mint() {
    let issuer = TestIssuer::new(ISSUER);
    let world = World::of(&issuer);
    let context = world.bearer(&issuer.sign(&Members::bearer().json())).unwrap();
    let refused = world.authority.outbound_token(&context).unwrap_err();
    assert_eq!(refused.reason(), Reason::CannotMint);
}

#[test]
fn a_key_outside_its_window_does_not_mint() {
    let window = terms("edge-1", KeyUse::Txn, "edge").valid(after(1), after(60));
    let key = SigningKey::generate(window, Algorithm::EdDsa).unwrap();
    let (issuer, edge, documents) = two_hops(&key);
    let context = edge.bearer(&issuer.sign(&Members::bearer().json())).unwrap();
    let reason = || edge.authority.outbound_token(&context).map_err(|refusal| refusal.reason());
    assert_eq!(reason(), Err(Reason::CannotMint));
    edge.clock.advance(Duration::from_secs(1));
    documents.clock.advance(Duration::from_secs(1));
    assert_eq!(documents.txn(&reason().unwrap()).unwrap().expires(), after(60));
    edge.clock.advance(Duration::from_secs(59));
    assert_eq!(reason(), Err(Reason::CannotMint));
}

#[test]
fn a_token_of_another_incarnation_is_refused() {
    let (edge, documents) = pair();
    let world = World::new(|builder| builder.txn_tokens(documents));
    let tctx = Members::tctx().with("inc", "2").json();
    let token = txn(&edge, &Members::txn().with("tctx", tctx));
    assert_eq!(world.txn(&token).unwrap_err(), Reason::StaleIncarnation);
}

#[test]
fn an_operator_mints_what_it_vouches_for() {
    let edge = key("edge-1", "edge");
    let tokens = TxnTokens::new(DOMAIN, "edge", keys([&edge])).unwrap().signing(edge).unwrap();
    let gold = TierSet::METALS.get("gold").unwrap();
    let issuer = TestIssuer::new(ISSUER);
    let whole = Identity::new("acme".parse().unwrap(), issuer.subject("alice"), after(60))
        .incarnation(Incarnation::FIRST)
        .transaction(text("txn-1"));
    let token = tokens.issue(&whole, gold, NOW).unwrap();
    assert!(tokens.verify(&token, NOW).is_ok());
    let claims = claims_of(&token);
    assert_eq!(claims["exp"], SECS + 60);
    assert_eq!(claims["tctx"]["tier"], "gold");
    assert_eq!(claims["scope"], "");

    let reason = |identity: &Identity, now| tokens.issue(identity, gold, now).unwrap_err().reason();
    assert_eq!(reason(&whole, after(60)), Reason::Expired);
    let bare = Identity::new("acme".parse().unwrap(), issuer.subject("alice"), after(60));
    assert_eq!(reason(&bare, NOW), Reason::BadClaim);
    let bare = bare.incarnation(Incarnation::FIRST);
    assert_eq!(reason(&bare, NOW), Reason::BadClaim);
}

#[test]
fn the_longest_identity_still_fits_into_a_token() {
    // A quote is written as two characters.
    let long = text(&"\"".repeat(256));
    let subject = || tenantkit_core::Subject::new(long.clone(), long.clone());
    let terms = tenantkit_core::KeyTerms::new(long.clone(), KeyUse::Txn, long.clone());
    let key = SigningKey::generate(terms, Algorithm::Es256).unwrap();
    let tokens = TxnTokens::new(&long, &long, keys([&key])).unwrap().signing(key).unwrap();
    let identity = Identity::new("a".repeat(48).parse().unwrap(), subject(), after(60))
        .incarnation(Incarnation::new(u64::MAX))
        .epoch(RoutingEpoch(u64::MAX))
        .actor(subject())
        .scopes("s".repeat(1024).parse().unwrap())
        .region(long.clone())
        .transaction(long.clone());
    let token = tokens.issue(&identity, TierSet::METALS.get("platinum").unwrap(), NOW).unwrap();
    assert!(tokens.verify(&token, NOW).is_ok());
}
