//! Every claim of a transaction token: missing, twice, of another type, wrong.

use tenantkit_core::Reason;

use crate::common::{ISSUER, Members, NOW, SECS, after, pair, refused, txn};

/// Values of every type, to be put where another is expected.
const NULL: &str = "null";
const VALUES: [&str; 9] = [NULL, "true", "7", "-1", "1.5", r#""x""#, r#""""#, "[]", "{}"];

fn is_string(value: &str) -> bool {
    value.starts_with('"')
}

/// All claims with strings, and all with numbers, here and in `tctx`.
const STRINGS: [&str; 5] = ["aud", "txn", "sub", "scope", "req_wl"];
const TCTX_STRINGS: [&str; 4] = ["tenant", "tier", "sub_iss", "region"];
const NUMBERS: [&str; 2] = ["iat", "exp"];
const TCTX_NUMBERS: [&str; 2] = ["inc", "epoch"];
const OPTIONAL: [&str; 3] = ["region", "epoch", "act"];

fn reason_of(claims: &Members) -> Result<(), Reason> {
    let (edge, documents) = pair();
    refused(&documents, &txn(&edge, claims))
}

fn tctx(tctx: &Members) -> Members {
    Members::txn().with("tctx", tctx.json())
}

#[test]
fn a_whole_token_holds() {
    assert_eq!(reason_of(&Members::txn()), Ok(()));
}

#[test]
fn each_claim_is_required() {
    for (name, _) in Members::txn().0 {
        assert_eq!(reason_of(&Members::txn().without(name)), Err(Reason::BadClaim), "{name}");
    }
    for (name, _) in Members::tctx().0 {
        let expected = if OPTIONAL.contains(&name) { Ok(()) } else { Err(Reason::BadClaim) };
        assert_eq!(reason_of(&tctx(&Members::tctx().without(name))), expected, "{name}");
    }
}

#[test]
fn no_member_stands_twice_at_any_level() {
    for (name, _) in Members::txn().0 {
        let twice = Members::txn().twice(name);
        assert_eq!(reason_of(&twice), Err(Reason::MalformedToken), "{name}");
    }
    for (name, _) in Members::tctx().0 {
        let twice = tctx(&Members::tctx().twice(name));
        assert_eq!(reason_of(&twice), Err(Reason::MalformedToken), "{name}");
    }
    for unknown in [
        r#"{"a":1,"a":1}"#,
        r#"[[{"b":0,"a":1,"c":2,"a":1}]]"#,
        // The same name, written in another way.
        r#"{"a":1,"\u0061":1}"#,
    ] {
        let claims = Members::txn().with("rctx", unknown);
        assert_eq!(reason_of(&claims), Err(Reason::MalformedToken), "{unknown}");
    }
    let claims = Members::txn().with("\\u0073ub", r#""mallory""#);
    assert_eq!(reason_of(&claims), Err(Reason::MalformedToken));
}

#[test]
fn a_claim_of_another_type_is_refused() {
    let bad = Err(Reason::BadClaim);
    for value in VALUES {
        for name in STRINGS.into_iter().filter(|_| !is_string(value)) {
            // An empty list of audiences is one, in which we are not.
            let is_list = name == "aud" && value == "[]";
            let expected = if is_list { Err(Reason::WrongAudience) } else { bad };
            assert_eq!(reason_of(&Members::txn().with(name, value)), expected, "{name}: {value}");
        }
        for name in TCTX_STRINGS.into_iter().filter(|_| !is_string(value)) {
            let claims = tctx(&Members::tctx().with(name, value));
            assert_eq!(reason_of(&claims), bad, "{name}: {value}");
        }
        if value != "7" {
            for name in NUMBERS {
                assert_eq!(reason_of(&Members::txn().with(name, value)), bad, "{name}: {value}");
            }
            for name in TCTX_NUMBERS {
                let claims = tctx(&Members::tctx().with(name, value));
                assert_eq!(reason_of(&claims), bad, "{name}: {value}");
            }
        }
        let claims = tctx(&Members::tctx().with("act", value));
        assert_eq!(reason_of(&claims), bad, "act: {value}");
        let claims = Members::txn().with("tctx", value);
        assert_eq!(reason_of(&claims), bad, "tctx: {value}");
    }
}

#[test]
fn a_claim_with_a_value_that_is_no_name_is_refused() {
    let long = format!("{:?}", "x".repeat(257));
    for value in [&long, r#""""#, r#""a\nb""#, r#""a\u202eb""#] {
        for name in ["txn", "sub"] {
            let claims = Members::txn().with(name, value);
            assert_eq!(reason_of(&claims), Err(Reason::BadClaim), "{name}: {value}");
        }
        for name in ["tenant", "tier", "sub_iss", "region"] {
            let claims = tctx(&Members::tctx().with(name, value));
            assert_eq!(reason_of(&claims), Err(Reason::BadClaim), "{name}: {value}");
        }
    }
    for tenant in ["Acme", "system", "pg_x", "a/b", "-a"] {
        let claims = tctx(&Members::tctx().with("tenant", format!("{tenant:?}")));
        assert_eq!(reason_of(&claims), Err(Reason::BadClaim), "{tenant}");
    }
}

#[test]
fn an_empty_scope_is_a_scope() {
    assert_eq!(reason_of(&Members::txn().with("scope", r#""""#)), Ok(()));
}

#[test]
fn claims_that_are_not_known_are_ignored() {
    let claims = Members::txn().with("rctx", r#"{"req_ip":"::1"}"#).with("iss", "7");
    assert_eq!(reason_of(&claims), Ok(()));
    for value in ["1.5", "-1", "1e9", "18446744073709551616", "[1.5,{\"a\":2.5}]", "null", "true"] {
        assert_eq!(reason_of(&Members::txn().with("other", value)), Ok(()), "{value}");
    }
}

#[test]
fn a_token_for_another_trust_domain_is_refused() {
    let wrong = Err(Reason::WrongAudience);
    let with_aud = |aud: &str| reason_of(&Members::txn().with("aud", aud));
    assert_eq!(with_aud(r#"["acmedocs.example"]"#), Ok(()));
    assert_eq!(with_aud(r#""other.example""#), wrong);
    assert_eq!(with_aud(r#""acmedocs.example.evil""#), wrong);
    assert_eq!(with_aud(r#""ACMEDOCS.example""#), wrong);
    assert_eq!(with_aud(r#"["acmedocs.example","other.example"]"#), wrong);
    assert_eq!(with_aud(r#"["acmedocs.example",7]"#), Err(Reason::BadClaim));
}

#[test]
fn a_key_vouches_only_for_its_own_workload() {
    let claims = Members::txn().with("req_wl", r#""billing""#);
    assert_eq!(reason_of(&claims), Err(Reason::UnknownKey));
}

#[test]
fn a_token_is_refused_from_its_expiry_on_without_leeway() {
    let (edge, documents) = pair();
    let token = txn(&edge, &Members::txn());
    let just_before = after(119).saturating_add(std::time::Duration::from_millis(999));
    for tokens in [&documents, &documents.clone().cache_bytes(0)] {
        assert!(tokens.verify(&token, just_before).is_ok());
        assert_eq!(tokens.verify(&token, after(120)).unwrap_err(), Reason::Expired);
    }
}

#[test]
fn a_token_from_the_future_is_refused_beyond_the_leeway() {
    let (edge, documents) = pair();
    let issued_in = |secs: u64| {
        let claims = Members::txn()
            .with("iat", (SECS + secs).to_string())
            .with("exp", (SECS + secs + 60).to_string());
        refused(&documents, &txn(&edge, &claims))
    };
    assert_eq!(issued_in(5), Ok(()));
    assert_eq!(issued_in(6), Err(Reason::NotYetValid));

    // A cached token too, when the calendar is set back.
    let token = txn(&edge, &Members::txn());
    assert!(documents.verify(&token, NOW).is_ok());
    let earlier = NOW.saturating_sub(std::time::Duration::from_secs(6));
    assert_eq!(documents.verify(&token, earlier).unwrap_err(), Reason::NotYetValid);
}

#[test]
fn not_before_is_honoured() {
    let claims = Members::txn().with("nbf", (SECS + 60).to_string());
    assert_eq!(reason_of(&claims), Err(Reason::NotYetValid));
}

#[test]
fn a_token_that_lives_too_long_or_not_at_all_is_refused() {
    let until = |exp: u64| reason_of(&Members::txn().with("exp", exp.to_string()));
    assert_eq!(until(SECS + 600), Ok(()));
    for exp in [SECS + 601, u64::MAX, SECS, SECS - 1, 0] {
        assert_eq!(until(exp), Err(Reason::BadClaim), "{exp}");
    }
    let forever =
        Members::txn().with("iat", u64::MAX.to_string()).with("exp", u64::MAX.to_string());
    assert_eq!(reason_of(&forever), Err(Reason::BadClaim));
    for number in ["18446744073709551616", "1e999", "1800000120.0", "1.8e9"] {
        let claims = Members::txn().with("exp", number);
        assert!(reason_of(&claims).is_err(), "{number}");
    }
}

#[test]
fn the_actor_is_an_issuer_and_a_name() {
    let act = |act: &str| reason_of(&tctx(&Members::tctx().with("act", act)));
    // Without an issuer it is a name that the subject's issuer gave.
    assert_eq!(act(r#"{"sub":"bob"}"#), Ok(()));
    assert_eq!(act(r#"{"iss":"https://id.example"}"#), Err(Reason::BadClaim));
    assert_eq!(act(&format!(r#"{{"sub":7,"iss":{ISSUER:?}}}"#)), Err(Reason::BadClaim));
    assert_eq!(act(r#"{"sub":"bob","iss":null}"#), Err(Reason::BadClaim));
}
