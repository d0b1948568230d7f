//! Bearer tokens of the outside world.

use std::time::Duration;

use tenantkit_core::{
    Algorithm, BearerPolicy, BuildError, Incarnation, Jwks, KeyUse, MemoryDirectory, Reason,
    SigningKey, Source, TenantRecord, TierSet, TxnTokens, UnixTime,
    test_util::{TestIssuer, sign},
};

use crate::common::{DOMAIN, ISSUER, Members, NOW, SECS, World, key, keys, terms, txn};

fn reason_of(claims: &Members) -> Result<(), Reason> {
    let issuer = TestIssuer::new(ISSUER);
    World::of(&issuer).bearer(&issuer.sign(&claims.json())).map(|_| ())
}

#[test]
fn a_whole_token_gives_the_context_that_it_names() {
    let issuer = TestIssuer::new(ISSUER);
    let claims = Members::bearer().with("act", r#"{"sub":"bob"}"#);
    let context = World::of(&issuer).bearer(&issuer.sign(&claims.json())).unwrap();
    assert_eq!(*context.tenant(), "acme");
    assert_eq!(*context.subject(), issuer.subject("alice"));
    assert_eq!(context.actor(), Some(&issuer.subject("bob")));
    assert_eq!(context.scopes().collect::<Vec<_>>(), ["read", "write"]);
    assert_eq!(context.expires().as_secs(), SECS + 300);
    assert_eq!(context.provenance().established_by(), Source::Bearer);
}

#[test]
fn each_claim_is_required_or_optional_as_documented() {
    for (name, _) in Members::bearer().0 {
        let expected = match name {
            "iss" => Err(Reason::UnknownIssuer),
            "nbf" | "scope" => Ok(()),
            _ => Err(Reason::BadClaim),
        };
        assert_eq!(reason_of(&Members::bearer().without(name)), expected, "{name}");
        assert_eq!(
            reason_of(&Members::bearer().twice(name)),
            Err(Reason::MalformedToken),
            "{name}"
        );
    }
}

#[test]
fn a_claim_of_another_type_is_refused() {
    for (name, _) in Members::bearer().0 {
        let values: &[&str] = match name {
            "iat" | "nbf" | "exp" => &["null", "true", "-1", "1.5", r#""1800000000""#, "[]", "{}"],
            "aud" | "scope" => &["null", "true", "7", "{}", "[7]", "[null]"],
            _ => &["null", "true", "7", "[]", "{}", r#"["acme"]"#],
        };
        let expected = if name == "iss" { Reason::UnknownIssuer } else { Reason::BadClaim };
        for value in values {
            let claims = Members::bearer().with(name, *value);
            assert_eq!(reason_of(&claims), Err(expected), "{name}: {value}");
        }
    }
}

#[test]
fn the_tenants_claim_is_a_tenant_id() {
    for tenant in [r#""Acme""#, r#""""#, r#""default""#, r#"" acme""#, r#""acme\u0000""#] {
        let claims = Members::bearer().with("tenant", tenant);
        assert_eq!(reason_of(&claims), Err(Reason::BadClaim), "{tenant}");
    }
}

#[test]
fn the_tenants_claim_is_the_one_that_the_policy_names() {
    let issuer = TestIssuer::new(ISSUER);
    let policy = BearerPolicy::new(ISSUER, "acmedocs").tenant_claim("org").asserts_any_tenant();
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let world = World::new(|builder| builder.bearer(jwks, policy));
    let claims = Members::bearer();
    assert_eq!(world.bearer(&issuer.sign(&claims.json())).unwrap_err(), Reason::BadClaim);
    let claims = claims.with("org", r#""globex""#);
    assert_eq!(*world.bearer(&issuer.sign(&claims.json())).unwrap().tenant(), "globex");
}

#[test]
fn a_token_for_another_audience_is_refused() {
    let with_aud = |aud: &str| reason_of(&Members::bearer().with("aud", aud));
    assert_eq!(with_aud(r#"["other","acmedocs"]"#), Ok(()));
    for aud in [r#""other""#, r#""acmedocs2""#, "[]", r#"["other"]"#] {
        assert_eq!(with_aud(aud), Err(Reason::WrongAudience), "{aud}");
    }
}

#[test]
fn a_token_is_refused_outside_its_time() {
    let with = |name, secs: u64| reason_of(&Members::bearer().with(name, secs.to_string()));
    assert_eq!(with("nbf", SECS + 5), Ok(()));
    assert_eq!(with("nbf", SECS + 6), Err(Reason::NotYetValid));
    assert_eq!(with("iat", SECS + 6), Err(Reason::NotYetValid));
    assert_eq!(with("exp", SECS + 24 * 3600), Ok(()));
    assert_eq!(with("exp", SECS + 24 * 3600 + 1), Err(Reason::BadClaim));
    assert_eq!(with("exp", u64::MAX), Err(Reason::BadClaim));
    let old = Members::bearer().with("iat", (SECS - 300).to_string()).with("exp", SECS.to_string());
    assert_eq!(reason_of(&old), Err(Reason::Expired), "there is no leeway");
}

#[test]
fn scopes_are_read_in_both_ways_of_writing_them() {
    let issuer = TestIssuer::new(ISSUER);
    let world = World::of(&issuer);
    let scopes = |claims: Members| {
        let context = world.bearer(&issuer.sign(&claims.json()))?;
        Ok(context.scopes().map(str::to_owned).collect::<Vec<_>>())
    };
    let bare = Members::bearer().without("scope");
    assert_eq!(scopes(bare.clone()), Ok(vec![]));
    assert_eq!(scopes(bare.clone().with("scope", r#""""#)), Ok(vec![]));
    let both = Ok(vec!["read".to_owned(), "write".to_owned()]);
    assert_eq!(scopes(bare.clone().with("scp", r#""read write""#)), both);
    assert_eq!(scopes(bare.with("scp", r#"["read","write"]"#)), both);
    let ambiguous = Members::bearer().with("scp", r#""admin""#);
    assert_eq!(scopes(ambiguous), Err(Reason::BadClaim));
}

#[test]
fn an_issuer_that_is_not_known_is_refused() {
    for iss in ["https://other.example", "https://id.example/", "HTTPS://ID.EXAMPLE", ""] {
        let claims = Members::bearer().with("iss", format!("{iss:?}"));
        assert_eq!(reason_of(&claims), Err(Reason::UnknownIssuer), "{iss}");
    }
}

#[test]
fn two_issuers_with_the_same_kid_never_meet() {
    let (one, other) =
        (TestIssuer::new("https://one.example"), TestIssuer::new("https://other.example"));
    let policy = |issuer: &TestIssuer, tenant: &str| {
        BearerPolicy::new(issuer.issuer(), "acmedocs").asserts_only([tenant.parse().unwrap()])
    };
    let world = World::new(|builder| {
        builder
            .bearer(Jwks::parse(&one.jwks()).unwrap(), policy(&one, "acme"))
            .bearer(Jwks::parse(&other.jwks()).unwrap(), policy(&other, "globex"))
    });
    let claims = |iss: &str, tenant: &str| {
        Members::bearer()
            .with("iss", format!("{iss:?}"))
            .with("tenant", format!("{tenant:?}"))
            .json()
    };
    assert!(world.bearer(&one.sign(&claims("https://one.example", "acme"))).is_ok());
    assert!(world.bearer(&other.sign(&claims("https://other.example", "globex"))).is_ok());
    // Signed by one, in the name of the other.
    let forged = one.sign(&claims("https://other.example", "globex"));
    assert_eq!(world.bearer(&forged).unwrap_err(), Reason::BadSignature);
    // In its own name, for a tenant that is the other's.
    let overreaching = one.sign(&claims("https://one.example", "globex"));
    assert_eq!(world.bearer(&overreaching).unwrap_err(), Reason::IssuerNotAllowed);
}

#[test]
fn the_types_of_our_own_tokens_are_no_bearer_tokens() {
    let edge = key("test-1", ISSUER);
    let jwks =
        || Jwks::parse(&format!(r#"{{"keys":[{}]}}"#, edge.verifying_key().to_jwk())).unwrap();
    let policy = || BearerPolicy::new(ISSUER, "acmedocs");
    let world = World::new(|builder| builder.bearer(jwks(), policy().asserts_any_tenant()));
    let strict = World::new(|builder| {
        builder.bearer(jwks(), policy().only_access_tokens().asserts_any_tenant())
    });
    let of_type = |world: &World, typ: &str| {
        let header = format!(r#"{{"alg":"EdDSA","kid":"test-1"{typ}}}"#);
        world.bearer(&sign(&edge, &header, &Members::bearer().json())).map(|_| ())
    };
    let wrong = Err(Reason::WrongTokenType);
    for typ in ["JWT", "jwt", "application/JWT"] {
        let typ = format!(r#","typ":"{typ}""#);
        assert_eq!((of_type(&world, &typ), of_type(&strict, &typ)), (Ok(()), wrong), "{typ}");
    }
    assert_eq!((of_type(&world, ""), of_type(&strict, "")), (Ok(()), wrong));
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let typ = format!(r#","typ":"{typ}""#);
        assert_eq!((of_type(&world, &typ), of_type(&strict, &typ)), (Ok(()), Ok(())), "{typ}");
    }
    for typ in ["txntoken+jwt", "application/TxnToken+JWT", "tenant-envelope+jwt", "dpop+jwt", ""] {
        let typ = format!(r#","typ":"{typ}""#);
        assert_eq!((of_type(&world, &typ), of_type(&strict, &typ)), (wrong, wrong), "{typ}");
    }
}

#[test]
fn one_kind_of_token_is_never_taken_for_the_other_even_under_one_key() {
    let shared = key("edge-1", "edge");
    let jwks =
        Jwks::parse(&format!(r#"{{"keys":[{}]}}"#, shared.verifying_key().to_jwk())).unwrap();
    let world = World::new(|builder| {
        builder
            .bearer(jwks, BearerPolicy::new(ISSUER, DOMAIN).asserts_any_tenant())
            .txn_tokens(TxnTokens::new(DOMAIN, "documents", keys([&shared])).unwrap())
    });
    // Claims that would do for both.
    let mut both = Members::txn();
    for (name, value) in Members::bearer().without("aud").without("iat").without("exp").0 {
        both = both.with(name, value);
    }
    let internal = txn(&shared, &both);
    let external = sign(&shared, r#"{"alg":"EdDSA","typ":"JWT","kid":"edge-1"}"#, &both.json());
    assert!(world.txn(&internal).is_ok());
    assert!(world.bearer(&external).is_ok());
    assert_eq!(world.txn(&external).unwrap_err(), Reason::WrongTokenType);
    assert_eq!(world.bearer(&internal).unwrap_err(), Reason::WrongTokenType);
}

#[test]
fn the_header_is_bearer_one_space_and_a_token() {
    let issuer = TestIssuer::new(ISSUER);
    let world = World::of(&issuer);
    let token = issuer.sign(&Members::bearer().json());
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert!(world.authorization(&format!("{scheme} {token}")).is_ok(), "{scheme}");
    }
    let malformed = Reason::MalformedHeader;
    for (value, reason) in [
        ("Bearer".to_owned(), malformed),
        ("Bearer ".to_owned(), malformed),
        (format!("Bearer  {token}"), malformed),
        (format!("Bearer {token} "), malformed),
        (format!("Bearer {token},{token}"), malformed),
        (format!("Bearer {token} x"), malformed),
        (format!("Bearer token=\"{token}\""), malformed),
        (format!("Bearer{token}"), malformed),
        (format!(" Bearer {token}"), malformed),
        (token.clone(), malformed),
        // Nobody's scheme: it is not skipped.
        ("Basic YWxpY2U6c2VjcmV0".to_owned(), malformed),
        ("Bearer abc".to_owned(), Reason::MalformedToken),
        ("Bearer ====".to_owned(), Reason::MalformedToken),
    ] {
        assert_eq!(world.authorization(&value).unwrap_err(), reason, "{value}");
    }
}

#[test]
fn the_key_is_one_of_the_issuers_own_and_of_an_algorithm_that_is_admitted() {
    let ed = key("ed", ISSUER);
    let es = SigningKey::generate(terms("es", KeyUse::Txn, ISSUER), Algorithm::Es256).unwrap();
    let document = |keys: &[&SigningKey]| {
        let keys: Vec<_> = keys.iter().map(|key| key.verifying_key().to_jwk()).collect();
        format!(r#"{{"keys":[{}]}}"#, keys.join(","))
    };
    let world = |keys: &[&SigningKey], algorithms: Option<Algorithm>| {
        let policy = BearerPolicy::new(ISSUER, "acmedocs");
        let policy = match algorithms {
            Some(algorithm) => policy.algorithms([algorithm]),
            None => policy,
        };
        let jwks = Jwks::parse(&document(keys)).unwrap();
        World::new(|builder| builder.bearer(jwks, policy.asserts_any_tenant()))
    };
    let token = |key: &SigningKey, alg: &str, kid: &str| {
        sign(key, &format!(r#"{{"alg":"{alg}"{kid}}}"#), &Members::bearer().json())
    };
    let reason = |world: &World, token: &str| world.bearer(token).map(|_| ());
    let unknown = Err(Reason::UnknownKey);

    let both = world(&[&ed, &es], None);
    assert_eq!(reason(&both, &token(&ed, "EdDSA", r#","kid":"ed""#)), Ok(()));
    assert_eq!(reason(&both, &token(&es, "ES256", r#","kid":"es""#)), Ok(()));
    assert_eq!(reason(&both, &token(&es, "EdDSA", r#","kid":"es""#)), unknown);
    assert_eq!(reason(&both, &token(&ed, "none", r#","kid":"ed""#)), unknown);
    assert_eq!(reason(&both, &token(&ed, "HS256", r#","kid":"ed""#)), unknown);
    assert_eq!(reason(&both, &token(&ed, "EdDSA", r#","kid":"other""#)), unknown);
    let crossed = Err(Reason::BadSignature);
    assert_eq!(reason(&both, &token(&es, "EdDSA", r#","kid":"ed""#)), crossed);

    // Without a name it can only be the one key that there is.
    assert_eq!(reason(&both, &token(&ed, "EdDSA", "")), unknown);
    let one = world(&[&ed], None);
    assert_eq!(reason(&one, &token(&ed, "EdDSA", "")), Ok(()));
    assert_eq!(reason(&one, &token(&ed, "EdDSA", r#","kid":"x""#)), unknown);

    let only_es = world(&[&ed, &es], Some(Algorithm::Es256));
    assert_eq!(reason(&only_es, &token(&ed, "EdDSA", r#","kid":"ed""#)), unknown);
    assert_eq!(reason(&only_es, &token(&es, "ES256", r#","kid":"es""#)), Ok(()));
}

#[test]
fn an_issuer_is_registered_once_and_has_a_name() {
    let issuer = TestIssuer::new(ISSUER);
    let build = |policies: Vec<BearerPolicy>| {
        let mut builder = tenantkit_core::Authority::builder(TierSet::METALS)
            .directory(MemoryDirectory::new([]))
            .audit(tenantkit_core::test_util::MemorySink::default());
        for policy in policies {
            builder = builder.bearer(Jwks::parse(&issuer.jwks()).unwrap(), policy);
        }
        builder.build().err()
    };
    let policy = |iss: &str, aud: &str| BearerPolicy::new(iss, aud).asserts_any_tenant();
    assert_eq!(build(vec![policy(ISSUER, "a")]), None);
    let twice = build(vec![policy(ISSUER, "a"), policy(ISSUER, "b")]);
    assert_eq!(twice, Some(BuildError::DuplicateIssuer));
    assert_eq!(build(vec![policy("", "a")]), Some(BuildError::BearerNames));
    assert_eq!(build(vec![policy("a\nb", "a")]), Some(BuildError::BearerNames));
    assert_eq!(build(vec![policy(ISSUER, "")]), Some(BuildError::BearerNames));
}

#[test]
fn a_refusal_is_audited_and_holds_nothing_of_the_token() {
    let issuer = TestIssuer::new(ISSUER);
    let world = World::of(&issuer);
    let token = issuer.sign(&Members::bearer().with("exp", SECS.to_string()).json());
    let refusal = world.identify(Source::Bearer, "authorization", &format!("Bearer {token}"));
    let refusal = refusal.unwrap_err();
    let events = world.audit.events();
    assert_eq!(events.len(), 1);
    let shown = format!("{refusal}{refusal:?}{:?}", events[0]);
    for part in token.split('.') {
        assert!(!shown.contains(part));
    }
    assert_eq!(events[0].tenant, None, "nothing was proved");
}

#[test]
fn a_token_of_a_deleted_tenant_is_not_its_successors_though_the_issuers_clock_is_ahead() {
    let issuer = TestIssuer::new(ISSUER);
    let jwks = || Jwks::parse(&issuer.jwks()).unwrap();
    let created_again = |created: UnixTime| {
        let gold = TierSet::METALS.get("gold").unwrap();
        let second = TenantRecord::active(gold).incarnation(Incarnation::FIRST.next(), created);
        MemoryDirectory::new([("acme".parse().unwrap(), second)])
    };
    // Issued at [`NOW`], as the issuer says.
    let token = issuer.sign(&Members::bearer().json());
    let judge = |leeway: Option<u64>, created| {
        let policy = BearerPolicy::new(ISSUER, "acmedocs");
        let policy = match leeway {
            Some(secs) => policy.leeway(Duration::from_secs(secs)),
            None => policy,
        };
        let world = World::new(|builder| {
            builder.bearer(jwks(), policy.asserts_any_tenant()).directory(created_again(created))
        });
        world.bearer(&token).map(|_| ())
    };
    let before = |secs| NOW.saturating_sub(Duration::from_secs(secs));
    assert_eq!(judge(None, before(4)), Err(Reason::StaleIncarnation));
    assert_eq!(judge(None, before(5)), Ok(()));
    assert_eq!(judge(Some(60), before(59)), Err(Reason::StaleIncarnation));
    assert_eq!(judge(Some(60), before(60)), Ok(()));
    assert_eq!(judge(Some(0), NOW), Ok(()));
}
