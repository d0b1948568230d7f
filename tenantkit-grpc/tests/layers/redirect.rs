//! Redirects: each hop is judged by its own host.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use http::{Request, Response};
use tenantkit_core::{Reason, TenantStatus};
use tenantkit_grpc::ClientError;
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::follow_redirect::FollowRedirectLayer;

use crate::world::{World, current, text};

const START: &str = "https://a.internal/";

/// Follows redirects from [`START`] along `hops`; says of each request whether it had a token.
async fn follow(world: &World, hops: &'static [&str]) -> Vec<(String, bool)> {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let peers = {
        let seen = Arc::clone(&seen);
        service_fn(move |request: Request<Body>| {
            let mut seen = seen.lock().unwrap();
            seen.push((request.uri().to_string(), request.headers().contains_key("txn-token")));
            let answer = match hops.get(seen.len() - 1) {
                Some(next) => Response::builder().status(307).header("location", *next),
                None => Response::builder(),
            };
            std::future::ready(Ok::<_, Infallible>(answer.body(Body::empty()).unwrap()))
        })
    };
    let (capture, hop) = world.client_layer().trust("https://.internal").split();
    let client = ServiceBuilder::new()
        .layer(capture)
        .layer(FollowRedirectLayer::new())
        .layer(hop)
        .service(peers);
    // An explicit context and no scope: the extension is lost on the way, the capture is not.
    let mut request = Request::get(START).body(Body::empty()).unwrap();
    request.extensions_mut().insert(world.context("acme"));
    client.oneshot(request).await.unwrap();
    Arc::try_unwrap(seen).map_err(drop).map_or_else(|()| Vec::new(), |it| it.into_inner().unwrap())
}

#[tokio::test]
async fn a_hop_inside_the_trust_domain_carries_the_token_and_one_outside_nothing() {
    let world = World::new();
    const INSIDE: &str = "https://b.internal/x";
    const OUTSIDE: &str = "https://elsewhere.example/x";
    const PLAIN: &str = "http://b.internal/x";
    for (hops, expected) in [
        (&[INSIDE] as &'static [&str], vec![(START, true), (INSIDE, true)]),
        (&[OUTSIDE], vec![(START, true), (OUTSIDE, false)]),
        (&[PLAIN], vec![(START, true), (PLAIN, false)]),
        (&[OUTSIDE, INSIDE], vec![(START, true), (OUTSIDE, false), (INSIDE, true)]),
    ] {
        let seen = follow(&world, hops).await;
        let seen: Vec<_> = seen.iter().map(|(uri, token)| (uri.as_str(), *token)).collect();
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn the_first_hop_is_refused_and_not_sent_without_identity() {
    let world = World::new();
    let (capture, hop) = world.client_layer().trust("https://.internal").split();
    let peer = service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
        panic!("something went out")
    });
    let client = capture.layer(hop.layer(peer));
    let request = || Request::get("https://elsewhere.example/").body(Body::empty()).unwrap();
    let reason = |error: ClientError| error.refusal().unwrap().reason();

    let nobody = client.clone().oneshot(request()).await.unwrap_err();
    assert_eq!(reason(nobody), Reason::NoIdentity);
    let outside = world.context("acme").scope(client.oneshot(request())).unwrap();
    assert_eq!(reason(outside.await.unwrap_err()), Reason::OutsideTrustDomain);
    // The lower part alone lets nobody's work out either.
    let nobody = hop.layer(peer).oneshot(request()).await.unwrap_err();
    assert_eq!(reason(nobody), Reason::NoIdentity);
}

#[tokio::test]
async fn what_stands_between_the_parts_is_called_in_scope_and_only_for_a_context_of_this_authority()
{
    let world = World::new();
    let (capture, _) = world.client_layer().trust("https://.internal").split();
    let between = capture.layer(service_fn(|_: Request<Body>| {
        let seen = Body::from(current().unwrap_or_default());
        std::future::ready(Ok::<_, Infallible>(Response::new(seen)))
    }));
    let mut request = Request::get(START).body(Body::empty()).unwrap();
    request.extensions_mut().insert(world.context("acme"));
    assert_eq!(text(between.clone().oneshot(request).await.unwrap()).await, "acme");

    let mut foreign = Request::get(START).body(Body::empty()).unwrap();
    foreign.extensions_mut().insert(World::new().context("acme"));
    let refused = between.oneshot(foreign).await.unwrap_err();
    assert_eq!(refused.refusal().unwrap().reason(), Reason::ForeignAuthority);
}

#[tokio::test]
async fn a_hop_to_elsewhere_loses_the_token_of_an_earlier_one() {
    let world = World::new();
    let (_, hop) = world.client_layer().split();
    let peer = service_fn(async |request: Request<Body>| {
        assert!(request.headers().is_empty());
        Ok::<_, Infallible>(Response::new(Body::empty()))
    });
    let request = Request::get("https://elsewhere.example/").header("txn-token", "earlier");
    let call = hop.layer(peer).oneshot(request.body(Body::empty()).unwrap());
    world.context("acme").scope(call).unwrap().await.unwrap();
}

#[tokio::test]
async fn a_hop_is_a_door_wherever_it_leads() {
    let world = World::new();
    let (_, hop) = world.client_layer().trust("https://.internal").split();
    let peer = service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
        panic!("something went out")
    });
    let context = world.context("acme");
    let refused = async |to: &str, header: &str| {
        let request = Request::get(to).header(header, "globex").body(Body::empty());
        let mut request = request.unwrap();
        request.extensions_mut().insert(context.clone());
        hop.layer(peer).oneshot(request).await.unwrap_err().refusal().unwrap().reason()
    };
    for to in [START, "https://elsewhere.example/"] {
        // What stands between the parts adds no identity either.
        for header in ["x-tenant-id", "txn_token"] {
            assert_eq!(refused(to, header).await, Reason::NotAdmitted, "{to} {header}");
        }
    }
    world.set_status("acme", TenantStatus::Suspended);
    for to in [START, "https://elsewhere.example/"] {
        assert_eq!(refused(to, "accept").await, Reason::TenantSuspended, "{to}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_lower_part_is_still_a_refusal_above() {
    let (world, other) = (World::new(), World::new());
    let (capture, _) = world.client_layer().trust("https://.internal").split();
    let (_, hop) = other.client_layer().trust("https://.internal").split();
    let peer = service_fn(async |_: Request<Body>| -> Result<Response<Body>, Infallible> {
        panic!("something went out")
    });
    let call =
        capture.layer(hop.layer(peer)).oneshot(Request::get(START).body(Body::empty()).unwrap());
    let error = world.context("acme").scope(call).unwrap().await.unwrap_err();
    assert_eq!(error.refusal().expect("a refusal").reason(), Reason::ForeignAuthority);
}
