//! Bad signatures of one peer cost this process a bounded part of its time.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderMap, HeaderValue};
use tenantkit_core::{
    BearerPolicy, Inbound, Jwks, Peer, Reason, RefusalCode, Source, test_util::TestIssuer,
};

use crate::common::{ISSUER, Members, World, pair, txn};

fn from(world: &World, peer: &str, name: &'static str, value: &str) -> Result<(), Reason> {
    let peer: SocketAddr = peer.parse().unwrap();
    let mut headers = HeaderMap::new();
    headers.insert(name, HeaderValue::from_str(value).unwrap());
    let source = if name == "txn-token" { Source::TxnToken } else { Source::Bearer };
    let listener = world.authority.listener().admit(source);
    let identified = listener.identify(Inbound::new(&headers).from(Peer::UNKNOWN.addr(peer)));
    identified.map(|_| ()).map_err(|refusal| refusal.reason())
}

/// A world, the header, a token that was seen, one that was not, and a forged one.
fn cases() -> [(World, &'static str, [String; 3]); 2] {
    let (edge, documents) = pair();
    let txn_world = World::new(|builder| builder.txn_tokens(documents.failures_per_second(2)));
    let token = |sub: &str| txn(&edge, &Members::txn().with("sub", format!("{sub:?}")));
    let forged = txn(&pair().0, &Members::txn());

    let issuer = TestIssuer::new(ISSUER);
    let jwks = Jwks::parse(&issuer.jwks()).unwrap();
    let policy = BearerPolicy::new(ISSUER, "acmedocs").asserts_any_tenant();
    let bearer_world =
        World::new(|builder| builder.bearer(jwks, policy).bearer_failures_per_second(2));
    let bearer = |issuer: &TestIssuer, sub: &str| {
        let claims = Members::bearer().with("sub", format!("{sub:?}"));
        format!("Bearer {}", issuer.sign(&claims.json()))
    };
    let other = TestIssuer::new(ISSUER);
    [
        (txn_world, "txn-token", [token("alice"), token("bob"), forged]),
        (
            bearer_world,
            "authorization",
            [bearer(&issuer, "alice"), bearer(&issuer, "bob"), bearer(&other, "alice")],
        ),
    ]
}

#[test]
fn past_its_budget_a_peer_is_refused_without_a_look_at_the_signature() {
    for (world, header, [seen, unseen, forged]) in cases() {
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
fn a_peers_budget_is_its_own() {
    for (world, header, [_, unseen, forged]) in cases() {
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
    for (world, header, [_, unseen, forged]) in cases() {
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
