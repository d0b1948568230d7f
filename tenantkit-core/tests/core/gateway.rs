//! `x-tenant-id` is believed only of the operator's gateways, where it is admitted.

use tenantkit_core::{Inbound, Peer, Reason, RefusalCode, Source, TenantContext};

use crate::world::{START, Says, World, id, map};

fn world() -> World {
    World::of(|builder| {
        builder
            .establish(Says::word(), tenantkit_core::Asserts::Any)
            .dangerous()
            .trust_gateway_header(|peer: Peer<'_>| {
                peer.addr.is_some_and(|addr| addr.ip().is_loopback())
                    || peer.certificate == Some(b"gateway")
            })
    })
}

fn judge(world: &World, peer: Peer<'_>, value: &str) -> Result<TenantContext, Reason> {
    let listener = world.authority.listener().admit(Source::GatewayHeader);
    let headers = map(&[("x-tenant-id", value)]);
    listener.identify(Inbound::new(&headers).from(peer)).map_err(|refusal| refusal.reason())
}

#[test]
fn a_gateway_is_known_by_its_address_or_its_certificate() {
    let world = world();
    let local = Peer::UNKNOWN.addr("127.0.0.1:9".parse().unwrap());
    let certified = Peer::UNKNOWN.addr("192.0.2.1:9".parse().unwrap()).certificate(b"gateway");
    for peer in [local, certified] {
        let context = judge(&world, peer, "acme").unwrap();
        assert_eq!(context.tenant(), &id("acme"));
        assert_eq!(context.provenance().established_by(), Source::GatewayHeader);
        assert!(context.expires() > START && context.expires().since(START).as_secs() <= 300);
    }
}

#[test]
fn everybody_else_is_refused_and_learns_nothing() {
    let world = world();
    let before = world.sink.events().len();
    for peer in [
        Peer::UNKNOWN,
        Peer::UNKNOWN.addr("192.0.2.1:9".parse().unwrap()),
        Peer::UNKNOWN.certificate(b"somebody"),
    ] {
        for value in ["acme", "nobody", "?"] {
            assert_eq!(judge(&world, peer, value).unwrap_err(), Reason::UntrustedPeer);
        }
    }
    assert_eq!(Reason::UntrustedPeer.code(), RefusalCode::Unverified);
    assert_eq!(world.directory.asked(), 0);
    assert_eq!(world.sink.events().len(), before + 9);
}

#[test]
fn a_gateway_that_sends_no_id_is_refused() {
    let local = Peer::UNKNOWN.addr("127.0.0.1:9".parse().unwrap());
    assert_eq!(judge(&world(), local, "Acme").unwrap_err(), Reason::MalformedHeader);
    assert_eq!(judge(&world(), local, "nobody").unwrap_err(), Reason::UnknownTenant);
}

#[test]
fn where_it_is_not_admitted_it_is_refused_even_from_a_gateway() {
    let world = world();
    let headers = map(&[("x-tenant-id", "acme"), ("x-word", "acme")]);
    let local = Peer::UNKNOWN.addr("127.0.0.1:9".parse().unwrap());
    let listener = world.authority.listener().admit(Says::WORD);
    let refusal = listener.identify(Inbound::new(&headers).from(local)).unwrap_err();
    assert_eq!(refusal.reason(), Reason::NotAdmitted);
}
