//! The document of an issuer's keys.

use std::time::Duration;

use tenantkit_core::{BearerPolicy, Jwks, KeyError, Reason, UnixTime, test_util::TestIssuer};

use crate::common::{ISSUER, NOW, World, after};

const ED: &str =
    r#"{"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const EC: &str = r#"{"kty":"EC","crv":"P-256","kid":"ec","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

/// Of so many bits.
fn rsa(bits: usize) -> String {
    use base64::Engine;
    let mut n = vec![0xff; bits.div_ceil(8)];
    n[0] = if bits.is_multiple_of(8) { 0xff } else { 0xff >> (8 - bits % 8) };
    let n = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(n);
    format!(r#"{{"kty":"RSA","kid":"rsa","e":"AQAB","n":"{n}"}}"#)
}

fn parse(keys: &[&str]) -> Result<(), KeyError> {
    Jwks::parse(&format!(r#"{{"keys":[{}]}}"#, keys.join(","))).map(|_| ())
}

fn at(index: usize, error: KeyError) -> Result<(), KeyError> {
    Err(KeyError::At { index, error: Box::new(error) })
}

#[test]
fn keys_of_all_kinds_that_are_used_here_are_read() {
    assert_eq!(parse(&[ED, EC, &rsa(2048)]), Ok(()));
}

#[test]
fn keys_of_other_kinds_and_for_other_purposes_are_skipped() {
    for other in [
        r#"{"kty":"new-kind","kid":"x","curious":{"a":1}}"#,
        r#"{"kty":"EC","crv":"P-384","kid":"x","x":"AA","y":"AA"}"#,
        r#"{"kty":"OKP","crv":"X25519","kid":"x","x":"AA"}"#,
        &ED.replace(r#""kid":"ed""#, r#""kid":"x","use":"enc""#),
        &ED.replace(r#""kid":"ed""#, r#""kid":"x","key_ops":["encrypt"]"#),
        &rsa(2048).replace(r#""kid""#, r#""alg":"RSA-OAEP","kid""#),
        &rsa(2048).replace(r#""kid""#, r#""alg":"RS512","kid""#),
    ] {
        assert_eq!(parse(&[other, ED]), Ok(()), "{other}");
        assert_eq!(parse(&[other]), Err(KeyError::NoUsableKey), "{other}");
    }
    assert_eq!(parse(&[]), Err(KeyError::NoUsableKey));
}

#[test]
fn a_document_that_is_malformed_is_refused() {
    for document in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[7]}"#,
        r#"{"keys":[{}]}"#,
        &format!(r#"{{"keys":[{ED}],"keys":[{ED}]}}"#),
        &format!(r#"{{"keys":[{}]}}"#, ED.replace(r#""kid":"ed""#, r#""kid":"ed","kid":"ed""#)),
        &format!(r#"{{"keys":[{}]}}"#, ED.replace(r#""kid":"ed""#, r#""kid":null"#)),
        &format!(r#"{{"keys":[{ED}]}} x"#),
        &format!(r#"{{"keys":[{ED}],"o":"{}"}}"#, "x".repeat(256 * 1024)),
    ] {
        assert_eq!(Jwks::parse(document).unwrap_err(), KeyError::Document);
    }
}

#[test]
fn a_key_that_is_malformed_or_weak_is_refused_and_named() {
    assert_eq!(parse(&[ED, &rsa(2047)]), at(1, KeyError::Numbers));
    assert_eq!(parse(&[&rsa(1024)]), at(0, KeyError::Numbers));
    assert_eq!(parse(&[&rsa(8193)]), at(0, KeyError::Numbers));
    assert_eq!(parse(&[&rsa(2048).replace("AQAB", "AQ")]), at(0, KeyError::Numbers));
    assert_eq!(parse(&[&rsa(2048).replace("AQAB", "AA")]), at(0, KeyError::Numbers));
    assert_eq!(parse(&[&rsa(2048).replace("AQAB", "AAEAAQ")]), at(0, KeyError::Numbers));
    assert_eq!(parse(&[&ED.replace("HURo", "HURp")]), at(0, KeyError::Member("x")));
    assert_eq!(parse(&[&ED.replace("HURo", "")]), at(0, KeyError::Numbers));
    assert_eq!(parse(&[&EC.replace(r#","y""#, r#","z""#)]), at(0, KeyError::Member("y")));
}

#[test]
fn a_key_whose_time_is_over_before_it_begins_is_refused_and_named() {
    let timed = |members: &str| ED.replace(r#""kid""#, &format!("{members},\"kid\""));
    assert_eq!(parse(&[EC, &timed(r#""nbf":1,"exp":2"#)]), Ok(()));
    assert_eq!(parse(&[EC, &timed(r#""nbf":2,"exp":2"#)]), at(1, KeyError::Member("exp")));
    let never = format!(r#""nbf":{}"#, u64::MAX);
    assert_eq!(parse(&[&timed(&never)]), at(0, KeyError::Member("nbf")));
    assert_eq!(parse(&[&timed(r#""exp":"2""#)]), Err(KeyError::Document));
}

#[test]
fn a_key_is_refused_outside_its_time_also_for_a_token_that_was_verified_in_it() {
    const HOUR: Duration = Duration::from_secs(3600);
    let issuer = TestIssuer::new(ISSUER);
    let token = |issued: UnixTime| {
        let until = issued.saturating_add(HOUR);
        issuer.token("acmedocs", "alice", &"acme".parse().unwrap(), issued, until)
    };
    let world = |from: UnixTime, until: UnixTime| {
        let (from, until) = (from.as_secs(), until.as_secs());
        let timed = format!(r#""nbf":{from},"exp":{until},"kid""#);
        let jwks = Jwks::parse(&issuer.jwks().replace(r#""kid""#, &timed)).unwrap();
        let policy = BearerPolicy::new(ISSUER, "acmedocs").asserts_any_tenant();
        World::new(|builder| builder.bearer(jwks, policy))
    };
    let judge = |world: &World, token: &str| world.bearer(token).map(|_| ());

    let early = world(after(1), after(100));
    assert_eq!(judge(&early, &token(NOW)), Err(Reason::UnknownKey));
    early.clock.advance(Duration::from_secs(1));
    assert_eq!(judge(&early, &token(NOW)), Ok(()));

    let late = world(NOW, after(1));
    let seen = token(NOW);
    assert_eq!(judge(&late, &seen), Ok(()));
    late.clock.advance(Duration::from_secs(1));
    assert_eq!(judge(&late, &seen), Err(Reason::UnknownKey));
    assert_eq!(judge(&late, &token(after(1))), Err(Reason::UnknownKey));
}

#[test]
fn two_keys_of_one_name_are_refused() {
    assert_eq!(parse(&[ED, &EC.replace("\"ec\"", "\"ed\"")]), at(1, KeyError::DuplicateKid));
}

#[test]
fn a_document_with_a_private_key_is_refused() {
    let private = ED.replace(r#""kid""#, r#""d":"AA","kid""#);
    assert_eq!(parse(&[EC, &private]), at(1, KeyError::PrivateKey));
    let symmetric = r#"{"kty":"oct","kid":"hmac","k":"AAAA"}"#;
    assert_eq!(parse(&[EC, symmetric]), at(1, KeyError::PrivateKey));
}

#[test]
fn a_document_that_is_wrong_changes_nothing() {
    let jwks = Jwks::parse(&format!(r#"{{"keys":[{ED}]}}"#)).unwrap();
    let before = format!("{jwks:?}");
    assert!(jwks.replace("{}").is_err());
    assert_eq!(format!("{jwks:?}"), before);
    jwks.replace(&format!(r#"{{"keys":[{EC}]}}"#)).unwrap();
    assert_ne!(format!("{jwks:?}"), before);
}
