//! The auditor is told which claim was missing or wrong, and never what stood in it.

use tenantkit_core::{Reason, test_util::TestIssuer};

use crate::common::{ISSUER, Members, World, pair, txn};

/// A secret that must not be told.
const VALUE: &str = r#""hunter2\n""#;

/// What the auditor is told, after the caller was told nothing but the reason.
fn blamed(world: &World, refused: Result<(), Reason>) -> Option<&'static str> {
    assert_eq!(refused, Err(Reason::BadClaim));
    let events = world.audit.events();
    let event = events.last().unwrap();
    assert!(!format!("{event:?}").contains("hunter2"));
    event.claim
}

#[test]
fn the_auditor_is_told_the_claim_of_a_transaction_token() {
    let blame = |change: &dyn Fn(Members) -> Members, inner: bool| {
        let (edge, documents) = pair();
        let world = World::new(|builder| builder.txn_tokens(documents));
        let claims = if inner {
            Members::txn().with("tctx", change(Members::tctx()).json())
        } else {
            change(Members::txn())
        };
        blamed(&world, world.txn(&txn(&edge, &claims)).map(|_| ()))
    };
    for name in ["iat", "aud", "exp", "txn", "sub", "scope", "req_wl", "tctx"] {
        assert_eq!(blame(&|it| it.without(name), false), Some(name));
        assert_eq!(blame(&|it| it.with(name, "null"), false), Some(name));
    }
    assert_eq!(blame(&|it| it.with("nbf", "1.5"), false), Some("nbf"));
    for name in ["txn", "sub", "scope"] {
        assert_eq!(blame(&|it| it.with(name, VALUE), false), Some(name));
    }
    assert_eq!(blame(&|it| it.with("exp", "1"), false), Some("exp"), "before it was issued");
    for (member, name) in [
        ("tenant", "tctx.tenant"),
        ("inc", "tctx.inc"),
        ("tier", "tctx.tier"),
        ("sub_iss", "tctx.sub_iss"),
    ] {
        assert_eq!(blame(&|it| it.without(member), true), Some(name));
    }
    for (member, name) in [
        ("tenant", "tctx.tenant"),
        ("inc", "tctx.inc"),
        ("tier", "tctx.tier"),
        ("sub_iss", "tctx.sub_iss"),
        ("region", "tctx.region"),
        ("epoch", "tctx.epoch"),
        ("act", "tctx.act"),
    ] {
        assert_eq!(blame(&|it| it.with(member, VALUE), true), Some(name));
    }
    let acting = |act: &'static str| blame(&|it| it.with("act", act), true);
    assert_eq!(acting(r#"{"sub":7}"#), Some("tctx.act.sub"));
    assert_eq!(acting(r#"{}"#), Some("tctx.act.sub"));
    assert_eq!(acting(r#"{"sub":"a","iss":7}"#), Some("tctx.act.iss"));
    assert_eq!(acting(r#"{"sub":"hunter2\n"}"#), Some("tctx.act"));
}

#[test]
fn the_auditor_is_told_the_claim_of_a_bearer_token() {
    let blame = |change: &dyn Fn(Members) -> Members| {
        let issuer = TestIssuer::new(ISSUER);
        let world = World::of(&issuer);
        let token = issuer.sign(&change(Members::bearer()).json());
        blamed(&world, world.bearer(&token).map(|_| ()))
    };
    for name in ["aud", "exp", "iat", "sub", "tenant"] {
        assert_eq!(blame(&|it| it.without(name)), Some(name));
    }
    for name in ["aud", "exp", "iat", "nbf", "sub", "scope", "tenant", "act"] {
        assert_eq!(blame(&|it| it.with(name, "[7]")), Some(name));
    }
    assert_eq!(blame(&|it| it.without("scope").with("scp", "[7]")), Some("scp"));
    assert_eq!(blame(&|it| it.with("act", "{}")), Some("act.sub"));
    assert_eq!(blame(&|it| it.with("act", r#"{"sub":"a","iss":7}"#)), Some("act.iss"));
    for name in ["sub", "tenant", "scope"] {
        assert_eq!(blame(&|it| it.with(name, VALUE)), Some(name));
    }
    assert_eq!(blame(&|it| it.with("scp", r#""read""#)), Some("scp"), "beside a `scope`");
}
