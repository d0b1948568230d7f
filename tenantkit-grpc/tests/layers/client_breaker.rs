//! What the breaker learns of a call, and what it does with it.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tenantkit_core::{Reason, RefusalCode};
use tenantkit_grpc::{
    BoxError, ClientError,
    limit::{
        Deadline,
        client::{BreakerBody, BreakerLayer, Ending, Verdict},
    },
};
use tenantkit_limit::breaker::{Breaker, BreakerPolicy};
use tower::{Service, ServiceExt, service_fn};

use crate::world::{World, text};

const SECOND: Duration = Duration::from_secs(1);

/// One failure opens, one success closes.
fn breaker(world: &World) -> Breaker {
    let policy = BreakerPolicy::builder().min_calls(1).closes_after(1).build().unwrap();
    Breaker::new(policy, Arc::new(world.clock.clone()))
}

fn http() -> Request<Body> {
    Request::get("http://search.internal/").body(Body::empty()).unwrap()
}

fn grpc() -> Request<Body> {
    let mut request = http();
    *request.method_mut() = Method::POST;
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request
}

type Answer = Result<Response<Body>, BoxError>;

/// Makes a call of a tenant that the peer answers so.
async fn call(
    world: &World,
    layer: &BreakerLayer,
    tenant: &str,
    request: Request<Body>,
    answer: impl FnOnce() -> Answer,
) -> Result<Response<BreakerBody<Body>>, ClientError> {
    let mut answer = Some(answer);
    let mut service =
        layer.layer(service_fn(|_: Request<Body>| std::future::ready((answer.take().unwrap())())));
    let call = world.context(tenant).in_scope(|| service.call(request)).unwrap();
    call.await
}

fn status(code: u16) -> Answer {
    Ok(Response::builder().status(code).body(Body::from("body")).unwrap())
}

fn grpc_head(code: &str) -> Answer {
    Ok(Response::builder().header("grpc-status", code).body(Body::empty()).unwrap())
}

/// Frames of a gRPC answer; `Err` is a connection that broke off.
fn frames(messages: &[&'static str], end: Option<Result<&str, ()>>) -> Answer {
    let end = end.map(|end| match end {
        Ok(code) => {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", code.parse().unwrap());
            Ok(Frame::trailers(trailers))
        }
        Err(()) => Err(io::Error::other("reset")),
    });
    let messages = messages.iter().map(|it| Ok(Frame::data(Bytes::from_static(it.as_bytes()))));
    let frames: Vec<_> = messages.chain(end).collect();
    Ok(Response::new(Body::new(StreamBody::new(tokio_stream::iter(frames)))))
}

/// Whether the circuit opens by a call that is read to its end.
async fn opens(request: fn() -> Request<Body>, answer: fn() -> Answer) -> bool {
    let world = World::new();
    let breaker = breaker(&world);
    let layer = BreakerLayer::new(&world.authority, breaker.clone());
    if let Ok(answer) = call(&world, &layer, "acme", request(), answer).await {
        let _ = answer.into_body().collect().await;
    }
    let acme = *world.context("acme").tenant();
    breaker.call(&acme).is_err()
}

#[tokio::test]
async fn over_http_a_5xx_an_error_and_a_body_that_breaks_off_are_failures() {
    assert!(opens(http, || status(500)).await);
    assert!(opens(http, || status(503)).await);
    assert!(opens(http, || Err("reset".into())).await);
    assert!(opens(http, || frames(&["half"], Some(Err(())))).await);
    assert!(!opens(http, || status(200)).await);
    assert!(!opens(http, || status(404)).await);
    assert!(!opens(http, || status(429)).await);
    assert!(!opens(http, || status(501)).await);
    assert!(!opens(http, || frames(&["all"], None)).await);
    // Trailers of gRPC mean nothing over HTTP.
    assert!(!opens(http, || frames(&["all"], Some(Ok("14")))).await);
}

#[tokio::test]
async fn over_grpc_the_status_counts_wherever_it_stands() {
    assert!(opens(grpc, || grpc_head("14")).await);
    assert!(opens(grpc, || frames(&[], Some(Ok("14")))).await);
    assert!(opens(grpc, || frames(&["one", "two"], Some(Ok("13")))).await);
    assert!(opens(grpc, || frames(&["one"], Some(Err(())))).await);
    assert!(opens(grpc, || frames(&["one"], Some(Ok("what")))).await);
    assert!(opens(grpc, || frames(&["one"], None)).await, "it ended without a status");
    assert!(opens(grpc, || status(503)).await, "a proxy in front");
    assert!(!opens(grpc, || grpc_head("8")).await);
    assert!(!opens(grpc, || frames(&["one"], Some(Ok("0")))).await);
    assert!(!opens(grpc, || frames(&[], Some(Ok("5")))).await);
}

#[tokio::test]
async fn what_counts_as_a_failure_is_the_users_to_say() {
    let world = World::new();
    let breaker = breaker(&world);
    let layer = BreakerLayer::new(&world.authority, breaker.clone());
    let layer = layer.judge_by(|ending| match ending {
        Ending::Http(status) if status.as_u16() == 404 => Verdict::Failed,
        Ending::Http(status) if status.as_u16() == 500 => Verdict::SaysNothing,
        other => other.verdict(),
    });
    call(&world, &layer, "acme", http(), || status(500)).await.unwrap();
    assert_eq!(breaker.tracked(), 0);
    call(&world, &layer, "acme", http(), || status(404)).await.unwrap();
    assert_eq!(breaker.tracked(), 1);
}

#[tokio::test]
async fn an_open_circuit_refuses_here_and_only_that_tenant() {
    let world = World::new();
    let layer = BreakerLayer::new(&world.authority, breaker(&world));
    let _ = call(&world, &layer, "acme", http(), || status(500)).await;
    let none = || -> Answer { panic!("it was sent") };
    let error = call(&world, &layer, "acme", http(), none).await.unwrap_err();
    let refusal = error.refusal().unwrap();
    assert_eq!(refusal.code(), RefusalCode::CircuitOpen);
    assert_eq!(refusal.wait(), Some(SECOND));
    let answer = call(&world, &layer, "acme", grpc(), none).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "14");
    assert!(answer.headers().contains_key("grpc-status-details-bin"));
    assert_eq!(text(answer).await, "");
    call(&world, &layer, "globex", http(), || status(200)).await.unwrap();

    world.clock.advance(SECOND);
    text(call(&world, &layer, "acme", http(), || status(200)).await.unwrap()).await;
    call(&world, &layer, "acme", http(), || status(200)).await.unwrap();
}

#[tokio::test]
async fn a_call_that_is_nobodys_work_is_not_made() {
    let world = World::new();
    let layer = BreakerLayer::new(&world.authority, breaker(&world));
    let service = layer.layer(service_fn(async |_: Request<Body>| -> Answer { panic!("sent") }));
    let error = service.clone().oneshot(http()).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason(), Reason::NoIdentity);
    assert_eq!(service.oneshot(grpc()).await.unwrap().headers()["grpc-status"], "16");
    // Another authority's context opens no door here.
    let mut request = http();
    request.extensions_mut().insert(World::new().context("acme"));
    let service = layer.layer(service_fn(async |_: Request<Body>| -> Answer { panic!("sent") }));
    let error = service.oneshot(request).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason(), Reason::ForeignAuthority);
}

#[tokio::test]
async fn what_a_layer_below_refuses_says_nothing_about_the_peer() {
    let world = World::new();
    let breaker = breaker(&world);
    let layer = BreakerLayer::new(&world.authority, breaker.clone());
    let peer = service_fn(async |_: Request<Body>| -> Answer { panic!("it was sent") });
    // Nobody declared the host.
    let client = layer.layer(world.client_layer().layer(peer));
    for request in [http(), grpc()] {
        let call = client.clone().oneshot(request);
        let _ = world.context("acme").scope(call).unwrap().await;
    }
    // Nobody waits for it.
    let client = layer.layer(tenantkit_grpc::limit::client::DeadlineLayer::new().layer(peer));
    for mut request in [http(), grpc()] {
        request.extensions_mut().insert(Deadline::after(Duration::ZERO).unwrap());
        let call = client.clone().oneshot(request);
        let _ = world.context("acme").scope(call).unwrap().await;
    }
    assert_eq!(breaker.tracked(), 0);
}

/// Opens the circuit of `acme`, and lets its time pass, so that the next call is the only probe.
async fn half_open(world: &World) -> (BreakerLayer, Breaker) {
    let breaker = breaker(world);
    let layer = BreakerLayer::new(&world.authority, breaker.clone());
    let _ = call(world, &layer, "acme", http(), || status(500)).await;
    world.clock.advance(SECOND);
    (layer, breaker)
}

/// Answers after so many polls, with a body of so many frames that each take a poll as well.
struct Polls(usize);

impl Future for Polls {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(()) };
        self.0 = left;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

#[tokio::test]
async fn a_probe_dropped_at_any_poll_makes_place_for_another() {
    for polls in 0..8 {
        let world = World::new();
        let (layer, breaker) = half_open(&world).await;
        let acme = *world.context("acme").tenant();
        let client = layer.layer(service_fn(async |_: Request<Body>| {
            Polls(3).await;
            let body = async_stream(3);
            Ok::<_, Infallible>(Response::new(body))
        }));
        let mut work = Box::pin(
            world
                .context("acme")
                .scope(async move {
                    let answer = client.oneshot(grpc()).await.unwrap();
                    let _ = answer.into_body().collect().await;
                })
                .unwrap(),
        );
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..polls {
            assert!(work.as_mut().poll(&mut cx).is_pending());
        }
        if polls > 0 {
            assert!(breaker.call(&acme).is_err(), "one probe at a time: {polls}");
        }
        drop(work);
        drop(breaker.call(&acme).unwrap());
    }
}

/// A body whose frames each take a poll.
fn async_stream(frames: usize) -> Body {
    let stream = tokio_stream::iter(0..frames);
    let stream = tokio_stream::StreamExt::then(stream, |_| async {
        Polls(2).await;
        Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"x")))
    });
    Body::new(StreamBody::new(stream))
}

#[tokio::test]
async fn a_probe_whose_answer_nobody_reads_counts_by_its_head_over_http() {
    let world = World::new();
    let (layer, breaker) = half_open(&world).await;
    let acme = *world.context("acme").tenant();
    drop(call(&world, &layer, "acme", http(), || status(200)).await.unwrap());
    let _closed = [breaker.call(&acme).unwrap(), breaker.call(&acme).unwrap()];
}

#[tokio::test]
async fn a_panic_below_is_a_failure() {
    let world = World::new();
    let breaker = breaker(&world);
    let layer = BreakerLayer::new(&world.authority, breaker.clone());
    let work = call(&world, &layer, "acme", http(), || panic!("below"));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        tenantkit_core::test_util::block_on(work).map(drop)
    }));
    assert!(panicked.is_err());
    assert_eq!(breaker.tracked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_after_its_deadline_is_too_slow_and_before_says_nothing() {
    let world = World::new();
    let calls = Arc::new(AtomicUsize::new(0));
    for (patience, deadline, tracked) in [
        (None, None, 0),
        (None, Some(SECOND), 1),
        (None, Some(SECOND * 3), 0),
        (Some(SECOND), None, 1),
        (Some(SECOND * 3), Some(SECOND), 1),
        (Some(SECOND * 3), None, 0),
    ] {
        let breaker = breaker(&world);
        let layer = BreakerLayer::new(&world.authority, breaker.clone());
        let layer = patience.into_iter().fold(layer, BreakerLayer::too_slow_after);
        let count = Arc::clone(&calls);
        let client = layer.layer(service_fn(move |_: Request<Body>| {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::pending::<Answer>()
        }));
        let mut request = http();
        request.extensions_mut().extend(deadline.and_then(Deadline::after).map_or_else(
            http::Extensions::new,
            |it| {
                let mut extensions = http::Extensions::new();
                extensions.insert(it);
                extensions
            },
        ));
        let call = world.context("acme").scope(client.oneshot(request)).unwrap();
        assert!(tokio::time::timeout(SECOND * 2, call).await.is_err());
        assert_eq!(breaker.tracked(), tracked, "{patience:?} {deadline:?}");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn a_probe_over_grpc_that_brought_a_message_and_is_dropped_has_succeeded() {
    for (read, is_closed) in [(0, false), (1, true)] {
        let world = World::new();
        let (layer, breaker) = half_open(&world).await;
        let acme = *world.context("acme").tenant();
        let answer = || frames(&["one", "two"], Some(Ok("0")));
        let mut body = call(&world, &layer, "acme", grpc(), answer).await.unwrap().into_body();
        for _ in 0..read {
            body.frame().await.unwrap().unwrap();
        }
        drop(body);
        let _first = breaker.call(&acme).unwrap();
        assert_eq!(breaker.call(&acme).is_ok(), is_closed);
    }
}

#[tokio::test(start_paused = true)]
async fn once_there_was_an_answer_it_takes_the_time_that_it_takes() {
    let world = World::new();
    let breaker = breaker(&world);
    let layer = BreakerLayer::new(&world.authority, breaker.clone()).too_slow_after(SECOND);
    for takes_out in [true, false] {
        let answer = || frames(&["one"], Some(Ok("0")));
        let body = call(&world, &layer, "acme", grpc(), answer).await.unwrap().into_body();
        tokio::time::advance(SECOND * 2).await;
        if takes_out {
            drop(body.into_inner());
        } else {
            drop(body);
        }
    }
    assert_eq!(breaker.tracked(), 0);
}
