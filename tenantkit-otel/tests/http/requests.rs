//! How a request ends, and that it is counted once.

use std::time::Duration;

use http::{Request, Response};
use http_body::Body as _;
use tenantkit_core::{Door, Reason, Refusal, Waited};
use tenantkit_otel::top::Measure;
use tower_service::Service as _;

use crate::world::{Frames, World, read};

const SERVED: &str = "tenantkit.request.duration{gold,served}";
const FAILED: &str = "tenantkit.request.duration{gold,failed}";
const REFUSED: &str = "tenantkit.request.duration{gold,refused}";
const DROPPED: &str = "tenantkit.request.duration{gold,dropped}";

fn refused(refusal: Refusal) -> Response<Frames> {
    let mut answer = Response::new(Frames::of(&["no"]));
    *answer.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
    answer.extensions_mut().insert(refusal);
    answer
}

#[test]
fn a_request_lasts_until_its_body_has_ended() {
    let world = World::new();
    let mut answer = world.call(Some(world.acme()), Response::new(Frames::of(&["one", "three"])));
    read(answer.body_mut(), 1);
    assert!(world.counts().is_empty(), "{:?}", world.counts());
    world.advance(40);
    read(answer.body_mut(), 1);
    assert_eq!(world.counts()[SERVED], 1);
    world.advance(1_000);
    drop(answer);
    assert_eq!(world.counts()[SERVED], 1, "once");

    let top = world.top.current();
    let of = |measure| top.of(measure).tenants[0].amount;
    assert_eq!((of(Measure::Requests), of(Measure::Bytes), of(Measure::Time)), (1, 8, 40_000));
    let latencies = world.latencies.of(world.acme().tenant()).unwrap();
    assert_eq!(latencies.within(Duration::from_millis(50)), 1);
}

#[test]
fn how_long_a_request_waited_for_its_turn_is_told_of_its_tier_and_ranks_its_tenant() {
    let world = World::new();
    let waited = |millis| {
        let mut answer = Response::new(Frames::default());
        answer.extensions_mut().insert(Waited::new(Duration::from_millis(millis)));
        answer
    };
    drop(world.call(Some(world.acme()), waited(20)));
    drop(world.call(Some(world.test.context("globex")), waited(30)));
    drop(world.call(Some(world.acme()), Response::new(Frames::default())));
    let top = world.top.current();
    let waits: Vec<_> = top
        .of(Measure::QueueWait)
        .tenants
        .iter()
        .map(|it| (it.tenant.as_str(), it.amount))
        .collect();
    assert_eq!(waits, [("globex", 30_000), ("acme", 20_000)]);
    let counts = world.counts();
    let told: u64 =
        counts.iter().filter(|(name, _)| name.contains("queue_wait")).map(|(_, it)| it).sum();
    assert_eq!(told, 2, "only those that had to: {counts:?}");
}

#[test]
fn a_caller_who_hangs_up_is_neither_served_nor_failed() {
    let world = World::new();
    let mut answer = world.call(Some(world.acme()), Response::new(Frames::of(&["a", "b", "c"])));
    read(answer.body_mut(), 1);
    drop(answer);
    assert_eq!(world.counts()[DROPPED], 1);

    // Before there was an answer.
    let mut request = Request::new(());
    request.extensions_mut().insert(world.acme());
    let mut service = world.layer.layer(Never);
    drop(service.call(request));
    let counts = world.counts();
    assert_eq!((counts[DROPPED], counts.len()), (2, 1), "{counts:?}");
}

#[test]
fn an_answer_without_a_body_is_served_whether_or_not_its_end_is_read() {
    let world = World::new();
    drop(world.call(Some(world.acme()), Response::new(Frames::default())));
    let mut answer = world.call(Some(world.acme()), Response::new(Frames::default()));
    assert!(answer.body().is_end_stream());
    read(answer.body_mut(), 2);
    assert_eq!(world.counts()[SERVED], 2);
}

#[test]
fn what_fails_is_told_by_status_trailers_or_a_broken_body() {
    let world = World::new();
    let mut broken = Response::new(Frames::default());
    *broken.status_mut() = http::StatusCode::BAD_GATEWAY;
    drop(world.call(Some(world.acme()), broken));
    let mut grpc = Response::new(Frames::default());
    grpc.headers_mut().insert("grpc-status", http::HeaderValue::from_static("13"));
    drop(world.call(Some(world.acme()), grpc));
    let mut late = world.call(Some(world.acme()), Response::new(Frames::of(&["a"]).trailers("14")));
    read(late.body_mut(), 2);
    let mut breaks = world.call(Some(world.acme()), Response::new(Frames::of(&["a"]).breaks()));
    read(breaks.body_mut(), 2);
    assert_eq!(world.counts()[FAILED], 4);

    // The service level of a tenant that is watched is read from the same.
    let latencies = world.latencies.of(world.acme().tenant()).unwrap();
    assert_eq!((latencies.count(), latencies.failed()), (0, 4));

    // What is the caller's doing is none.
    let mut not_found =
        world.call(Some(world.acme()), Response::new(Frames::default().trailers("5")));
    read(not_found.body_mut(), 1);
    assert_eq!(world.counts()[SERVED], 1);
    assert_eq!(world.top.current().of(Measure::Refusals).total, 0);
}

#[test]
fn a_refusal_is_counted_once_inside_and_outside() {
    let world = World::new();
    let refusal = Refusal::new(Reason::LoadShed, Door::Permit);
    let inner = world.call(Some(world.acme()), refused(refusal));
    // The same answer comes by the outer layer, which knows no tenant.
    let (head, _) = inner.into_parts();
    drop(world.call(None, Response::from_parts(head, Frames::default())));
    let counts = world.counts();
    assert_eq!(counts["tenantkit.refusals{overloaded,permit}"], 1, "{counts:?}");
    assert_eq!(counts[REFUSED], 1, "and not a failure, whatever its status: {counts:?}");
    assert_eq!(world.top.current().of(Measure::Refusals).total, 1);
    assert_eq!(world.refusals.newest_first()[0].tenant, Some(*world.acme().tenant()));

    // One of whom nobody knows is seen outside alone.
    drop(world.call(None, refused(Refusal::new(Reason::NoIdentity, Door::Request))));
    assert_eq!(world.counts()["tenantkit.refusals{no-tenant,request}"], 1);
    assert_eq!(world.refusals.newest_first()[0].tenant, None);
    assert_eq!(world.top.current().of(Measure::Requests).total, 1);
}

/// Never answers.
struct Never;

impl tower_service::Service<Request<()>> for Never {
    type Response = Response<Frames>;
    type Error = std::convert::Infallible;
    type Future = std::future::Pending<Result<Response<Frames>, std::convert::Infallible>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), std::convert::Infallible>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        std::future::pending()
    }
}
