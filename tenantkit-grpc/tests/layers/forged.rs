//! Header forgeries, each known from another system: refused, not stripped, and the handler never
//! runs.

use std::{
    cell::Cell,
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use proptest::test_runner::{Config, TestRunner};
use tenantkit_core::{MAX_IDENTITY_HEADER_LEN, Source, test_util::block_on};
use tenantkit_grpc::TenantLayer;
use tower::{ServiceExt, service_fn};

use crate::world::{World, current, request, text};

/// The status and the reason that a request is refused with.
async fn refused(layer: TenantLayer, request: Request<Body>) -> (u16, String) {
    let calls = AtomicUsize::new(0);
    let service = layer.layer(service_fn(async |_| {
        calls.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let answer = service.oneshot(request).await.unwrap();
    assert_eq!(calls.into_inner(), 0, "the handler ran");
    let status = answer.status().as_u16();
    let problem: serde_json::Value = serde_json::from_str(&text(answer).await).unwrap();
    (status, problem["reason"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn an_identity_header_that_is_not_admitted_is_refused_beside_a_good_one() {
    let world = World::new();
    let (bearer, txn) = (world.bearer("acme"), world.txn_token("acme"));
    let edge = [("authorization", bearer.as_str())];
    let inner = [("txn-token", txn.as_str())];
    for forged in [("txn-token", txn.as_str()), ("x-tenant-id", "globex")] {
        let answer = refused(world.edge_layer(), request(&[edge[0], forged])).await;
        assert_eq!(answer, (401, "not-admitted".to_owned()), "{}", forged.0);
    }
    for forged in [("authorization", bearer.as_str()), ("x-tenant-id", "acme")] {
        let answer = refused(world.inner_layer(), request(&[inner[0], forged])).await;
        assert_eq!(answer, (401, "not-admitted".to_owned()), "{}", forged.0);
    }
}

#[tokio::test]
async fn look_alikes_duplicates_and_hop_by_hop_names_are_refused() {
    let world = World::new();
    let (token, other) = (world.txn_token("acme"), world.txn_token("globex"));
    let oversize = "a".repeat(MAX_IDENTITY_HEADER_LEN + 1);
    let good = ("txn-token", token.as_str());
    for (headers, reason) in [
        (vec![good, ("txn_token", "x")], "aliased-header"),
        (vec![good, ("x_tenant_id", "globex")], "aliased-header"),
        (vec![good, ("x-tenant_id", "globex")], "aliased-header"),
        (vec![good, ("txn-token", &other)], "duplicate-header"),
        (vec![good, good], "duplicate-header"),
        (vec![good, ("connection", "txn-token")], "hop-by-hop-header"),
        (vec![good, ("connection", "keep-alive, Txn-Token")], "hop-by-hop-header"),
        (vec![good, ("connection", "x-tenant-id")], "hop-by-hop-header"),
        (vec![("txn-token", &oversize)], "oversize-header"),
        (vec![("txn-token", "")], "malformed-header"),
        (vec![("txn-token", "gibberish")], "malformed-token"),
        (vec![], "no-identity"),
    ] {
        let answer = refused(world.inner_layer(), request(&headers)).await;
        assert_eq!(answer, (401, reason.to_owned()), "{reason}");
    }

    let mut latin = request(&[]);
    let value = HeaderValue::from_bytes(b"ey\xe4").unwrap();
    latin.headers_mut().insert("txn-token", value);
    assert_eq!(refused(world.inner_layer(), latin).await.1, "malformed-header");
}

#[tokio::test]
async fn two_identities_that_disagree_are_refused_whatever_their_order() {
    let world = World::new();
    let both = || TenantLayer::new(&world.authority).admit(Source::Bearer).admit(Source::TxnToken);
    for (outside, inside) in [("acme", "globex"), ("globex", "acme")] {
        let headers =
            [("authorization", world.bearer(outside)), ("txn-token", world.txn_token(inside))];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let answer = refused(both(), request(&headers)).await;
        assert_eq!(answer, (403, "sources-disagree".to_owned()));
    }
    assert_eq!(world.audited().len(), 2);
}

#[tokio::test]
async fn no_method_needs_no_identity() {
    let world = World::new();
    for method in ["OPTIONS", "HEAD", "CONNECT", "TRACE", "PURGE"] {
        let mut nobody = request(&[]);
        *nobody.method_mut() = method.parse().unwrap();
        let answer = refused(world.inner_layer(), nobody).await;
        assert_eq!(answer, (401, "no-identity".to_owned()), "{method}");
    }
}

#[tokio::test]
async fn trailers_are_never_identity() {
    let world = World::new();
    let trailing = |tenant: &str| {
        let token = world.txn_token(tenant).parse().unwrap();
        let trailers = [(HeaderName::from_static("txn-token"), token)].into_iter().collect();
        let frames = [Frame::data("data".into()), Frame::trailers(trailers)];
        Body::new(StreamBody::new(tokio_stream::iter(frames.map(Ok::<Frame<Bytes>, Infallible>))))
    };
    let answer = refused(world.inner_layer(), request(&[]).map(|_| trailing("acme"))).await;
    assert_eq!(answer, (401, "no-identity".to_owned()));

    let service = world.inner_layer().layer(service_fn(async |request: Request<Body>| {
        let read = request.into_body().collect().await.unwrap();
        assert!(read.trailers().is_some());
        Ok::<_, Infallible>(Response::new(Body::from(current().unwrap())))
    }));
    let acme = request(&[("txn-token", &world.txn_token("acme"))]).map(|_| trailing("globex"));
    assert_eq!(text(service.oneshot(acme).await.unwrap()).await, "acme");
}

#[tokio::test]
async fn a_host_that_can_be_read_in_two_ways_is_refused() {
    let world = World::new();
    let mut request = request(&[("txn-token", &world.txn_token("acme"))]);
    *request.uri_mut() = "http://acme.example@globex.example/".parse().unwrap();
    let answer = refused(world.inner_layer(), request).await;
    assert_eq!(answer, (401, "malformed-header".to_owned()));
}

#[tokio::test]
async fn two_hosts_are_refused() {
    let world = World::new();
    let token = world.txn_token("acme");
    let good = ("txn-token", token.as_str());
    for hosts in [
        vec![("host", "globex.example")],
        vec![("host", "acmedocs.example"), ("host", "acmedocs.example")],
    ] {
        let headers = [vec![good], hosts].concat();
        let answer = refused(world.inner_layer(), request(&headers)).await;
        assert_eq!(answer, (401, "duplicate-header".to_owned()));
    }
    assert_eq!(world.audited().len(), 2);
}

#[tokio::test]
async fn a_layer_that_was_not_told_what_to_admit_refuses_everybody() {
    let world = World::new();
    let layer = || TenantLayer::new(&world.authority);
    let no_layer = (401, "no-layer".to_owned());
    assert_eq!(refused(layer(), request(&[])).await, no_layer);
    let token = world.txn_token("acme");
    assert_eq!(refused(layer(), request(&[("txn-token", &token)])).await, no_layer);
}

#[tokio::test]
async fn an_expired_token_is_refused_on_a_cache_hit_too() {
    let world = World::new();
    let token = world.txn_token("acme");
    let service = world
        .inner_layer()
        .layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty()))));
    let answer = service.oneshot(request(&[("txn-token", &token)])).await.unwrap();
    assert_eq!(answer.status(), 200);
    world.clock.advance(crate::world::LIFE);
    let answer = refused(world.inner_layer(), request(&[("txn-token", &token)])).await;
    assert_eq!(answer, (401, "expired".to_owned()));
}

/// Whether a request with these headers may come in: said again, in other words.
fn may_come_in(headers: &[(&str, &str)], tokens: &[String; 2]) -> bool {
    let all =
        |name: &str| headers.iter().filter(|it| it.0 == name).map(|it| it.1).collect::<Vec<_>>();
    let tokens = tokens.each_ref().map(String::as_str);
    let identity = ["txn-token", "x-tenant-id", "authorization"];
    matches!(all("txn-token")[..], [token] if tokens.contains(&token))
        && !headers
            .iter()
            .any(|(name, _)| ["txn_token", "x-tenant-id", "authorization"].contains(name))
        && !all("connection").iter().flat_map(|it| it.split(", ")).any(|it| identity.contains(&it))
        && matches!(all("host")[..], [] | ["acmedocs.example"])
}

#[test]
fn whatever_headers_come_only_one_good_token_comes_in() {
    const NAMES: [&str; 8] = [
        "txn-token",
        "txn-token",
        "txn_token",
        "x-tenant-id",
        "authorization",
        "connection",
        "host",
        "accept",
    ];
    let world = World::new();
    let tokens = [world.txn_token("acme"), world.txn_token("globex")];
    let values = [
        tokens[0].clone(),
        tokens[0].clone(),
        tokens[1].clone(),
        world.bearer("acme"),
        "acme".to_owned(),
        "acmedocs.example".to_owned(),
        "close, txn-token".to_owned(),
        "keep-alive".to_owned(),
    ];
    let service = world.inner_layer().layer(service_fn(async |_: Request<Body>| {
        let mut answer = Response::new(Body::empty());
        *answer.status_mut() = http::StatusCode::ACCEPTED;
        Ok::<_, Infallible>(answer)
    }));

    let header = (0..NAMES.len(), 0..values.len());
    let (admitted, refused) = (Cell::new(0), Cell::new(0));
    let mut runner =
        TestRunner::new(Config { cases: 2_000, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&proptest::collection::vec(header, 0..4), |picked| {
        let headers: Vec<_> =
            picked.iter().map(|(n, v)| (NAMES[*n], values[*v].as_str())).collect();
        let answer = block_on(service.clone().oneshot(request(&headers))).unwrap();
        let expected = may_come_in(&headers, &tokens);
        proptest::prop_assert_eq!(answer.status() == 202, expected, "{:?}", headers);
        let count = if expected { &admitted } else { &refused };
        count.set(count.get() + 1);
        Ok(())
    });
    outcome.unwrap();
    // It says nothing unless both happen often.
    let (admitted, refused) = (admitted.get(), refused.get());
    assert!(admitted > 20 && refused > 20, "{admitted} admitted, {refused} refused");
}
