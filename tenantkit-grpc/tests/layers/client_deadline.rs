//! A deadline goes with the work: into the calls that are made for it, and no further than it lasts.

use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tenantkit_core::TierSet;
use tenantkit_grpc::{
    ClientError,
    limit::{
        Deadline, LimitBody, LimitLayer,
        client::{DeadlineLayer, DeadlineService},
    },
    server::TenantBody,
};
use tenantkit_limit::{
    limits::Limits,
    policy::{Allowance, LimitPolicy},
    quota::Quota,
};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::world::World;

const SECOND: Duration = Duration::from_secs(1);

type Timeouts = Arc<Mutex<Vec<Option<String>>>>;

/// A peer that keeps the timeouts that it is told.
fn peer() -> (
    DeadlineService<
        impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + use<>,
    >,
    Timeouts,
) {
    let timeouts = Timeouts::default();
    let told = Arc::clone(&timeouts);
    let peer = service_fn(move |request: Request<Body>| {
        let timeout = request.headers().get("grpc-timeout");
        told.lock().unwrap().push(timeout.map(|it| it.to_str().unwrap().to_owned()));
        async { Ok(Response::new(Body::empty())) }
    });
    (DeadlineLayer::new().layer(peer), timeouts)
}

fn grpc() -> Request<Body> {
    let request = Request::post("/test.Documents/Get").header("content-type", "application/grpc");
    request.body(Body::empty()).unwrap()
}

fn until(mut request: Request<Body>, deadline: Duration) -> Request<Body> {
    request.extensions_mut().insert(Deadline::after(deadline).unwrap());
    request
}

#[tokio::test(start_paused = true)]
async fn a_call_says_what_remains_and_the_sooner_of_two() {
    let (client, timeouts) = peer();
    let with_header = |mut request: Request<Body>| {
        request.headers_mut().insert("grpc-timeout", "2S".parse().unwrap());
        request
    };
    let http = Request::get("/").body(Body::empty()).unwrap();
    for request in [
        grpc(),
        until(grpc(), SECOND),
        with_header(grpc()),
        with_header(until(grpc(), SECOND)),
        with_header(until(grpc(), SECOND * 3)),
        until(http, SECOND),
    ] {
        client.clone().oneshot(request).await.unwrap();
    }
    let late = until(grpc(), SECOND * 5);
    tokio::time::advance(SECOND * 4).await;
    client.oneshot(late).await.unwrap();
    let timeouts = timeouts.lock().unwrap();
    let timeouts: Vec<_> = timeouts.iter().map(Option::as_deref).collect();
    let (one, two) = (Some("1000000u"), Some("2000000u"));
    assert_eq!(timeouts, [None, one, two, one, two, None, one]);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_has_given_up_is_not_sent() {
    let (client, timeouts) = peer();
    let (over_grpc, over_http) =
        (until(grpc(), SECOND), until(Request::get("/").body(Body::empty()).unwrap(), SECOND));
    tokio::time::advance(SECOND).await;
    let status = client.clone().oneshot(over_grpc).await.unwrap();
    assert_eq!(status.headers()["grpc-status"], "4");
    assert!(status.into_body().into_inner().is_none());
    let error = client.oneshot(over_http).await.unwrap_err();
    assert!(matches!(error, ClientError::DeadlineExceeded));
    assert!(timeouts.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_and_its_body_call_goes_out_with_what_remains_and_nobody_elses_does() {
    let world = World::new();
    let tiers = TierSet::METALS;
    let policy = tiers.iter().fold(LimitPolicy::builder(tiers), |policy, tier| {
        policy.tier("reads", tier.as_str(), Allowance::unlimited())
    });
    let limits = Limits::builder(&world.authority, policy.build().unwrap()).build().unwrap();
    let (client, timeouts) = peer();
    let handler = {
        let client = client.clone();
        service_fn(move |_: Request<Body>| {
            let client = client.clone();
            async move {
                tokio::time::advance(SECOND).await;
                client.clone().oneshot(grpc()).await.unwrap();
                // A task of its own has none.
                tokio::spawn(client.clone().oneshot(grpc())).await.unwrap().unwrap();
                let frames = tokio_stream::StreamExt::then(tokio_stream::once(()), move |()| {
                    let client = client.clone();
                    async move {
                        client.oneshot(grpc()).await.unwrap();
                        Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))
                    }
                });
                Ok::<_, Infallible>(Response::new(Body::new(StreamBody::new(frames))))
            }
        })
    };
    let server = ServiceBuilder::new()
        .layer(world.inner_layer())
        .layer(LimitLayer::new(limits.resource("reads").unwrap()))
        .service(handler);
    let mut request = grpc();
    *request.method_mut() = Method::POST;
    let token = world.txn_token("acme").parse().unwrap();
    request.headers_mut().insert("txn-token", token);
    request.headers_mut().insert("grpc-timeout", "3S".parse().unwrap());
    let answer = server.oneshot(request).await.unwrap();
    assert_eq!(Deadline::current(), None);
    answer.into_body().collect().await.unwrap();
    client.oneshot(grpc()).await.unwrap();
    let timeouts = timeouts.lock().unwrap();
    let timeouts: Vec<_> = timeouts.iter().map(Option::as_deref).collect();
    assert_eq!(timeouts, [Some("2000000u"), None, Some("2000000u"), None]);
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_caller_has_given_up_is_not_begun_and_costs_nothing() {
    let world = World::new();
    let once = Quota::per_minute(1).burst(1);
    let server = limited(&world, Allowance::unlimited().rate(once.declare()));
    let request = |timeout: Option<&str>, content_type: &str| {
        let mut request = grpc();
        let headers = request.headers_mut();
        headers.insert("txn-token", world.txn_token("acme").parse().unwrap());
        headers.insert("content-type", content_type.parse().unwrap());
        timeout.map(|it| headers.insert("grpc-timeout", it.parse().unwrap()));
        request
    };
    for content_type in ["application/grpc", "application/grpc-web+proto"] {
        let answer = server.clone().oneshot(request(Some("0n"), content_type)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["grpc-status"], "4");
        assert_eq!(answer.headers()["content-type"], content_type);
    }
    // Over HTTP that header means nothing, and the quota is still there.
    let answer = server.clone().oneshot(request(Some("0n"), "text/plain")).await.unwrap();
    assert_eq!(crate::world::text(answer).await, "begun");
    let answer = server.oneshot(request(None, "application/grpc")).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "8");
}

/// A service of the tenant's with this allowance.
fn limited(
    world: &World,
    allowance: Allowance,
) -> impl Service<
    Request<Body>,
    Response = Response<TenantBody<LimitBody<Body>>>,
    Error = Infallible,
    Future: Send,
> + Clone
+ use<> {
    let tiers = TierSet::METALS;
    let policy = tiers.iter().fold(LimitPolicy::builder(tiers), |policy, tier| {
        policy.tier("reads", tier.as_str(), allowance)
    });
    let limits = Limits::builder(&world.authority, policy.build().unwrap()).build().unwrap();
    ServiceBuilder::new()
        .layer(world.inner_layer())
        .layer(LimitLayer::new(limits.resource("reads").unwrap()))
        .service(service_fn(async |_: Request<Body>| Ok(Response::new(Body::from("begun")))))
}
