//! The key that signs is replaced while it is in use, by one that is trusted, or not at all.

use tenantkit_core::{
    Algorithm, BearerPolicy, Jwks, KeyError, KeySet, KeyUse, Reason, SigningKey, TenantContext,
    TxnTokens, test_util::TestIssuer,
};

use crate::common::{DOMAIN, ISSUER, Members, NOW, World, after, key, keys, terms, text};

/// An edge that mints with `key`, and a handle to its tokens.
fn edge(key: &SigningKey, set: &KeySet) -> (TestIssuer, World, TxnTokens) {
    let issuer = TestIssuer::new(ISSUER);
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let policy = BearerPolicy::new(ISSUER, "acmedocs").asserts_any_tenant();
    let tokens = TxnTokens::new(DOMAIN, "edge", set.clone()).unwrap().signing(key.clone()).unwrap();
    let handle = tokens.clone();
    (issuer, World::new(|builder| builder.bearer(jwks, policy).txn_tokens(tokens)), handle)
}

fn context(issuer: &TestIssuer, edge: &World) -> TenantContext {
    edge.bearer(&issuer.sign(&Members::bearer().json())).unwrap()
}

fn sent(edge: &World, context: &TenantContext) -> Result<String, Reason> {
    let token = edge.authority.outbound_token(context);
    token.map(|token| token.to_string()).map_err(|refusal| refusal.reason())
}

fn public(keys: &[&SigningKey]) -> Vec<tenantkit_core::VerifyingKey> {
    keys.iter().map(|key| key.verifying_key().clone()).collect()
}

#[test]
fn a_replaced_key_signs_from_the_next_call_on_and_what_is_on_its_way_stays_good() {
    let (old, new) = (key("edge-1", "edge"), key("edge-2", "edge"));
    let set = keys([&old]);
    let (issuer, edge, handle) = edge(&old, &set);
    let documents = World::new(|builder| {
        builder.txn_tokens(TxnTokens::new(DOMAIN, "documents", set.clone()).unwrap())
    });
    let acting = context(&issuer, &edge);
    let before = sent(&edge, &acting).unwrap();
    assert_eq!(sent(&edge, &acting).unwrap(), before, "minted once");

    set.replace(public(&[&old, &new])).unwrap();
    handle.replace_signing(new.clone()).unwrap();
    // The same context, for which a token was at hand.
    let after = sent(&edge, &acting).unwrap();
    assert_ne!(after, before);
    assert_eq!(sent(&edge, &acting).unwrap(), after, "minted once");
    assert!(documents.txn(&before).is_ok() && documents.txn(&after).is_ok());

    set.replace(public(&[&new])).unwrap();
    assert_eq!(documents.txn(&before).unwrap_err(), Reason::UnknownKey);
    assert!(documents.txn(&after).is_ok());
    assert!(documents.txn(&sent(&edge, &acting).unwrap()).is_ok());
}

#[test]
fn a_key_that_nobody_would_believe_signs_nothing() {
    let (old, new) = (key("edge-1", "edge"), key("edge-2", "edge"));
    let set = keys([&old]);
    let (issuer, edge, handle) = edge(&old, &set);
    let acting = context(&issuer, &edge);
    let minted = sent(&edge, &acting).unwrap();
    let refused = |key: &SigningKey| {
        let built = TxnTokens::new(DOMAIN, "edge", set.clone()).unwrap().signing(key.clone());
        let replaced = handle.replace_signing(key.clone()).unwrap_err();
        assert_eq!(built.unwrap_err(), replaced);
        assert_eq!(sent(&edge, &acting).unwrap(), minted, "it stays what it was");
        replaced
    };
    assert_eq!(refused(&new), KeyError::NotVerified);
    // Another key under a name that is trusted.
    assert_eq!(refused(&key("edge-1", "edge")), KeyError::NotVerified);
    assert_eq!(refused(&key("doc-1", "documents")), KeyError::Workload);
    let envelope =
        SigningKey::generate(terms("env-1", KeyUse::Envelope, "edge"), Algorithm::EdDsa).unwrap();
    assert_eq!(refused(&envelope), KeyError::Use);

    let forwards = TxnTokens::new(DOMAIN, "edge", set.clone()).unwrap();
    assert_eq!(forwards.replace_signing(old.clone()).unwrap_err(), KeyError::NotSigning);
}

#[test]
fn the_public_half_is_trusted_for_the_same_use_and_the_same_workload() {
    let jwk = tenantkit_core::SecretJwk::generate(&terms("edge-1", KeyUse::Txn, "edge")).unwrap();
    let signing = SigningKey::from_jwk(jwk.expose()).unwrap();
    for (from, to) in [
        (r#""tenantkit_use":"txn""#, r#""tenantkit_use":"job""#),
        (r#""tenantkit_workload":"edge""#, r#""tenantkit_workload":"documents""#),
    ] {
        let other = jwk.expose().replace(from, to);
        assert_ne!(other, jwk.expose());
        let set = keys([&SigningKey::from_jwk(&other).unwrap()]);
        let tokens = TxnTokens::new(DOMAIN, "edge", set).unwrap();
        assert_eq!(tokens.signing(signing.clone()).unwrap_err(), KeyError::NotVerified, "{to}");
    }
}

#[test]
fn a_key_that_is_no_longer_trusted_mints_nothing_and_nothing_of_it_is_handed_out() {
    let (old, new) = (key("edge-1", "edge"), key("edge-2", "edge"));
    let set = keys([&old]);
    let (issuer, edge, handle) = edge(&old, &set);
    let acting = context(&issuer, &edge);
    sent(&edge, &acting).unwrap();
    set.replace(public(&[&new])).unwrap();
    assert_eq!(sent(&edge, &acting), Err(Reason::CannotMint));
    handle.replace_signing(new).unwrap();
    assert!(sent(&edge, &acting).is_ok());
}

#[test]
fn a_key_signs_only_while_it_is_trusted() {
    let windowed = |from, until| {
        let terms = terms("edge-1", KeyUse::Txn, "edge").valid(from, until);
        SigningKey::generate(terms, Algorithm::EdDsa).unwrap()
    };
    // The one that signs knows of no bound.
    let mint = |trusted: &SigningKey| {
        let secret = tenantkit_core::SecretJwk::generate(trusted.verifying_key().terms()).unwrap();
        let trusted = SigningKey::from_jwk(secret.expose()).unwrap();
        let mut jwk: serde_json::Value = serde_json::from_str(secret.expose()).unwrap();
        jwk.as_object_mut().unwrap().retain(|name, _| name != "nbf" && name != "exp");
        let unbounded = SigningKey::from_jwk(&jwk.to_string()).unwrap();
        let (issuer, edge, _) = edge(&unbounded, &keys([&trusted]));
        let acting = context(&issuer, &edge);
        let token = sent(&edge, &acting)?;
        let documents = TxnTokens::new(DOMAIN, "documents", keys([&trusted])).unwrap();
        documents.verify(&token, NOW).map(|_| token)
    };
    assert_eq!(mint(&windowed(after(1), after(900))), Err(Reason::CannotMint));
    assert_eq!(mint(&windowed(NOW, after(900))).map(|_| ()), Ok(()));
    let claims = mint(&windowed(NOW, after(30))).unwrap();
    let claims = claims.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims);
    let claims: serde_json::Value = serde_json::from_slice(&claims.unwrap()).unwrap();
    assert_eq!(claims["exp"], after(30).as_secs());
}

#[test]
fn a_set_of_keys_is_published_as_it_is_read() {
    let (one, other) = (key("edge-1", "edge"), key("edge-2", "edge"));
    let set = keys([&one, &other]);
    let published = set.to_jwks();
    assert!(!published.contains(r#""d""#), "nothing secret");
    assert_eq!(KeySet::parse(&published).unwrap().to_jwks(), published);
    assert_eq!(keys([&other, &one]).to_jwks(), published);
    set.replace(public(&[&one])).unwrap();
    assert_eq!(set.to_jwks(), format!("{{\"keys\":[{}]}}", one.verifying_key().to_jwk()));
    assert_eq!(TestIssuer::new(ISSUER).kid(), text("test-1").as_str());
}
