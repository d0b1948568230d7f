//! The cache of verified tokens stands for the signature, and for nothing else.

use std::{sync::Arc, time::Duration};

use tenantkit_core::{Asserts, BearerPolicy, Jwks, Reason, test_util::TestIssuer};

use crate::common::{Members, NOW, World, after, pair, txn};

#[test]
fn a_cached_token_gives_the_same_identity_without_a_copy() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    let first = documents.verify(&token, NOW).unwrap();
    let again = documents.verify(&token, after(1)).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the second look-up did not find it");
}

#[test]
fn a_clone_that_accepts_less_does_not_accept_what_another_has_cached() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    let strict = documents.clone().max_lifetime(Duration::from_secs(119));
    let exact = documents.clone().max_lifetime(Duration::from_secs(120));
    let ahead = NOW.saturating_sub(Duration::from_secs(5));
    let punctual = documents.clone().leeway(Duration::from_secs(4));

    let first = documents.verify(&token, NOW).unwrap();
    assert!(Arc::ptr_eq(&first, &exact.verify(&token, NOW).unwrap()), "they share the cache");
    assert_eq!(strict.verify(&token, NOW).unwrap_err(), Reason::BadClaim);
    assert!(documents.verify(&token, ahead).is_ok());
    assert_eq!(punctual.verify(&token, ahead).unwrap_err(), Reason::NotYetValid);
}

#[test]
fn a_cached_token_is_compared_whole() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    documents.verify(&token, NOW).unwrap();
    let other = txn(&edge, &Members::txn().with("sub", r#""bobby""#));
    // The claims of one under the signature of the other, which is the part that is hashed.
    let forged =
        format!("{}.{}", other.rsplit_once('.').unwrap().0, token.rsplit_once('.').unwrap().1);
    assert_eq!(forged.len(), token.len());
    assert_eq!(documents.verify(&forged, NOW).unwrap_err(), Reason::BadSignature);
}

#[test]
fn the_cache_is_bounded_in_bytes() {
    const MAX_BYTES: u64 = 64 * 1024;
    let (edge, documents) = pair();
    let documents = documents.cache_bytes(MAX_BYTES);
    for number in 0..300 {
        let token = txn(&edge, &Members::txn().with("txn", format!("\"txn-{number}\"")));
        documents.verify(&token, NOW).unwrap();
    }
    let shown = format!("{documents:?}");
    let bytes = shown.split("VerifiedCache { bytes: ").nth(1).unwrap();
    let bytes: u64 = bytes.split(',').next().unwrap().parse().unwrap();
    assert!(bytes > MAX_BYTES / 2, "something is kept: {bytes}");
    assert!(bytes <= MAX_BYTES, "{bytes}");
}

#[test]
fn what_was_refused_is_not_kept() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    assert!(documents.verify(&token[..token.len() - 4], NOW).is_err());
    let _ = documents.verify(&txn(&edge, &Members::txn().without("txn")), NOW);
    let _ = documents.verify(&token, after(120));
    assert!(format!("{documents:?}").contains("VerifiedCache { bytes: 0,"));
}

#[test]
fn a_cached_token_is_refused_in_the_second_in_which_it_expires() {
    let issuer = TestIssuer::new("https://id.example");
    let world = World::of(&issuer);
    let token = issuer.sign(&Members::bearer().json());
    assert!(world.bearer(&token).is_ok());
    world.clock.advance(Duration::from_millis(299_999));
    assert!(world.bearer(&token).is_ok());
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.bearer(&token).unwrap_err(), Reason::Expired);
}

#[test]
fn a_cached_token_is_from_the_future_when_the_calendar_is_set_back() {
    let issuer = TestIssuer::new("https://id.example");
    let world = World::of(&issuer);
    let token = issuer.sign(&Members::bearer().json());
    assert!(world.bearer(&token).is_ok());
    world.clock.step_to(NOW.saturating_sub(Duration::from_secs(6)));
    assert_eq!(world.bearer(&token).unwrap_err(), Reason::NotYetValid);
}

#[test]
fn an_issuers_keys_that_were_swapped_end_its_cached_tokens() {
    let issuer = TestIssuer::new("https://id.example");
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let policy = BearerPolicy::new(issuer.issuer(), "acmedocs").asserts_any_tenant();
    let world = World::new(|builder| builder.bearer(jwks.clone(), policy));
    let token = issuer.sign(&Members::bearer().json());
    assert!(world.bearer(&token).is_ok());
    jwks.replace(&TestIssuer::new("https://id.example").jwks()).unwrap();
    assert_eq!(world.bearer(&token).unwrap_err(), Reason::BadSignature);
    jwks.replace(&issuer.jwks()).unwrap();
    assert!(world.bearer(&token).is_ok());
}

#[test]
fn what_an_issuer_may_assert_is_asked_again_for_a_cached_token() {
    let allowed = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let asked = Arc::clone(&allowed);
    let issuer = TestIssuer::new("https://id.example");
    let policy = BearerPolicy::new(issuer.issuer(), "acmedocs")
        .asserts(Asserts::when(move |_| asked.load(std::sync::atomic::Ordering::SeqCst)));
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let world = World::new(|builder| builder.bearer(jwks, policy));
    let token = issuer.sign(&Members::bearer().json());
    assert!(world.bearer(&token).is_ok());
    allowed.store(false, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(world.bearer(&token).unwrap_err(), Reason::IssuerNotAllowed);
}
