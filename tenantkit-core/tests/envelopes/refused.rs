//! Each way in which an envelope does not hold has a reason of its own.

use serde_json::{Value, json};
use tenantkit_core::{
    Asserts, BearerPolicy, Envelopes, Jwks, KeyUse, Reason, RefusalCode, TierSet, TxnTokens,
    WireRecord,
    test_util::{TestAuthority, TestIssuer, sign},
};

use crate::common::{
    DAY, DOMAIN, HEADER, NOW, SECS, World, after, claims, key, key_on, keys, record, terms,
};

#[test]
fn what_the_tests_take_apart_holds_whole() {
    let world = World::new();
    assert_eq!(world.refused(&world.sign(&claims())), Ok(()));
    assert_eq!(world.refused(&world.seal(&record())), Ok(()));
}

#[test]
fn an_envelope_of_another_record_says_in_what_it_differs() {
    let world = World::new();
    let envelope = world.seal(&record());
    let refused = |topic, key, payload| {
        world.open(&envelope, &WireRecord::new(topic, key, payload)).unwrap_err()
    };
    let (k, p) = (Some(&b"7"[..]), Some(&b"changed"[..]));
    assert_eq!(refused("other", k, p), Reason::WrongTopic);
    assert_eq!(refused("documents", Some(b"8"), p), Reason::WrongRecordKey);
    assert_eq!(refused("documents", Some(b""), p), Reason::WrongRecordKey);
    assert_eq!(refused("documents", None, p), Reason::WrongRecordKey);
    assert_eq!(refused("documents", k, Some(b"changes")), Reason::WrongPayload);
    assert_eq!(refused("documents", k, Some(b"")), Reason::WrongPayload);
    assert_eq!(refused("documents", k, None), Reason::WrongPayload);
}

#[test]
fn null_is_not_empty_in_key_and_payload() {
    let world = World::new();
    let values = [None, Some(&b""[..])];
    for (key, payload) in values.into_iter().flat_map(|key| values.map(|payload| (key, payload))) {
        let envelope = world.seal(&WireRecord::new("documents", key, payload));
        for (other, other_payload) in
            values.into_iter().flat_map(|key| values.map(|payload| (key, payload)))
        {
            let record = WireRecord::new("documents", other, other_payload);
            let same = (key, payload) == (other, other_payload);
            assert_eq!(world.open(&envelope, &record).is_ok(), same);
        }
    }
}

#[test]
fn a_signature_of_somebody_else_is_forged_or_of_an_unknown_key() {
    let world = World::new();
    let json = claims().to_string();
    // The name of a key that is trusted, and not its signature.
    let forged = sign(&key("edge-1", "edge"), HEADER, &json);
    assert_eq!(world.refused(&forged), Err(Reason::BadSignature));
    let unknown = HEADER.replace("edge-1", "edge-2");
    assert_eq!(world.refused(&sign(&world.edge, &unknown, &json)), Err(Reason::UnknownKey));
    let nameless = r#"{"alg":"EdDSA","typ":"tenant-envelope+jwt"}"#;
    assert_eq!(world.refused(&sign(&world.edge, nameless, &json)), Err(Reason::UnknownKey));
    for alg in ["none", "HS256", "ES256", "eddsa", ""] {
        let header = HEADER.replace("EdDSA", alg);
        assert_eq!(world.refused(&sign(&world.edge, &header, &json)), Err(Reason::UnknownKey));
    }
    let jku = HEADER.replace("{\"alg\"", "{\"jku\":\"https://evil.example\",\"alg\"");
    assert_eq!(world.refused(&sign(&world.edge, &jku, &json)), Err(Reason::WrongTokenType));
}

#[test]
fn what_was_cut_short_is_told_from_what_was_forged() {
    let world = World::new();
    let envelope = world.seal(&record());
    let header = envelope.find('.').unwrap();
    for at in 3..envelope.len() {
        assert_eq!(world.refused(&envelope[..at]), Err(Reason::TruncatedToken), "{at} of {header}");
    }
    for garbage in ["", "x", "acme", "a.b.c", "....", "eyJ.eyJ.eyJ.eyJ", "\u{e4}.b.c"] {
        assert_eq!(world.refused(garbage), Err(Reason::MalformedToken), "{garbage}");
    }
    assert_eq!(world.refused(&"x".repeat(9000)), Err(Reason::OversizeHeader));
}

#[test]
fn a_token_is_no_envelope_and_an_envelope_no_token() {
    let issuer = TestIssuer::new("https://id.example");
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let policy = BearerPolicy::new(issuer.issuer(), "acmedocs").asserts_any_tenant();
    // One set of keys for both, as a careless operator would have it.
    let edge = key("edge-1", "edge");
    let txn = key_on(terms("edge-2", KeyUse::Txn, "edge"));
    let set = keys([&edge, &txn]);
    let envelopes = Envelopes::new(DOMAIN, "edge", set.clone()).unwrap();
    let envelopes = envelopes.signing(edge.clone()).unwrap();
    let tokens = TxnTokens::new(DOMAIN, "edge", set).unwrap().signing(txn.clone()).unwrap();
    let test = TestAuthority::with(TierSet::METALS, |it| {
        it.envelopes(envelopes).txn_tokens(tokens.clone()).bearer(jwks, policy)
    });
    let (acme, authority) = (test.context("acme"), test.authority());
    let open = |envelope: &str| {
        authority.open(None, envelope, &record()).map(drop).map_err(|it| it.reason())
    };

    let token = authority.outbound_token(&acme).unwrap();
    assert!(tokens.verify(&token, NOW).is_ok());
    assert_eq!(open(&token), Err(Reason::WrongTokenType));
    let bearer = issuer.token("acmedocs", "alice", acme.tenant(), NOW, after(300));
    assert_eq!(open(&bearer), Err(Reason::WrongTokenType));
    // Its claims under our type: its key is not for that.
    let retyped = sign(&txn, &HEADER.replace("edge-1", "edge-2"), &claims().to_string());
    assert_eq!(open(&retyped), Err(Reason::UnknownKey));

    let envelope = authority.seal(&acme, &record()).unwrap();
    assert_eq!(open(&envelope), Ok(()));
    assert_eq!(tokens.verify(&envelope, NOW).unwrap_err(), Reason::WrongTokenType);
    let retyped = HEADER.replace("tenant-envelope+jwt", "txntoken+jwt");
    let retyped = sign(&edge, &retyped, &claims().to_string());
    assert_eq!(tokens.verify(&retyped, NOW).unwrap_err(), Reason::UnknownKey);
}

#[test]
fn a_claim_that_is_missing_or_wrong_is_refused() {
    let world = World::new();
    let with = |pointer: &str, value: Option<Value>| {
        let mut claims = claims();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let object = claims.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match value {
            Some(value) => object.insert(name.to_owned(), value),
            None => object.remove(name),
        };
        world.refused(&world.sign(&claims))
    };
    let required = [
        "/iss",
        "/aud",
        "/iat",
        "/exp",
        "/jti",
        "/txn",
        "/sub",
        "/tctx",
        "/tctx/tenant",
        "/tctx/inc",
        "/tctx/tier",
        "/tctx/sub_iss",
        "/rec",
        "/rec/topic",
        "/rec/key",
        "/rec/payload",
    ];
    for claim in required {
        assert_eq!(with(claim, None), Err(Reason::BadClaim), "without {claim}");
        for wrong in [json!(true), json!([]), json!(-1), json!({})] {
            let refused = with(claim, Some(wrong.clone()));
            let expected = if claim == "/aud" && wrong == json!([]) {
                Reason::WrongAudience
            } else {
                Reason::BadClaim
            };
            assert_eq!(refused, Err(expected), "{claim}: {wrong}");
        }
    }
    for claim in ["/exp", "/tctx/region", "/tctx/act", "/tctx", "/rec", "/jti"] {
        assert_eq!(with(claim, Some(Value::Null)), Err(Reason::BadClaim), "{claim}: null");
    }
    for optional in ["/tctx/region", "/tctx/act"] {
        assert_eq!(with(optional, None), Ok(()), "without {optional}");
    }
    for (claim, wrong) in [
        ("/tctx/tenant", "Acme"),
        ("/tctx/tenant", "default"),
        ("/jti", ""),
        ("/txn", "a\nb"),
        ("/sub", ""),
        ("/rec/topic", ""),
        ("/rec/key", "not base64"),
        ("/rec/key", "AAAA"),
        ("/rec/payload", ""),
    ] {
        assert_eq!(with(claim, Some(json!(wrong))), Err(Reason::BadClaim), "{claim}: {wrong}");
    }
    let long = "t".repeat(250);
    assert_eq!(with("/rec/topic", Some(json!(long))), Err(Reason::BadClaim));
    assert_eq!(with("/aud", Some(json!("elsewhere"))), Err(Reason::WrongAudience));
    assert_eq!(with("/aud", Some(json!([DOMAIN, "elsewhere"]))), Err(Reason::WrongAudience));
    assert_eq!(with("/iss", Some(json!("other"))), Err(Reason::UnknownKey), "another's key");
    let twice = claims().to_string().replacen('{', r#"{"sub":"mallory","#, 1);
    assert_eq!(world.refused(&sign(&world.edge, HEADER, &twice)), Err(Reason::MalformedToken));
}

#[test]
fn the_tenant_beside_an_envelope_is_its_tenant() {
    let world = World::new();
    let envelope = world.seal(&record());
    let globex = "globex".parse().unwrap();
    let refused = world.test.authority().open(Some(&globex), &envelope, &record()).unwrap_err();
    assert_eq!(
        (refused.reason(), refused.code()),
        (Reason::SourcesDisagree, RefusalCode::Mismatch)
    );
    // It was proved, so it is audited with it.
    let event = world.test.audited().pop().unwrap();
    assert_eq!(event.tenant, Some("acme".parse().unwrap()));
}

#[test]
fn an_envelope_ends_with_its_life_and_begins_when_it_was_sealed() {
    let world = World::new();
    let envelope = world.seal(&record());
    let clock = world.test.clock();
    clock.step_to(after(30 * DAY - 1));
    assert_eq!(world.refused(&envelope), Ok(()));
    clock.step_to(after(30 * DAY));
    assert_eq!(world.refused(&envelope), Err(Reason::Expired));
    clock.step_to(NOW.saturating_sub(std::time::Duration::from_secs(5)));
    assert_eq!(world.refused(&envelope), Ok(()), "clocks differ");
    clock.step_to(NOW.saturating_sub(std::time::Duration::from_secs(6)));
    assert_eq!(world.refused(&envelope), Err(Reason::NotYetValid));
    // Nobody seals after the broker appended.
    clock.step_to(after(100));
    let at =
        |secs| record().appended(Some(NOW.saturating_sub(std::time::Duration::from_secs(secs))));
    assert!(world.open(&envelope, &at(5)).is_ok());
    assert_eq!(world.open(&envelope, &at(6)).unwrap_err(), Reason::NotYetValid);
}

#[test]
fn an_envelope_lives_no_longer_than_is_believed() {
    let world = World::with(|it| it.max_lifetime(std::time::Duration::from_secs(DAY)));
    let with = |exp: u64| {
        let mut claims = claims();
        claims["exp"] = json!(exp);
        world.refused(&world.sign(&claims))
    };
    assert_eq!(with(SECS + DAY), Ok(()));
    for exp in [SECS + DAY + 1, SECS, SECS - 1, 0, u64::MAX] {
        assert_eq!(with(exp), Err(Reason::BadClaim), "{exp}");
    }
}

#[test]
fn on_a_compacted_topic_it_does_not_expire_and_elsewhere_it_must() {
    let world = World::new();
    let compacted = record().compacted(true);
    let (kept, other) = (world.seal(&compacted), world.seal(&record()));
    world.test.clock().step_to(after(3_650 * DAY));
    assert!(world.open(&kept, &compacted).unwrap().context().is_ok());
    assert_eq!(world.open(&kept, &record()).unwrap_err(), Reason::BadClaim);
    assert_eq!(world.open(&other, &compacted).unwrap_err(), Reason::BadClaim);
}

#[test]
fn a_workload_that_is_bounded_asserts_no_other_tenant() {
    let only = |tenant: &str| {
        World::with(|it| {
            let asserts = Asserts::only([tenant.parse().unwrap()]);
            it.workload_asserts("edge".parse().unwrap(), asserts)
        })
    };
    let (acme, globex) = (only("acme"), only("globex"));
    assert_eq!(acme.refused(&acme.seal(&record())), Ok(()));
    let sealed = globex.seal(&record());
    assert_eq!(globex.refused(&sealed), Err(Reason::IssuerNotAllowed));
    assert_eq!(globex.refused(&sealed), Err(Reason::IssuerNotAllowed), "nor from the cache");
}

#[test]
fn without_envelopes_nothing_is_opened_and_nothing_sealed() {
    let world = World::new();
    let (envelope, bare) = (world.seal(&record()), TestAuthority::new());
    let refused = bare.authority().open(None, &envelope, &record()).unwrap_err();
    assert_eq!(refused.reason(), Reason::NotAdmitted);
    let refused = bare.authority().seal(&bare.context("acme"), &record()).unwrap_err();
    assert_eq!(refused.reason(), Reason::CannotMint);
}

#[test]
fn a_refusal_names_no_tenant_and_holds_nothing_of_what_was_presented() {
    let world = World::new();
    let envelope = world.seal(&record());
    let refused = world.test.authority().open(None, &envelope[..50], &record()).unwrap_err();
    let told = format!("{refused} {refused:?}");
    assert!(!told.contains(&envelope[..10]) && !told.contains("acme"), "{told}");
    let opened = world.open(&envelope, &record()).unwrap();
    assert!(!format!("{opened:?} {:?}", record()).contains("changed"));
}
