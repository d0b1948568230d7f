//! A body ends at its deadline, and when its tenant may not act any more, also if nobody polls it.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Mutex,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame};
use http_body_util::BodyExt;
use tenantkit_core::{Clock, Incarnation, Reason, TenantRecord, TenantStatus, TierSet};
use tenantkit_grpc::{BoxError, Cut};
use tower::{ServiceExt, service_fn};

use crate::{
    body::{Log, Telling, body},
    world::{GRACE, LIFE, World, request},
};

const SECOND: Duration = Duration::from_secs(1);
/// How long it takes at most until a suspension is seen by whoever watches a body.
const SEEN: Duration = Duration::from_millis(7501);

fn dropped(log: &Log) -> bool {
    log.lock().unwrap().last() == Some(&("dropped", Some("acme".to_owned())))
}

/// Lets both clocks run on, a little at a time.
async fn pass(world: &World, time: Duration) {
    let step = Duration::from_millis(100);
    for _ in 0..time.as_millis() / step.as_millis() {
        world.clock.advance(step);
        tokio::time::sleep(step).await;
    }
}

/// Waits, while both clocks run, for what a suspension brings. A task of its own winds the one clock,
/// so that nothing but its own waker wakes `waiting`.
async fn in_time<F: Future>(world: &World, waiting: F) -> F::Output {
    let clock = world.clock.clone();
    let winding = tokio::spawn(async move {
        loop {
            tokio::time::sleep(SECOND).await;
            clock.advance(SECOND);
        }
    });
    let began = tokio::time::Instant::now();
    // Looked at only when it is woken, or after an hour.
    let output = tokio::time::timeout(3600 * SECOND, waiting).await.expect("an end");
    assert!(began.elapsed() <= GRACE + SEEN + 2 * SECOND, "{:?}", began.elapsed());
    winding.abort();
    output
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

fn why<T: std::fmt::Debug>(frame: Option<Result<T, BoxError>>) -> Reason {
    frame.unwrap().unwrap_err().downcast_ref::<Cut>().unwrap().0.reason()
}

#[tokio::test(start_paused = true)]
async fn a_body_that_nobody_polls_is_dropped_at_its_deadline_in_scope() {
    let world = World::new();
    for frames in [0, 1, 100] {
        let (mut body, log) = body(&world, "text/plain", frames, true).await;
        pass(&world, LIFE + GRACE - SECOND).await;
        assert!(!dropped(&log));
        pass(&world, 2 * SECOND).await;
        assert!(dropped(&log), "{frames} frames");
        // Not even a frame that was read ahead, and one event, though two have looked.
        assert!(!body.is_end_stream());
        assert_eq!(why(body.frame().await), Reason::Expired);
        assert!(body.frame().await.is_none());
        assert_eq!(tasks(), 0);
    }
    assert!(!world.audited().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_suspension_reaches_a_body_that_nobody_polls_after_the_grace() {
    let world = World::new();
    let (mut body, log) = body(&world, "application/grpc", 0, true).await;
    pass(&world, 10 * SECOND).await;
    world.set_status("acme", TenantStatus::Suspended);
    pass(&world, GRACE - SECOND).await;
    assert!(!dropped(&log));
    pass(&world, SECOND + SEEN + SECOND).await;
    assert!(dropped(&log));
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().unwrap();
    assert_eq!(trailers["grpc-status"], "7");
    assert_eq!(world.audited(), [("tenant-suspended", Some("acme".parse().unwrap()))]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_waits_is_woken_when_the_tenant_is_suspended() {
    let world = World::new();
    let (mut body, _) = body(&world, "text/plain", 0, true).await;
    world.set_status("acme", TenantStatus::Suspended);
    let frame = in_time(&world, body.frame()).await;
    assert_eq!(why(frame), Reason::TenantSuspended);
}

/// The body of an answer, polled by hand while the directory changes. Without a runtime nobody else
/// looks.
fn polled(world: &World, time: Duration) -> Vec<Option<Reason>> {
    let (mut body, _) = tenantkit_core::test_util::block_on(body(world, "text/plain", 999, true));
    let mut passed = vec![];
    let mut frame = || {
        let frame = tenantkit_core::test_util::block_on(body.frame()).unwrap();
        passed.push(frame.err().map(|error| error.downcast::<Cut>().unwrap().0.reason()));
    };
    // More than are read ahead.
    frame();
    frame();
    frame();
    let gold = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
    let again = gold.incarnation(Incarnation::new(2), world.clock.now());
    world.directory.set("acme".parse().unwrap(), again);
    world.clock.advance(SECOND);
    frame();
    world.clock.advance(time);
    frame();
    passed
}

#[test]
fn a_body_of_a_tenant_that_was_created_again_goes_on_for_the_grace_and_no_longer() {
    let just = polled(&World::new(), GRACE - Duration::from_millis(1));
    assert_eq!(just, [None; 5]);
    let over = polled(&World::new(), GRACE);
    assert_eq!(over, [None, None, None, None, Some(Reason::StaleIncarnation)]);
}

#[test]
fn a_tenant_that_may_act_again_within_the_grace_loses_nothing() {
    let world = World::new();
    let (mut body, _) = tenantkit_core::test_util::block_on(body(&world, "text/plain", 999, true));
    let mut frame = || tenantkit_core::test_util::block_on(body.frame()).unwrap().is_ok();
    assert!(frame());
    for status in [TenantStatus::Moving, TenantStatus::Active, TenantStatus::Moving] {
        world.set_status("acme", status);
        world.clock.advance(GRACE - SECOND);
        assert!(frame(), "{status:?}");
    }
    // The grace of the second time began with the second time.
    world.clock.advance(GRACE - SECOND);
    assert!(frame());
    world.clock.advance(SECOND);
    assert!(!frame());
}

#[tokio::test]
async fn a_body_that_is_over_at_once_has_no_task_and_one_that_goes_has_one_until_it_is_dropped() {
    let world = World::new();
    for frames in [0, 1, 2] {
        let (mut over, log) = body(&world, "text/plain", frames, false).await;
        assert_eq!(tasks(), 0);
        // Nor does it hold anything for a caller who reads slowly.
        assert!(frames == 0 || dropped(&log));
        for _ in 0..frames {
            assert!(!over.is_end_stream());
            assert_eq!(over.frame().await.unwrap().unwrap().into_data().unwrap(), "frame");
        }
        // It is complete, and is not cut afterwards.
        world.clock.advance(LIFE + GRACE);
        assert!(over.is_end_stream() && over.frame().await.is_none());
    }
    assert!(world.audited().is_empty());
    for idles in [true, false] {
        let (body, _) = body(&world, "text/plain", 3, idles).await;
        assert_eq!(tasks(), 1);
        if idles {
            drop(body);
        } else {
            assert_eq!(body.collect().await.unwrap().to_bytes().len(), 15);
        }
        tokio::task::yield_now().await;
        assert_eq!(tasks(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_complete_is_not_cut_though_its_reader_keeps_it() {
    let world = World::new();
    let (mut body, log) = body(&world, "text/plain", 3, false).await;
    for _ in 0..3 {
        body.frame().await.unwrap().unwrap();
    }
    assert!(dropped(&log));
    pass(&world, LIFE + GRACE + SECOND).await;
    assert_eq!(tasks(), 0);
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(body.is_end_stream() && body.frame().await.is_none());
    assert!(world.audited().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_cut_unread_does_not_look_complete() {
    let world = World::new();
    let (mut body, log) = body(&world, "text/plain", 0, true).await;
    pass(&world, LIFE + GRACE + SECOND).await;
    assert!(dropped(&log));
    assert!(!body.is_end_stream());
    assert_eq!(body.size_hint().exact(), None);
    assert_eq!(why(body.frame().await), Reason::Expired);
}

#[test]
fn a_clock_that_is_set_back_does_not_hide_a_suspension() {
    let world = World::new();
    let (mut body, _) = tenantkit_core::test_util::block_on(body(&world, "text/plain", 999, true));
    let mut frame = || tenantkit_core::test_util::block_on(body.frame()).unwrap();
    let began = world.clock.now();
    world.clock.advance(GRACE);
    assert!(frame().is_ok());
    world.set_status("acme", TenantStatus::Suspended);
    world.clock.step_to(began);
    assert!(frame().is_ok());
    // The grace began at once, and not when the clock was back where it had been.
    world.clock.advance(GRACE);
    assert!(frame().is_err());
}

/// A body that panics when it is polled once more.
struct Panicking(Telling);

impl http_body::Body for Panicking {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        assert!(self.0.frames > 1, "as intended");
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panicked_is_dropped_at_its_deadline_as_well() {
    let world = World::new();
    let log = Log::default();
    let body = Mutex::new(Some(Panicking(Telling { log: log.clone(), frames: 4, idles: false })));
    let service = world.inner_layer().layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(body.lock().unwrap().take().unwrap()))
    }));
    let call = service.oneshot(request(&[("txn-token", &world.txn_token("acme"))]));
    let mut body = call.await.unwrap().into_body();
    let read = std::panic::AssertUnwindSafe(|| {
        while tenantkit_core::test_util::block_on(body.frame()).is_some() {}
    });
    assert!(std::panic::catch_unwind(read).is_err());
    assert!(!dropped(&log));
    pass(&world, LIFE + GRACE + SECOND).await;
    assert!(dropped(&log));
}

/// What the handler gets that waits for an upload which never comes, or reads one without an end,
/// while its tenant is suspended.
async fn upload(idles: bool) -> (World, BoxError) {
    let world = World::new();
    let error = Mutex::new(None);
    let frames = if idles { 0 } else { usize::MAX };
    let upload = Body::new(Telling { log: Log::default(), frames, idles });
    let service = world.inner_layer().layer(service_fn(async |request: Request<Body>| {
        let mut upload = request.into_body();
        let read = async {
            loop {
                if let Err(error) = upload.frame().await.unwrap() {
                    break error;
                }
                tokio::time::sleep(SECOND / 10).await; // Or it would hold the thread.
            }
        };
        world.set_status("acme", TenantStatus::Suspended);
        *error.lock().unwrap() = Some(in_time(&world, read).await);
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let request = request(&[("txn-token", &world.txn_token("acme"))]).map(|_| upload);
    service.oneshot(request).await.unwrap();
    let error = error.into_inner().unwrap().unwrap();
    (world, error.into())
}

#[tokio::test(start_paused = true)]
async fn a_suspension_reaches_an_upload_after_the_grace() {
    for idles in [true, false] {
        let (world, error) = upload(idles).await;
        let cut = error.source().and_then(|it| it.downcast_ref::<Cut>()).expect("cut");
        assert_eq!(cut.0.reason(), Reason::TenantSuspended);
        assert_eq!(world.audited(), [("tenant-suspended", Some("acme".parse().unwrap()))]);
    }
}
