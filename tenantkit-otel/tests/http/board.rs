//! What the built-in page shows, to whom.

use std::{sync::Arc, time::Duration};

use http::Response;
use tenantkit_core::{
    CrossTenant, Door, Grant, Reason, Refusal, Subject,
    test_util::{TestAuthority, block_on},
};
use tenantkit_otel::board::Board;

use crate::world::{Frames, World};

fn grant(test: &TestAuthority) -> CrossTenant {
    let who = Subject::new("https://id.example".parse().unwrap(), "ada".parse().unwrap());
    let grant = Grant::new(who, "who is heavy?".parse().unwrap(), Duration::from_secs(60));
    block_on(test.authority().cross_tenant(TestAuthority::CROSS, grant)).unwrap()
}

#[test]
fn it_shows_tiers_the_heavy_and_the_refused_to_who_may_see_many_tenants() {
    let world = World::new();
    drop(world.call(Some(world.acme()), Response::new(Frames::default())));
    world.refusals.record(&Refusal::new(Reason::Expired, Door::Request), None);
    world.counts();
    let board = Board::new(world.tiers.clone(), Arc::clone(&world.top), world.refusals.clone())
        .latencies(Arc::clone(&world.latencies));
    let (who, authority) = (grant(&world.test), world.test.authority());
    let page = |path: &str, query| board.page(&who, authority, path, query).unwrap();

    let tiers = page("/tiers.json", None);
    assert!(tiers.body.contains(r#""tier":"gold","served":1"#), "{}", tiers.body);
    assert!(page("/top.json", Some("window=current")).body.contains("acme"));
    assert!(page("/refusals.json", None).body.contains("expired"));
    assert!(page("/latencies.json", None).body.contains(r#""within_250_ms":1"#));
    assert!(page("/latencies.json", None).body.contains(r#""failures_burn_1h":null"#));
    // One more, which fails.
    world.latencies.record_failure(&world.acme());
    world.latencies.mark(Duration::from_secs(10));
    let spent = page("/latencies.json", None).body;
    assert!(
        spent.contains(r#""failures_burn_1h":500.0,"slowness_burn_1h":0.0,"alert":"page""#),
        "{spent}"
    );
    let html = page("/", None);
    assert!(html.body.contains("<td class=n>500.0<td class=n>0.0<td>page"), "{}", html.body);
    assert!(html.body.contains("<td>acme") && html.body.contains("<td>gold"), "{}", html.body);
    assert_eq!((html.status, html.cache_control), (200, "no-store"));
    assert_eq!(page("/nowhere", None).status, 404);
    assert_eq!(page("/top.json", Some("x=1")).status, 400);

    // A grant of another authority, or one that is over, sees nothing.
    assert!(board.page(&grant(&TestAuthority::new()), authority, "/", None).is_err());
    world.advance(120_000);
    assert!(board.page(&who, authority, "/tiers.json", None).is_err());
}

#[test]
fn only_so_many_refusals_are_kept() {
    let world = World::new();
    for reason in [Reason::NoIdentity, Reason::Expired, Reason::RateExceeded, Reason::LoadShed] {
        world.refusals.record(&Refusal::new(reason, Door::Request), Some(&world.acme()));
    }
    let reasons: Vec<_> = world.refusals.newest_first().iter().map(|it| it.reason).collect();
    assert_eq!(reasons, ["load-shed", "rate-exceeded", "expired"]);
}
