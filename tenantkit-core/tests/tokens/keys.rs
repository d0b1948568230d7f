//! A key is good for its use, its workload and its time, and nothing else.

use tenantkit_core::{
    Algorithm, KeyError, KeySet, KeyUse, Reason, SecretJwk, SigningKey, TxnTokens, VerifyingKey,
    test_util::sign,
};

use crate::common::{
    DOMAIN, Members, NOW, TXN_HEADER, after, key, keys, pair, refused, terms, txn,
};

#[test]
fn a_key_of_another_use_does_not_sign_transaction_tokens() {
    for key_use in [KeyUse::Envelope, KeyUse::Job] {
        let edge =
            SigningKey::generate(terms("edge-1", key_use, "edge"), Algorithm::EdDsa).unwrap();
        let tokens = TxnTokens::new(DOMAIN, "edge", keys([&edge])).unwrap();
        let token = txn(&edge, &Members::txn());
        assert_eq!(refused(&tokens, &token), Err(Reason::UnknownKey));
        assert_eq!(tokens.signing(edge).unwrap_err(), KeyError::Use);
    }
}

#[test]
fn a_service_mints_only_with_a_key_of_its_own() {
    let edge = key("edge-1", "edge");
    let tokens = TxnTokens::new(DOMAIN, "documents", keys([&edge])).unwrap();
    assert_eq!(tokens.signing(edge).unwrap_err(), KeyError::Workload);
}

#[test]
fn a_key_is_refused_outside_its_window_also_for_a_cached_token() {
    let window = terms("edge-1", KeyUse::Txn, "edge").valid(NOW, after(60));
    let edge = SigningKey::generate(window, Algorithm::EdDsa).unwrap();
    let tokens = TxnTokens::new(DOMAIN, "documents", keys([&edge])).unwrap();
    let claims = Members::txn().with("iat", (NOW.as_secs() - 60).to_string());
    let token = txn(&edge, &claims);
    let earlier = NOW.saturating_sub(std::time::Duration::from_millis(1));
    let just_before = after(60).saturating_sub(std::time::Duration::from_millis(1));
    for tokens in [&tokens, &tokens.clone().cache_bytes(0)] {
        assert_eq!(tokens.verify(&token, earlier).unwrap_err(), Reason::UnknownKey);
        assert!(tokens.verify(&token, NOW).is_ok());
        assert_eq!(tokens.verify(&token, earlier).unwrap_err(), Reason::UnknownKey);
        assert!(tokens.verify(&token, just_before).is_ok());
        assert_eq!(tokens.verify(&token, after(60)).unwrap_err(), Reason::UnknownKey);
    }
}

#[test]
fn a_token_of_a_key_that_is_gone_is_refused_at_once() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    assert_eq!(refused(&documents, &token), Ok(()));
    documents.keys().replace([key("edge-2", "edge").verifying_key().clone()]).unwrap();
    assert_eq!(refused(&documents, &token), Err(Reason::UnknownKey));
    // Another key under the same name.
    documents.keys().replace([key("edge-1", "edge").verifying_key().clone()]).unwrap();
    assert_eq!(refused(&documents, &token), Err(Reason::BadSignature));
    documents.keys().replace([edge.verifying_key().clone()]).unwrap();
    assert_eq!(refused(&documents, &token), Ok(()));
}

#[test]
fn a_key_set_that_is_wrong_changes_nothing() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    let twice = [edge.verifying_key().clone(), edge.verifying_key().clone()];
    let duplicate = KeyError::At { index: 1, error: Box::new(KeyError::DuplicateKid) };
    assert_eq!(documents.keys().replace(twice), Err(duplicate));
    assert_eq!(documents.keys().replace([]), Err(KeyError::NoUsableKey));
    assert_eq!(documents.keys().replace_with("{}"), Err(KeyError::Document));
    assert_eq!(refused(&documents, &token), Ok(()));
}

#[test]
fn another_workload_cannot_sign_under_the_name_of_a_key() {
    let (_, documents) = pair();
    let mallory = key("edge-1", "edge");
    assert_eq!(refused(&documents, &txn(&mallory, &Members::txn())), Err(Reason::BadSignature));
}

#[test]
fn keys_of_both_algorithms_go_through_a_file() {
    let window = || terms("edge-1", KeyUse::Txn, "edge").valid(NOW, after(60));
    let secret = SecretJwk::generate(&window()).unwrap();
    let read = SigningKey::from_jwk(secret.expose()).unwrap();
    assert_eq!(*read.verifying_key().terms(), window());

    let es256 = SigningKey::generate(window(), Algorithm::Es256).unwrap();
    for key in [read, es256] {
        let jwk = key.verifying_key().to_jwk();
        assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap(), *key.verifying_key());

        let set = KeySet::parse(&format!(r#"{{"keys":[{jwk}]}}"#)).unwrap();
        let tokens = TxnTokens::new(DOMAIN, "documents", set).unwrap();
        let header = TXN_HEADER.replace("EdDSA", key.verifying_key().algorithm().as_str());
        let token = sign(&key, &header, &Members::txn().json());
        assert_eq!(refused(&tokens, &token), Ok(()));
    }
}

#[test]
fn a_secret_is_in_no_debug_output() {
    let secret = SecretJwk::generate(&terms("edge-1", KeyUse::Txn, "edge")).unwrap();
    let jwk: serde_json::Value = serde_json::from_str(secret.expose()).unwrap();
    let key = SigningKey::from_jwk(secret.expose()).unwrap();
    let tokens =
        TxnTokens::new(DOMAIN, "edge", keys([&key])).unwrap().signing(key.clone()).unwrap();
    let token = txn(&key, &Members::txn());
    assert!(tokens.verify(&token, NOW).is_ok());
    let shown = format!("{secret:?}{key:?}{tokens:?}{:?}", tokens.keys());
    for hidden in [jwk["d"].as_str().unwrap(), &token, token.rsplit('.').next().unwrap()] {
        assert!(!shown.contains(hidden));
    }
}

const PRIVATE: &str = r#"{"kty":"OKP","crv":"Ed25519","kid":"edge-1","tenantkit_use":"txn",
    "tenantkit_workload":"edge","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

fn public() -> String {
    PRIVATE.replace(r#""d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","#, "")
}

#[test]
fn a_key_says_everything_about_itself() {
    assert!(SigningKey::from_jwk(PRIVATE).is_ok());
    assert!(VerifyingKey::from_jwk(&public()).is_ok());
    for (member, error) in [
        (r#""kid":"edge-1""#, KeyError::Member("kid")),
        (r#""tenantkit_use":"txn""#, KeyError::Member("tenantkit_use")),
        (r#""tenantkit_workload":"edge""#, KeyError::Member("tenantkit_workload")),
        (r#""x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo""#, KeyError::Member("x")),
        (r#""crv":"Ed25519""#, KeyError::Kind),
    ] {
        for jwk in [PRIVATE, &public()] {
            let jwk = jwk.replace(member, r#""_":0"#);
            let found = VerifyingKey::from_jwk(&jwk).err().filter(|_| jwk.contains("\"d\""));
            assert!(found.is_none_or(|found| found == KeyError::PrivateKey));
        }
        let jwk = public().replace(member, r#""_":0"#);
        assert_eq!(VerifyingKey::from_jwk(&jwk).unwrap_err(), error, "{member}");
        let jwk = PRIVATE.replace(member, r#""_":0"#);
        assert_eq!(SigningKey::from_jwk(&jwk).unwrap_err(), error, "{member}");
    }
}

#[test]
fn a_key_that_contradicts_itself_is_refused() {
    for (from, to, error) in [
        ("Ed25519", "X25519", KeyError::Kind),
        (r#""kty":"OKP""#, r#""kty":"OKP","alg":"ES256""#, KeyError::Kind),
        (r#""kty":"OKP""#, r#""kty":"OKP","use":"enc""#, KeyError::Use),
        (r#""kty":"OKP""#, r#""kty":"OKP","key_ops":["deriveKey"]"#, KeyError::Use),
        (r#":"txn""#, r#":"all""#, KeyError::Member("tenantkit_use")),
        (r#""11qY"#, r#""11qZ"#, KeyError::Numbers),
        (r#""nWGx"#, r#""nWGy"#, KeyError::Numbers),
        (r#""kty":"OKP""#, r#""kty":"OKP","kty":"OKP""#, KeyError::Document),
        (r#""kty":"OKP""#, r#""kty":"OKP","exp":"soon""#, KeyError::Document),
    ] {
        let jwk = PRIVATE.replace(from, to);
        assert_eq!(SigningKey::from_jwk(&jwk).unwrap_err(), error, "{to}");
    }
    for (window, member) in [
        (r#""nbf":2,"exp":2"#, "exp"),
        (r#""exp":0"#, "exp"),
        (r#""nbf":18446744073709552"#, "nbf"),
        (r#""exp":18446744073709551615"#, "exp"),
    ] {
        let jwk = PRIVATE.replace(r#""kty""#, &format!("{window},\"kty\""));
        assert_eq!(SigningKey::from_jwk(&jwk).unwrap_err(), KeyError::Member(member), "{window}");
    }
    // A private key in a document of public ones has been read by others.
    assert_eq!(VerifyingKey::from_jwk(PRIVATE).unwrap_err(), KeyError::PrivateKey);
    assert_eq!(SigningKey::from_jwk(&public()).unwrap_err(), KeyError::Member("d"));
}

#[test]
fn an_rsa_key_is_none_of_ours() {
    let edge = terms("edge-1", KeyUse::Txn, "edge");
    let generated = SigningKey::generate(edge.clone(), Algorithm::Rs256);
    assert_eq!(generated.unwrap_err(), KeyError::Kind);
    let read = SigningKey::from_pkcs8(edge, Algorithm::Rs256, &[]);
    assert_eq!(read.unwrap_err(), KeyError::Kind);
}
