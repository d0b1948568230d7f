//! What is sent again, after how long, and what is not.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Collected, StreamBody};
use tenantkit_core::{Door, Reason, Refusal, TenantStatus};
use tenantkit_grpc::{
    BoxError, ClientError,
    limit::{
        Deadline, IdempotencyKey,
        client::{RetryBody, RetryLayer},
    },
};
use tenantkit_limit::retry::{Backoff, RetryBudget, RetryPolicy};
use tokio::time::Instant;
use tower::{Service, ServiceExt, service_fn};

use crate::world::{World, text};

const SECOND: Duration = Duration::from_secs(1);

/// What the peer does with an attempt.
enum Does {
    Answer(Response<Body>),
    Fail,
    /// Reads so many frames of the upload, and fails.
    FailAfter(usize),
}

/// A peer that does what it is told, in turn, and then answers well; and what it got.
#[derive(Clone, Default)]
struct Peer {
    script: Arc<Mutex<VecDeque<Does>>>,
    got: Arc<Mutex<Vec<Got>>>,
}

struct Got {
    at: Instant,
    headers: HeaderMap,
    body: Bytes,
    whose: Option<String>,
}

impl Peer {
    fn that(does: impl IntoIterator<Item = Does>) -> Self {
        Self { script: Arc::new(Mutex::new(does.into_iter().collect())), ..Self::default() }
    }

    fn behind(
        &self,
        layer: &RetryLayer,
    ) -> impl Service<
        Request<Body>,
        Response = Response<RetryBody<Body>>,
        Error = ClientError,
        Future: Send,
    > + Clone
    + use<> {
        let peer = self.clone();
        layer.layer(service_fn(move |request: Request<Body>| {
            let peer = peer.clone();
            async move {
                let does = peer.script.lock().unwrap().pop_front();
                let (head, mut body) = request.into_parts();
                let whose = crate::world::current();
                let got = |body| Got { at: Instant::now(), headers: head.headers, body, whose };
                if let Some(Does::FailAfter(frames)) = does {
                    let mut read = Vec::new();
                    for _ in 0..frames {
                        read.extend(body.frame().await.unwrap().unwrap().into_data().unwrap());
                    }
                    peer.got.lock().unwrap().push(got(read.into()));
                    return Err(BoxError::from(io::Error::other("reset")));
                }
                let body = body.collect().await.map_err(BoxError::from)?.to_bytes();
                peer.got.lock().unwrap().push(got(body));
                match does {
                    Some(Does::Answer(answer)) => Ok(answer),
                    Some(_) => Err(io::Error::other("reset").into()),
                    None => Ok(Response::new(Body::from("well"))),
                }
            }
        }))
    }

    fn seen(&self) -> usize {
        self.got.lock().unwrap().len()
    }

    fn bodies(&self) -> Vec<Bytes> {
        self.got.lock().unwrap().iter().map(|got| got.body.clone()).collect()
    }

    /// How long after the first attempt the second came.
    fn wait(&self) -> Duration {
        let got = self.got.lock().unwrap();
        got[1].at - got[0].at
    }
}

fn layer(world: &World) -> RetryLayer {
    let budget = RetryBudget::builder().reserve(1000).build(Arc::new(world.clock.clone()));
    let backoff = Backoff::new(Duration::from_millis(100), SECOND);
    let policy = RetryPolicy::builder().backoff(backoff).build().unwrap();
    RetryLayer::new(&world.authority, policy, Arc::new(budget.unwrap()))
}

fn status(status: u16, headers: &[(&str, &str)]) -> Does {
    let answer = Response::builder().status(status);
    let answer = headers.iter().fold(answer, |it, (name, value)| it.header(*name, *value));
    Does::Answer(answer.body(Body::empty()).unwrap())
}

fn request(method: Method) -> Request<Body> {
    let request = Request::builder().method(method).uri("http://search.internal/");
    request.body(Body::from("upload")).unwrap()
}

const PATH: &str = "/test.Documents/Get";

fn grpc() -> Request<Body> {
    let mut request = request(Method::POST);
    *request.uri_mut() = PATH.parse().unwrap();
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request
}

async fn call(
    world: &World,
    peer: &Peer,
    layer: &RetryLayer,
    request: Request<Body>,
) -> Result<Response<RetryBody<Body>>, ClientError> {
    let call = peer.behind(layer).oneshot(request);
    world.context("acme").scope(call).unwrap().await
}

#[tokio::test(start_paused = true)]
async fn only_what_is_idempotent_or_has_a_key_is_sent_again() {
    let world = World::new();
    for (method, attempts) in [
        (Method::GET, 2),
        (Method::HEAD, 2),
        (Method::OPTIONS, 2),
        (Method::TRACE, 2),
        (Method::PUT, 2),
        (Method::DELETE, 2),
        (Method::POST, 1),
        (Method::PATCH, 1),
        (Method::CONNECT, 1),
    ] {
        for failure in [|| Does::Fail, || status(503, &[]), || status(429, &[])] {
            let peer = Peer::that([failure()]);
            let answer = call(&world, &peer, &layer(&world), request(method.clone())).await;
            assert_eq!(peer.seen(), attempts, "{method}");
            assert_eq!(answer.is_ok_and(|it| it.status() == 200), attempts == 2, "{method}");
        }
    }
    let keyed = |value: &'static str| {
        let mut request = request(Method::POST);
        request.headers_mut().insert("idempotency-key", value.parse().unwrap());
        request
    };
    for (key, attempts) in [(r#""k1""#, 2), ("", 1), ("a, b", 1)] {
        let peer = Peer::that([Does::Fail]);
        let _ = call(&world, &peer, &layer(&world), keyed(key)).await;
        assert_eq!(peer.seen(), attempts, "{key}");
    }
    // The same key with every attempt.
    let mut request = request(Method::POST);
    IdempotencyKey::generate().put(request.headers_mut());
    let peer = Peer::that([Does::Fail]);
    call(&world, &peer, &layer(&world), request).await.unwrap();
    let got = peer.got.lock().unwrap();
    assert_eq!(got[0].headers["idempotency-key"], got[1].headers["idempotency-key"]);
}

#[tokio::test(start_paused = true)]
async fn only_what_may_pass_later_is_sent_again() {
    let world = World::new();
    for code in [200, 204, 304, 400, 401, 403, 404, 409, 500, 501, 502, 504] {
        let peer = Peer::that([status(code, &[])]);
        let answer = call(&world, &peer, &layer(&world), request(Method::GET)).await.unwrap();
        assert_eq!((answer.status().as_u16(), peer.seen()), (code, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_peer_wants_waited_is_waited() {
    let world = World::new();
    let date = "Fri, 15 Jan 2027 08:00:04 GMT"; // the world's clock stands at 08:00:00
    for (headers, at_least) in [
        (&[("retry-after", "3")][..], SECOND * 3),
        (&[("retry-after", date)], SECOND * 4),
        (&[("retry-after", date), ("date", "Fri, 15 Jan 2027 08:00:02 GMT")], SECOND * 2),
        (&[("retry-after", "soon")], Duration::ZERO),
        (&[], Duration::ZERO),
    ] {
        let peer = Peer::that([status(503, headers)]);
        call(&world, &peer, &layer(&world), request(Method::GET)).await.unwrap();
        let expected = at_least..=at_least + Duration::from_millis(101);
        assert!(expected.contains(&peer.wait()), "{headers:?}: {:?}", peer.wait());
    }
    // And where it is more than anybody waits, the answer is the answer.
    let peer = Peer::that([status(503, &[("retry-after", "3600")])]);
    let answer = call(&world, &peer, &layer(&world), request(Method::GET)).await.unwrap();
    assert_eq!((answer.status().as_u16(), peer.seen()), (503, 1));
}

/// A gRPC answer with a status in its head, or in trailers after a head and these messages.
fn grpc_answer(code: &str, wait: Option<Duration>, messages: Option<&[&'static str]>) -> Does {
    let mut details = tonic_types::ErrorDetails::new();
    if wait.is_some() {
        details.set_retry_info(wait);
    }
    let status = <tonic::Status as tonic_types::StatusExt>::with_error_details(
        tonic::Code::from_bytes(code.as_bytes()),
        "no",
        details,
    );
    let mut trailers = HeaderMap::new();
    tonic::Status::add_header(&status, &mut trailers).unwrap();
    let mut answer = Response::builder().header("content-type", "application/grpc");
    let Some(messages) = messages else {
        answer.headers_mut().unwrap().extend(trailers);
        return Does::Answer(answer.body(Body::empty()).unwrap());
    };
    let frames: Vec<_> = messages
        .iter()
        .map(|it| Frame::data(Bytes::from_static(it.as_bytes())))
        .chain([Frame::trailers(trailers)])
        .map(Ok::<_, BoxError>)
        .collect();
    Does::Answer(answer.body(Body::new(StreamBody::new(tokio_stream::iter(frames)))).unwrap())
}

#[tokio::test(start_paused = true)]
async fn over_grpc_a_declared_method_is_sent_again_when_it_is_unavailable() {
    let world = World::new();
    let declared = layer(&world).idempotent_unary(PATH);
    for in_trailers in [None, Some(&[][..])] {
        for (code, wait, attempts) in [
            ("14", None, 2),
            ("14", Some(SECOND * 2), 2),
            ("8", None, 1),
            ("8", Some(SECOND * 2), 2),
            ("0", None, 1),
            ("2", None, 1),
            ("4", None, 1),
            ("10", None, 1),
            ("13", None, 1),
        ] {
            let peer = Peer::that([grpc_answer(code, wait, in_trailers)]);
            call(&world, &peer, &declared, grpc()).await.unwrap();
            assert_eq!(peer.seen(), attempts, "{code} {wait:?} {in_trailers:?}");
            if let (Some(wait), 2) = (wait, attempts) {
                assert!(peer.wait() >= wait && peer.wait() <= wait + SECOND / 9);
            }
        }
        let peer = Peer::that([grpc_answer("14", None, in_trailers)]);
        call(&world, &peer, &layer(&world), grpc()).await.unwrap();
        assert_eq!(peer.seen(), 1, "not declared");
    }
}

#[tokio::test(start_paused = true)]
async fn once_a_message_has_come_nothing_is_sent_again_and_all_of_it_is_passed_on() {
    let world = World::new();
    let peer = Peer::that([grpc_answer("14", None, Some(&["one", "two"]))]);
    let declared = layer(&world).idempotent_unary(PATH);
    let answer = call(&world, &peer, &declared, grpc()).await.unwrap();
    let all = answer.into_body().collect().await.unwrap();
    assert_eq!(all.trailers().unwrap()["grpc-status"], "14");
    assert_eq!(all.to_bytes(), "onetwo");
    assert_eq!(peer.seen(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_answer_is_the_answer_with_its_trailers() {
    let world = World::new();
    let peer = Peer::that((0..3).map(|_| grpc_answer("14", None, Some(&[]))));
    let declared = layer(&world).idempotent_unary(PATH);
    let answer = call(&world, &peer, &declared, grpc()).await.unwrap();
    let all = answer.into_body().collect().await.unwrap();
    assert_eq!(all.trailers().unwrap()["grpc-status"], "14");
    assert_eq!(peer.seen(), 3);

    let peer = Peer::that((0..3).map(|_| Does::Fail));
    let error = call(&world, &peer, &layer(&world), request(Method::GET)).await.unwrap_err();
    assert!(matches!(error, ClientError::Inner(_)));
    assert_eq!(peer.seen(), 3);
}

/// An upload of these frames.
fn streamed(method: Method, frames: &[&'static str]) -> Request<Body> {
    let frames: Vec<_> =
        frames.iter().map(|it| Ok::<_, io::Error>(Bytes::from_static(it.as_bytes()))).collect();
    request(method).map(|_| Body::from_stream(tokio_stream::iter(frames)))
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_sent_again_whole_wherever_the_attempt_failed() {
    let world = World::new();
    for read in 0..=3 {
        let peer = Peer::that([Does::FailAfter(read), Does::FailAfter(2)]);
        let request = streamed(Method::PUT, &["one ", "two ", "three"]);
        call(&world, &peer, &layer(&world), request).await.unwrap();
        assert_eq!(peer.bodies().last().unwrap(), "one two three", "{read}");
        assert_eq!(peer.seen(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_longer_than_is_kept_is_sent_once_and_whole() {
    let world = World::new();
    let small = layer(&world).max_body(7);
    let peer = Peer::that([status(503, &[])]);
    let answer = call(&world, &peer, &small, streamed(Method::PUT, &["one ", "two ", "three"]));
    assert_eq!(answer.await.unwrap().status(), 503);
    assert_eq!(peer.bodies(), ["one two three"]);
    // That it is too long is known before.
    let peer = Peer::that([status(503, &[])]);
    let known = request(Method::PUT).map(|_| Body::from("longer than 7"));
    assert_eq!(call(&world, &peer, &small, known).await.unwrap().status(), 503);
    assert_eq!(peer.bodies(), ["longer than 7"]);
    // It failed before it was too long.
    let peer = Peer::that([Does::FailAfter(1), status(503, &[])]);
    let answer = call(&world, &peer, &small, streamed(Method::PUT, &["one ", "two ", "three"]));
    assert_eq!(answer.await.unwrap().status(), 503);
    assert_eq!(peer.bodies(), ["one ", "one two three"]);
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_fails_by_itself_is_not_sent_again() {
    let world = World::new();
    let peer = Peer::default();
    let frames = [Ok(Bytes::from_static(b"one")), Err(io::Error::other("the disk"))];
    let request = request(Method::PUT).map(|_| Body::from_stream(tokio_stream::iter(frames)));
    call(&world, &peer, &layer(&world), request).await.unwrap_err();
    assert_eq!(peer.seen(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_body_is_known_to_be_empty() {
    let world = World::new();
    let service = layer(&world).layer(service_fn(async |request: Request<Body>| {
        let body = request.into_body();
        assert!(http_body::Body::is_end_stream(&body));
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(0));
        Ok::<_, BoxError>(Response::new(Body::empty()))
    }));
    let call = service.oneshot(request(Method::GET).map(|_| Body::empty()));
    world.context("acme").scope(call).unwrap().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_made_in_the_tenants_scope_whoever_polls_it() {
    let world = World::new();
    let peer = Peer::that([Does::Fail, status(503, &[])]);
    let mut service = peer.behind(&layer(&world));
    let acme = world.context("acme");
    let call = acme.in_scope(|| service.call(request(Method::GET))).unwrap();
    call.await.unwrap();
    let got = peer.got.lock().unwrap();
    let whose: Vec<_> = got.iter().map(|got| got.whose.as_deref()).collect();
    assert_eq!(whose, [Some("acme"); 3]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_nobodys_work_is_not_made_and_a_suspended_tenants_not_again() {
    let world = World::new();
    let peer = Peer::default();
    let client = peer.behind(&layer(&world));
    let error = client.clone().oneshot(request(Method::GET)).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason(), Reason::NoIdentity);
    let answer = client.oneshot(grpc()).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "16");
    assert_eq!(text(answer).await, "");
    assert_eq!(peer.seen(), 0);

    let (world, called) = (Arc::new(world), Arc::new(AtomicUsize::new(0)));
    let (directory, count) = (Arc::clone(&world), Arc::clone(&called));
    let client = layer(&world).layer(service_fn(move |_: Request<Body>| {
        count.fetch_add(1, Ordering::Relaxed);
        directory.set_status("acme", TenantStatus::Suspended);
        async { Err::<Response<Body>, _>(io::Error::other("reset")) }
    }));
    let call = client.oneshot(request(Method::GET));
    world.context("acme").scope(call).unwrap().await.unwrap_err();
    assert_eq!(called.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_again_past_the_deadline_and_each_attempt_says_what_remains() {
    let world = World::new();
    let declared = layer(&world).idempotent_unary(PATH);
    let mut request = grpc();
    request.headers_mut().insert("grpc-timeout", "5S".parse().unwrap());
    let peer = Peer::that([
        grpc_answer("14", Some(SECOND * 2), None),
        grpc_answer("14", Some(SECOND * 3), None),
    ]);
    let answer = call(&world, &peer, &declared, request).await.unwrap();
    assert_eq!(answer.headers()["grpc-status"], "14", "what the peer said last");
    let got = peer.got.lock().unwrap();
    let remaining: Vec<u64> = got
        .iter()
        .map(|got| got.headers["grpc-timeout"].to_str().unwrap())
        .map(|it| it.strip_suffix('u').unwrap().parse().unwrap())
        .collect();
    assert_eq!(remaining[0], 5_000_000);
    assert!((2_890_000..=3_000_000).contains(&remaining[1]), "{remaining:?}");
    assert_eq!(remaining.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_too_late_is_not_sent_at_all() {
    let world = World::new();
    let late = Deadline::after(Duration::ZERO).unwrap();
    for (mut request, is_grpc) in
        [(request(Method::GET), false), (request(Method::POST), false), (grpc(), true)]
    {
        request.extensions_mut().insert(late);
        let peer = Peer::default();
        let answer = call(&world, &peer, &layer(&world), request).await;
        match answer {
            Ok(answer) => assert!(is_grpc && answer.headers()["grpc-status"] == "4"),
            Err(error) => assert!(!is_grpc && matches!(error, ClientError::DeadlineExceeded)),
        }
        assert_eq!(peer.seen(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_at_any_poll_leaves_nothing_behind_and_sends_nothing_more() {
    let world = World::new();
    // Dropped during the first attempt's wait: the second is never made.
    let peer = Peer::that([status(503, &[("retry-after", "3")])]);
    let layer = layer(&world);
    let call = call(&world, &peer, &layer, request(Method::GET));
    assert!(tokio::time::timeout(SECOND, call).await.is_err());
    tokio::time::sleep(SECOND * 10).await;
    assert_eq!(peer.seen(), 1);
    assert_eq!(crate::world::current(), None);
}

#[test]
#[should_panic(expected = "idempotent_unary")]
fn a_method_that_is_no_path_is_an_error_of_the_wiring() {
    let world = World::new();
    let _ = layer(&world).idempotent_unary("test.Documents/Get");
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_here_is_not_tried_again() {
    let world = World::new();
    let called = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&called);
    let refusal = Refusal::new(Reason::DependencyFailing, Door::Call);
    let refuses = service_fn(move |request: Request<Body>| {
        count.fetch_add(1, Ordering::Relaxed);
        let mut status = Response::builder().header("grpc-status", "14");
        status.extensions_mut().unwrap().insert(refusal);
        std::future::ready(match *request.method() {
            Method::POST => Ok(status.body(Body::empty()).unwrap()),
            Method::PUT => Err(ClientError::DeadlineExceeded),
            _ => Err(ClientError::Refused(refusal)),
        })
    });
    let mut refuses = layer(&world).idempotent_unary(PATH).layer(refuses);
    for request in [grpc(), request(Method::GET), request(Method::PUT)] {
        let call = world.context("acme").in_scope(|| refuses.call(request)).unwrap();
        let _ = call.await;
    }
    assert_eq!(called.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_breaks_off_before_its_first_message_is_no_answer() {
    let world = World::new();
    let broken = || {
        let frames = [Err::<Frame<Bytes>, _>(io::Error::other("reset"))];
        let body = Body::new(StreamBody::new(tokio_stream::iter(frames)));
        Does::Answer(Response::new(body))
    };
    let declared = layer(&world).idempotent_unary(PATH);
    let peer = Peer::that([broken()]);
    let answer = call(&world, &peer, &declared, grpc()).await.unwrap();
    assert_eq!((text(answer).await.as_str(), peer.seen()), ("well", 2));
    // And the last one is passed on as it is.
    let peer = Peer::that([broken(), broken(), broken()]);
    let answer = call(&world, &peer, &declared, grpc()).await.unwrap();
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_given_up_cannot_read_what_belongs_to_the_next() {
    let world = World::new();
    let kept: Arc<Mutex<Vec<Body>>> = Arc::default();
    let keeps = Arc::clone(&kept);
    let client = layer(&world).layer(service_fn(move |request: Request<Body>| {
        // As a connection does that has not noticed yet.
        keeps.lock().unwrap().push(request.into_body());
        async { Err::<Response<Body>, _>(io::Error::other("reset")) }
    }));
    let call = client.oneshot(streamed(Method::PUT, &["one ", "two"]));
    world.context("acme").scope(call).unwrap().await.unwrap_err();
    let bodies: Vec<_> = kept.lock().unwrap().drain(..).collect();
    let mut read = Vec::new();
    for body in bodies {
        read.push(body.collect().await.map(Collected::to_bytes).ok());
    }
    assert_eq!(read, [None, None, Some(Bytes::from_static(b"one two"))]);
}
