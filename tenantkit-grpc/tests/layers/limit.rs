//! The limits before a service: refused as the protocol wants it, and held until the body has ended.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use tenantkit_core::{TierSet, Waited};
use tenantkit_grpc::{
    limit::{Deadline, LimitLayer, Onward},
    server::TenantBody,
};
use tenantkit_limit::{
    concurrency::{Limit, Sharing},
    limits::{Limits, LimitsBuilder},
    policy::{Allowance, LimitPolicy},
    quota::Quota,
};
use tokio::sync::mpsc;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::world::{World, request, text};

const TWO: Quota = Quota::per_second(1).burst(2).and_per_minute(30).declare();
const FREE: Allowance = Allowance::unlimited();
/// The global limit is one, and one tenant may have it.
const ALL_FOR_ONE: Sharing = Sharing::DEFAULT.tenant_percent(100).reserve_percent(0);

fn limits(world: &World, allowance: Allowance) -> LimitsBuilder {
    let tiers = TierSet::METALS;
    let policy = tiers.iter().fold(LimitPolicy::builder(tiers), |policy, tier| {
        policy.tier("exports", tier.as_str(), allowance)
    });
    Limits::builder(&world.authority, policy.build().unwrap())
}

fn layer(limits: LimitsBuilder) -> LimitLayer {
    LimitLayer::new(limits.build().unwrap().resource("exports").unwrap())
}

/// A body that ends when the test says so.
struct Slow(mpsc::UnboundedReceiver<Frame<Bytes>>);

impl http_body::Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}

type Frames = Arc<Mutex<Vec<mpsc::UnboundedSender<Frame<Bytes>>>>>;

/// A service of the tenant's behind the limits, whose bodies end when their senders do.
fn slow_service(
    world: &World,
    layer: LimitLayer,
) -> (
    impl Service<
        Request<Body>,
        Response = Response<TenantBody<tenantkit_grpc::limit::LimitBody<Slow>>>,
        Error = Infallible,
        Future: Send,
    > + Clone
    + use<>,
    Frames,
) {
    let frames = Frames::default();
    let started = Arc::clone(&frames);
    let service = service_fn(move |_: Request<Body>| {
        let (sender, receiver) = mpsc::unbounded_channel();
        started.lock().unwrap().push(sender);
        async { Ok(Response::new(Slow(receiver))) }
    });
    let service = ServiceBuilder::new().layer(world.inner_layer()).layer(layer).service(service);
    (service, frames)
}

fn from(world: &World, tenant: &str) -> Request<Body> {
    request(&[("txn-token", &world.txn_token(tenant))])
}

fn over_grpc(world: &World, tenant: &str) -> Request<Body> {
    request(&[("txn-token", &world.txn_token(tenant)), ("content-type", "application/grpc")])
}

#[tokio::test]
async fn the_rate_is_refused_with_the_wait_and_the_standing_and_another_tenant_is_not() {
    let world = World::new();
    let (service, _frames) = slow_service(&world, layer(limits(&world, FREE.rate(TWO))));
    for _ in 0..2 {
        let answer = service.clone().oneshot(from(&world, "acme")).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(!answer.headers().contains_key("ratelimit"), "unless asked for");
    }
    let refused = service.clone().oneshot(from(&world, "acme")).await.unwrap();
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert_eq!(refused.headers()["ratelimit-policy"], r#""1s";q=1;w=1, "60s";q=30;w=60"#);
    assert_eq!(refused.headers()["ratelimit"], r#""1s";r=0;t=2, "60s";r=28;t=4"#);
    assert!(text(refused).await.contains("urn:tenantkit:rate-limited"));

    let answer = service.clone().oneshot(from(&world, "globex")).await.unwrap();
    assert_eq!(answer.status(), 200);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(service.oneshot(from(&world, "acme")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn who_asks_for_it_is_told_how_it_stands_with_every_answer() {
    let world = World::new();
    let limited = layer(limits(&world, FREE.rate(TWO))).tell_standing();
    let (service, _frames) = slow_service(&world, limited);
    let answer = service.oneshot(from(&world, "acme")).await.unwrap();
    assert_eq!(answer.headers()["ratelimit"], r#""1s";r=1;t=1, "60s";r=29;t=2"#);
}

#[tokio::test]
async fn over_grpc_a_refusal_is_resource_exhausted_with_the_wait_in_its_details() {
    let world = World::new();
    let (service, _frames) = slow_service(&world, layer(limits(&world, FREE.in_flight(1))));
    let _held = service.clone().oneshot(over_grpc(&world, "acme")).await.unwrap();
    let refused = service.oneshot(over_grpc(&world, "acme")).await.unwrap();
    assert_eq!(refused.status(), 200);
    assert_eq!(refused.headers()["grpc-status"], "8");
    assert!(refused.headers().contains_key("grpc-status-details-bin"));
    assert!(!refused.headers().contains_key("ratelimit"));
}

#[tokio::test]
async fn a_permit_is_held_until_the_body_has_ended_and_not_only_until_the_handler_has() {
    let world = World::new();
    let (service, frames) = slow_service(&world, layer(limits(&world, FREE.in_flight(1))));
    let answer = service.clone().oneshot(from(&world, "acme")).await.unwrap();
    let refused = service.clone().oneshot(from(&world, "acme")).await.unwrap();
    assert_eq!(refused.status(), 429);
    frames.lock().unwrap().clear();
    text(answer).await;
    assert_eq!(service.oneshot(from(&world, "acme")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_body_that_is_dropped_gives_its_permit_back() {
    let world = World::new();
    let (service, _frames) = slow_service(&world, layer(limits(&world, FREE.in_flight(1))));
    for _ in 0..3 {
        let answer = service.clone().oneshot(from(&world, "acme")).await.unwrap();
        assert_eq!(answer.status(), 200);
        drop(answer);
        // The task that held the body to its deadline lets go of it.
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_permit_that_is_lent_is_held_until_the_work_has_ended_though_the_caller_has_hung_up() {
    let world = World::new();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keeper = Arc::clone(&kept);
    let service = service_fn(move |request: Request<Body>| {
        keeper.lock().unwrap().push(request.extensions().get::<Onward>().unwrap().clone());
        // The caller may wait for ever.
        std::future::pending::<Result<Response<Body>, Infallible>>()
    });
    let limited = layer(limits(&world, FREE.in_flight(1))).lend_permit();
    let service = ServiceBuilder::new().layer(world.inner_layer()).layer(limited).service(service);
    let hangs_up = |service: &_| {
        let service = Clone::clone(service);
        let call = ServiceExt::oneshot(service, from(&world, "acme"));
        tokio::time::timeout(Duration::ZERO, call)
    };

    assert!(hangs_up(&service).await.is_err(), "it works");
    let refused = hangs_up(&service).await.unwrap().unwrap();
    assert_eq!(refused.status(), 429, "the caller has gone, and the work goes on");
    kept.lock().unwrap().clear();
    assert!(hangs_up(&service).await.is_err(), "the work has ended");
}

#[tokio::test]
async fn grpc_trailers_end_the_work_though_the_body_is_kept() {
    let world = World::new();
    let (service, frames) = slow_service(&world, layer(limits(&world, FREE.in_flight(1))));
    let answer = service.clone().oneshot(over_grpc(&world, "acme")).await.unwrap();
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    frames.lock().unwrap()[0].send(Frame::trailers(trailers)).unwrap();
    let mut body = Box::pin(answer.into_body());
    let frame = std::future::poll_fn(|cx| http_body::Body::poll_frame(body.as_mut(), cx)).await;
    assert!(frame.unwrap().unwrap().is_trailers());
    let next = service.oneshot(over_grpc(&world, "acme")).await.unwrap();
    assert!(!next.headers().contains_key("grpc-status"), "it is served");
    drop(body);
}

#[tokio::test]
async fn a_handler_that_panics_gives_its_permit_back() {
    let world = World::new();
    let service = ServiceBuilder::new()
        .layer(world.inner_layer())
        .layer(layer(limits(&world, FREE.in_flight(1))))
        .service(service_fn(async |request: Request<Body>| {
            assert!(request.headers().contains_key("x-fine"), "the handler's own panic");
            Ok::<_, Infallible>(Response::new(Body::empty()))
        }));
    for _ in 0..3 {
        let call = service.clone().oneshot(from(&world, "acme"));
        assert!(tokio::spawn(call).await.unwrap_err().is_panic());
    }
    let mut fine = from(&world, "acme");
    fine.headers_mut().insert("x-fine", "yes".parse().unwrap());
    assert_eq!(service.oneshot(fine).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_the_process_is_served_when_there_is_room_and_refused_when_there_is_none_in_time()
 {
    let world = World::new();
    let limits =
        limits(&world, FREE).concurrency(|it| it.global(Limit::fixed(1)).sharing(ALL_FOR_ONE));
    let (service, _frames) = slow_service(&world, layer(limits).max_wait(Duration::from_secs(2)));
    let held = service.clone().oneshot(from(&world, "acme")).await.unwrap();

    let refused = service.clone().oneshot(from(&world, "globex")).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.headers()["retry-after"], "2");
    // What counts who waits reads it there.
    let waited = |answer: &Response<_>| answer.extensions().get().map(|it: &Waited| it.duration());
    assert_eq!(waited(&held), None);
    assert!(waited(&refused).unwrap() >= Duration::from_secs(2));

    let waits = tokio::spawn(service.clone().oneshot(from(&world, "globex")));
    let given_up = tokio::spawn(service.oneshot(from(&world, "globex")));
    tokio::task::yield_now().await;
    given_up.abort();
    tokio::time::sleep(Duration::from_millis(30)).await;
    drop(held);
    let served = waits.await.unwrap().unwrap();
    assert_eq!(served.status(), 200);
    let waited = waited(&served).unwrap();
    assert!((30..40).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn work_whose_caller_has_given_up_is_not_started() {
    let world = World::new();
    let limits =
        limits(&world, FREE).concurrency(|it| it.global(Limit::fixed(1)).sharing(ALL_FOR_ONE));
    let (service, frames) = slow_service(&world, layer(limits));
    let held = service.clone().oneshot(over_grpc(&world, "acme")).await.unwrap();
    let mut hurried = over_grpc(&world, "globex");
    hurried.headers_mut().insert("grpc-timeout", "1m".parse().unwrap());
    let answer = tokio::spawn(service.oneshot(hurried));
    tokio::time::sleep(Duration::from_millis(2)).await;
    drop(held);
    let answer = answer.await.unwrap().unwrap();
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert_eq!(frames.lock().unwrap().len(), 1, "the second never began");
}

#[tokio::test]
async fn a_handler_can_ask_when_its_caller_gives_up() {
    let world = World::new();
    let service = ServiceBuilder::new()
        .layer(world.inner_layer())
        .layer(layer(limits(&world, FREE)))
        .service(service_fn(async |request: Request<Body>| {
            let deadline = request.extensions().get::<Deadline>().map(|it| it.remaining());
            Ok::<_, Infallible>(Response::new(Body::from(format!("{}", deadline.is_some()))))
        }));
    let mut hurried = over_grpc(&world, "acme");
    hurried.headers_mut().insert("grpc-timeout", "10S".parse().unwrap());
    assert_eq!(text(service.clone().oneshot(hurried).await.unwrap()).await, "true");
    assert_eq!(text(service.oneshot(over_grpc(&world, "acme")).await.unwrap()).await, "false");
}

#[tokio::test]
async fn a_request_that_no_tenant_layer_let_in_is_refused() {
    let world = World::new();
    let service = layer(limits(&world, FREE)).layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    assert_eq!(service.oneshot(request(&[])).await.unwrap().status(), 401);
}
