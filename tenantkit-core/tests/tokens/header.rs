//! The header and the form of a token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use tenantkit_core::{Reason, test_util::sign};

use crate::common::{Members, NOW, TXN_HEADER, pair, refused, txn};

fn with_header(header: &str) -> Result<(), Reason> {
    let (edge, documents) = pair();
    refused(&documents, &sign(&edge, header, &Members::txn().json()))
}

#[test]
fn only_the_algorithm_of_the_key_is_taken() {
    assert_eq!(with_header(TXN_HEADER), Ok(()));
    // RFC 9864: the same, by its new name.
    assert_eq!(with_header(&TXN_HEADER.replace("EdDSA", "Ed25519")), Ok(()));
    for alg in ["none", "None", "", "HS256", "ES256", "RS256", "eddsa", "EdDSA ", "Ed448"] {
        let header = format!(r#"{{"alg":"{alg}","typ":"txntoken+jwt","kid":"edge-1"}}"#);
        assert_eq!(with_header(&header), Err(Reason::UnknownKey), "{alg}");
    }
}

#[test]
fn a_token_without_a_signature_is_refused() {
    let none = BASE64.encode(r#"{"alg":"none","typ":"txntoken+jwt","kid":"edge-1"}"#);
    let (_, documents) = pair();
    let token = format!("{none}.{}.", BASE64.encode(Members::txn().json()));
    assert_eq!(refused(&documents, &token), Err(Reason::UnknownKey));

    let header = BASE64.encode(TXN_HEADER);
    let token = format!("{header}.{}.", BASE64.encode(Members::txn().json()));
    assert_eq!(refused(&documents, &token), Err(Reason::MalformedToken));
}

#[test]
fn only_the_type_of_transaction_tokens_is_taken() {
    let of_type =
        |typ: &str| with_header(&format!(r#"{{"alg":"EdDSA","typ":{typ},"kid":"edge-1"}}"#));
    assert_eq!(of_type(r#""application/txntoken+jwt""#), Ok(()));
    for typ in ["JWT", "at+jwt", "tenant-envelope+jwt", "txntoken", "", "application/"] {
        assert_eq!(of_type(&format!("{typ:?}")), Err(Reason::WrongTokenType), "{typ}");
    }
    assert_eq!(with_header(r#"{"alg":"EdDSA","kid":"edge-1"}"#), Err(Reason::WrongTokenType));
    assert_eq!(of_type("null"), Err(Reason::MalformedToken));
    assert_eq!(of_type("7"), Err(Reason::MalformedToken));
}

#[test]
fn a_token_brings_no_key_and_no_extension_along() {
    for name in ["crit", "b64", "jwk", "jku", "x5c", "x5u"] {
        for value in [r#"["exp"]"#, "[]", "null", "false", r#""https://evil.example/jwks""#, "{}"] {
            let header = format!(
                r#"{{"alg":"EdDSA","typ":"txntoken+jwt","kid":"edge-1","{name}":{value}}}"#
            );
            assert_eq!(with_header(&header), Err(Reason::WrongTokenType), "{name}: {value}");
        }
    }
}

#[test]
fn the_key_is_named_and_known() {
    for kid in
        [r#""edge-2""#, r#""""#, r#""../edge-1""#, r#""edge-1\u0000""#, r#""edge-1' OR 1=1""#]
    {
        let header = format!(r#"{{"alg":"EdDSA","typ":"txntoken+jwt","kid":{kid}}}"#);
        assert_eq!(with_header(&header), Err(Reason::UnknownKey), "{kid}");
    }
    let without = r#"{"alg":"EdDSA","typ":"txntoken+jwt"}"#;
    assert_eq!(with_header(without), Err(Reason::UnknownKey));
}

#[test]
fn no_member_of_the_header_stands_twice() {
    for header in [
        r#"{"alg":"EdDSA","typ":"txntoken+jwt","kid":"edge-1","kid":"edge-1"}"#,
        r#"{"alg":"none","typ":"txntoken+jwt","kid":"edge-1","alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","typ":"txntoken+jwt","kid":"edge-1","other":{"a":1,"a":1}}"#,
        r#"{"alg":"EdDSA","typ":"txntoken+jwt","kid":"edge-1","\u0061lg":"EdDSA"}"#,
    ] {
        assert_eq!(with_header(header), Err(Reason::MalformedToken), "{header}");
    }
}

#[test]
fn a_header_that_is_no_object_is_refused() {
    for header in
        ["", "{", "[]", "null", "7", r#""x""#, "{}", r#"{"alg":7}"#, "{} {}", "\u{feff}{}"]
    {
        assert_eq!(with_header(header), Err(Reason::MalformedToken), "{header}");
    }
}

#[test]
fn a_token_has_three_parts() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    for token in [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "a".into(),
        signed.into(),
        format!("{signed}.{signature}."),
        format!(".{signed}.{signature}"),
        format!("{signed}.{signature}.{signature}"),
        format!("{signed}..{signature}"),
        format!("{signed}."),
    ] {
        assert!(matches!(refused(&documents, &token), Err(Reason::MalformedToken)), "{token}");
    }
}

#[test]
fn base64url_has_one_form_only() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    assert_eq!(refused(&documents, &token), Ok(()));
    for broken in [
        format!("{token}="),
        format!("{token}=="),
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        token.replacen('.', "=.", 1),
        token.replacen('.', ".\r\n", 1),
    ] {
        assert!(refused(&documents, &broken).is_err(), "{broken}");
    }
    // An Ed25519 signature is 64 bytes: the last of its 86 characters has four bits that mean nothing.
    let last = token.chars().last().unwrap();
    for stray in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        if stray != last {
            let broken = format!("{}{stray}", &token[..token.len() - 1]);
            assert!(refused(&documents, &broken).is_err(), "{stray}");
        }
    }
}

#[test]
fn a_token_is_bounded_before_anything_is_read_from_it() {
    let (edge, documents) = pair();
    let filled = |name, len| Members::txn().with(name, format!("{:?}", "x".repeat(len)));
    assert_eq!(refused(&documents, &txn(&edge, &filled("other", 4000))), Ok(()));
    let reason = refused(&documents, &txn(&edge, &filled("other", 7000)));
    assert_eq!(reason, Err(Reason::OversizeHeader));
    let header = format!(
        r#"{{"alg":"EdDSA","typ":"txntoken+jwt","kid":"edge-1","o":"{}"}}"#,
        "x".repeat(1000)
    );
    assert_eq!(with_header(&header), Err(Reason::MalformedToken), "the header is bounded");
    assert_eq!(refused(&documents, &"A".repeat(1 << 20)), Err(Reason::OversizeHeader));
}

#[test]
fn deep_claims_do_not_overflow_the_stack() {
    let (edge, documents) = pair();
    let deep = format!("{}{}", "[".repeat(2500), "]".repeat(2500));
    let token = txn(&edge, &Members::txn().with("deep", deep));
    assert_eq!(documents.verify(&token, NOW).unwrap_err(), Reason::MalformedToken);
}
