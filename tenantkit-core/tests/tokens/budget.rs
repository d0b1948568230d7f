//! Bad tokens of one peer cost this process a bounded part of its time, where that was asked for, and
//! never cost another peer anything.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderMap, HeaderValue};
use tenantkit_core::{
    BearerPolicy, Inbound, Jwks, Peer, Reason, RefusalCode, Source, test_util::TestIssuer,
};

use crate::common::{ISSUER, Members, SECS, World, pair, txn};

fn from(world: &World, peer: &str, name: &'static str, value: &str) -> Result<(), Reason> {
    let peer = Peer::UNKNOWN.addr(peer.parse::<SocketAddr>().unwrap());
    judge(world, peer, name, value)
}

fn judge(world: &World, peer: Peer<'_>, name: &'static str, value: &str) -> Result<(), Reason> {
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    let source = if name == "txn-token" { Source::TxnToken } else { Source::Bearer };
    let listener = world.authority.listener().admit(source);
    let identified = listener.identify(Inbound::new(&headers).from(peer));
    identified.map(|_| ()).map_err(|refusal| refusal.reason())
}

/// A world, the header, a token that was seen, one that was not, a forged one, and two that hold for
/// somebody else or no longer.
type Case = (World, &'static str, [String; 5]);

fn cases(at_most: Option<u32>) -> [Case; 2] {
    let (edge, documents) = pair();
    let documents = match at_most {
        Some(at_most) => documents.failures_per_second(at_most),
        None => documents,
    };
    let txn_world = World::new(|builder| builder.txn_tokens(documents));
    let elsewhere = ("aud", r#""elsewhere""#);
    let old = [("iat", (SECS - 100).to_string()), ("exp", SECS.to_string())];
    let useless = |claims: Members| {
        let old = old.iter().fold(claims.clone(), |it, (name, value)| it.with(name, value));
        [claims.with(elsewhere.0, elsewhere.1), old]
    };
    let [txn_elsewhere, txn_old] = useless(Members::txn()).map(|claims| txn(&edge, &claims));
    let token = |sub: &str| txn(&edge, &Members::txn().with("sub", format!("{sub:?}")));
    let forged = txn(&pair().0, &Members::txn());

    let issuer = TestIssuer::new(ISSUER);
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let policy = BearerPolicy::new(ISSUER, "acmedocs").asserts_any_tenant();
    let bearer_world = World::new(|builder| match at_most {
        Some(at_most) => builder.bearer(jwks, policy).bearer_failures_per_second(at_most),
        None => builder.bearer(jwks, policy),
    });
    let [bearer_elsewhere, bearer_old] =
        useless(Members::bearer()).map(|claims| format!("Bearer {}", issuer.sign(&claims.json())));
    let bearer = |issuer: &TestIssuer, sub: &str| {
        let claims = Members::bearer().with("sub", format!("{sub:?}"));
        format!("Bearer {}", issuer.sign(&claims.json()))
    };
    let other = TestIssuer::new(ISSUER);
    [
        (txn_world, "txn-token", [token("alice"), token("bob"), forged, txn_elsewhere, txn_old]),
        (
            bearer_world,
            "authorization",
            [
                bearer(&issuer, "alice"),
                bearer(&issuer, "bob"),
                bearer(&other, "alice"),
                bearer_elsewhere,
                bearer_old,
            ],
        ),
    ]
}

#[test]
fn past_its_budget_a_peer_is_refused_without_a_look_at_the_signature() {
    for (world, header, [seen, unseen, forged, ..]) in cases(Some(2)) {
        let of = |peer: &str, value: &str| from(&world, peer, header, value);
        assert_eq!(of("192.0.2.1:1", &seen), Ok(()));
        assert_eq!(of("192.0.2.1:1", &forged), Err(Reason::BadSignature));
        assert_eq!(of("192.0.2.1:2", &forged), Err(Reason::BadSignature));
        assert_eq!(of("192.0.2.1:3", &forged), Err(Reason::LoadShed));
        assert_eq!(Reason::LoadShed.code(), RefusalCode::Overloaded);
        assert_eq!(of("192.0.2.1:3", &unseen), Err(Reason::LoadShed));

        assert_eq!(of("192.0.2.1:3", &seen), Ok(()), "what is known costs nothing");
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(of("192.0.2.1:3", &unseen), Ok(()), "the second is over");
    }
}

#[test]
fn unless_asked_for_one_caller_behind_a_proxy_has_nobody_refused() {
    for (world, header, [_, unseen, forged, ..]) in cases(None) {
        for _ in 0..2000 {
            assert_eq!(from(&world, "192.0.2.1:1", header, &forged), Err(Reason::BadSignature));
        }
        assert_eq!(from(&world, "192.0.2.1:1", header, &unseen), Ok(()));
    }
}

#[test]
fn peers_that_are_not_known_are_not_taken_for_one() {
    for (world, header, [_, unseen, forged, ..]) in cases(Some(2)) {
        for _ in 0..3 {
            let refused = judge(&world, Peer::UNKNOWN, header, &forged);
            assert_eq!(refused, Err(Reason::BadSignature));
        }
        assert_eq!(judge(&world, Peer::UNKNOWN, header, &unseen), Ok(()));
    }
}

#[test]
fn a_token_that_is_signed_and_useless_is_counted_as_well() {
    for (world, header, [_, unseen, _, elsewhere, old]) in cases(Some(2)) {
        let of = |value: &str| from(&world, "192.0.2.1:1", header, value);
        assert_eq!(of(&elsewhere), Err(Reason::WrongAudience));
        assert_eq!(of(&old), Err(Reason::Expired));
        assert_eq!(of(&old), Err(Reason::LoadShed));
        assert_eq!(of(&unseen), Err(Reason::LoadShed));
    }
}

#[test]
fn a_peers_budget_is_its_own() {
    for (world, header, [_, unseen, forged, ..]) in cases(Some(2)) {
        for _ in 0..3 {
            let _ = from(&world, "192.0.2.1:1", header, &forged);
        }
        // Of these, one may share the counter of the first, but not all.
        let free =
            (2..5).filter(|n| from(&world, &format!("192.0.2.{n}:1"), header, &unseen) == Ok(()));
        assert!(free.count() >= 1);
    }
}

#[test]
fn the_addresses_of_one_network_share_a_budget() {
    for (world, header, [_, unseen, forged, ..]) in cases(Some(2)) {
        for n in 1..=2 {
            let refused = from(&world, &format!("[2001:db8::{n}]:1"), header, &forged);
            assert_eq!(refused, Err(Reason::BadSignature));
        }
        assert_eq!(from(&world, "[2001:db8::3]:1", header, &unseen), Err(Reason::LoadShed));
    }
}

#[test]
fn tokens_that_hold_are_not_counted() {
    let (edge, documents) = pair();
    let world = World::new(|builder| builder.txn_tokens(documents.failures_per_second(2)));
    for n in 0..10 {
        let token = txn(&edge, &Members::txn().with("txn", format!("\"txn-{n}\"")));
        assert_eq!(from(&world, "192.0.2.1:1", "txn-token", &token), Ok(()));
    }
}
