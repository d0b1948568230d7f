//! Bodies outlive their handlers: in scope, dropped in scope, cut when their time is over.

use std::{
    convert::Infallible,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt;
use tenantkit_core::Reason;
use tenantkit_grpc::{BoxError, Cut, TenantLayer, server::TenantBody};
use tower::{ServiceExt, service_fn};

use crate::world::{GRACE, LIFE, World, current, request};

/// What happened to a body, and for whom.
pub(crate) type Log = Arc<Mutex<Vec<(&'static str, Option<String>)>>>;

/// A body of so many frames, which tells in whose scope it is polled and dropped.
pub(crate) struct Telling {
    pub(crate) log: Log,
    pub(crate) frames: usize,
    /// Whether it waits for ever once the frames are through.
    pub(crate) idles: bool,
}

impl http_body::Body for Telling {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.log.lock().unwrap().push(("polled", current()));
        match self.frames.checked_sub(1) {
            Some(left) => {
                self.frames = left;
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"frame")))))
            }
            None if self.idles => Poll::Pending,
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(5 * self.frames as u64)
    }

    fn is_end_stream(&self) -> bool {
        self.frames == 0 && !self.idles
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(("dropped", current()));
    }
}

/// The body of an answer to `acme`, over `content_type`.
pub(crate) async fn body(
    world: &World,
    content_type: &str,
    frames: usize,
    idles: bool,
) -> (TenantBody<Telling>, Log) {
    let log = Log::default();
    let telling = Telling { log: Arc::clone(&log), frames, idles };
    let telling = Mutex::new(Some(telling));
    let service = world.inner_layer().layer(service_fn(async |_: Request<Body>| {
        let answer = Response::builder().header("content-type", content_type);
        Ok::<_, Infallible>(answer.body(telling.lock().unwrap().take().unwrap()).unwrap())
    }));
    let token = world.txn_token("acme");
    let request = request(&[("txn-token", &token)]);
    (service.oneshot(request).await.unwrap().into_body(), log)
}

#[tokio::test]
async fn a_body_is_polled_and_dropped_in_scope_after_its_handler_has_ended() {
    let world = World::new();
    let (mut body, log) = body(&world, "text/plain", 4, false).await;
    let mut left = 20;
    for _ in 0..3 {
        // Also while frames that were read ahead are still to come.
        assert_eq!(body.size_hint().exact(), Some(left));
        assert!(!body.is_end_stream());
        body.frame().await.unwrap().unwrap();
        assert_eq!(current(), None);
        left -= 5;
    }
    drop(body);
    let acme = || Some("acme".to_owned());
    let polled = ("polled", acme());
    assert_eq!(*log.lock().unwrap(), [polled.clone(), polled.clone(), polled, ("dropped", acme())]);
    assert_eq!(current(), None);
}

#[tokio::test]
async fn a_body_goes_on_for_the_grace_and_then_no_frame_passes() {
    let world = World::new();
    let (mut body, log) = body(&world, "text/plain", 100, false).await;
    body.frame().await.unwrap().unwrap();
    world.clock.advance(LIFE + GRACE - Duration::from_millis(1));
    body.frame().await.unwrap().unwrap();

    world.clock.advance(Duration::from_millis(1));
    let error = body.frame().await.unwrap().unwrap_err();
    let cut = error.downcast_ref::<Cut>().expect("cut");
    assert_eq!(cut.0.reason(), Reason::Expired);
    // What was inside is gone, and was dropped in its tenant's scope.
    assert_eq!(log.lock().unwrap().last(), Some(&("dropped", Some("acme".to_owned()))));
    assert!(body.frame().await.is_none());
    assert!(body.is_end_stream());
    assert_eq!(world.audited(), [("expired", Some("acme".parse().unwrap()))]);
}

#[tokio::test]
async fn over_grpc_a_body_that_is_cut_ends_with_a_status() {
    let world = World::new();
    let (mut body, _) = body(&world, "application/grpc", 100, false).await;
    body.frame().await.unwrap().unwrap();
    world.clock.advance(LIFE + GRACE);
    let trailers = body.frame().await.unwrap().unwrap().into_trailers().expect("trailers");
    assert_eq!(trailers["grpc-status"], "16");
    assert!(trailers.contains_key("grpc-status-details-bin"));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_answer_that_is_no_grpc_is_not_ended_as_one_whatever_its_caller_said() {
    let world = World::new();
    let log = Log::default();
    let service = world.inner_layer().layer(service_fn(async |_: Request<Body>| {
        let telling = Telling { log: Arc::clone(&log), frames: 100, idles: false };
        Ok::<_, Infallible>(Response::new(telling))
    }));
    let token = world.txn_token("acme");
    let said = request(&[("content-type", "application/grpc"), ("txn-token", &token)]);
    let mut body = service.oneshot(said).await.unwrap().into_body();
    world.clock.advance(LIFE + GRACE);
    // Trailers would be a clean end, and half an export would be taken for a whole one.
    assert!(body.frame().await.unwrap().unwrap_err().is::<Cut>());
}

#[tokio::test]
async fn over_grpc_web_a_body_that_is_cut_ends_in_an_error() {
    let world = World::new();
    let (mut body, _) = body(&world, "application/grpc-web+proto", 100, false).await;
    world.clock.advance(LIFE + GRACE);
    assert!(body.frame().await.unwrap().unwrap_err().is::<Cut>());
}

#[tokio::test(start_paused = true)]
async fn an_idle_body_is_woken_at_its_deadline() {
    let world = World::new();
    let (mut body, log) = body(&world, "text/plain", 0, true).await;
    let began = tokio::time::Instant::now();
    let clock = world.clock.clone();
    // The authority's clock lags behind the timer's at first: the timer is set again.
    tokio::spawn(async move {
        tokio::time::sleep(LIFE + GRACE + Duration::from_secs(60)).await;
        clock.advance(LIFE + GRACE);
    });
    let frame = tokio::time::timeout(Duration::from_secs(3600), body.frame()).await.expect("woken");
    assert!(frame.unwrap().unwrap_err().is::<Cut>());
    let woken = began.elapsed();
    assert!(woken >= LIFE + GRACE + Duration::from_secs(60), "{woken:?}");
    assert!(woken < LIFE + GRACE + Duration::from_secs(71), "{woken:?}");
    assert_eq!(log.lock().unwrap().last(), Some(&("dropped", Some("acme".to_owned()))));
}

#[test]
fn outside_a_runtime_an_idle_body_is_cut_when_it_is_polled() {
    let world = World::new();
    let (body, _) = tenantkit_core::test_util::block_on(body(&world, "text/plain", 0, true));
    let mut body = pin!(body);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(body.as_mut().poll_frame(&mut cx).is_pending());
    world.clock.advance(LIFE + GRACE);
    assert!(body.as_mut().poll_frame(&mut cx).is_ready());
}

/// Tells in whose scope a handler's future is dropped.
struct Guard(Log);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.lock().unwrap().push(("dropped", current()));
    }
}

#[test]
fn a_request_dropped_at_any_poll_ends_in_its_scope_and_leaves_none_behind() {
    const POLLS: usize = 5;
    let world = World::new();
    for polls in 0..=POLLS {
        let log = Log::default();
        let service = counting(&world.inner_layer(), &log, POLLS);
        let mut call =
            Box::pin(service.oneshot(request(&[("txn-token", &world.txn_token("acme"))])));
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..polls {
            assert!(call.as_mut().poll(&mut cx).is_pending());
            assert_eq!(current(), None);
        }
        drop(call);
        assert_eq!(current(), None);
        // Before the first poll `oneshot` has not called anything.
        let expected = if polls == 0 { vec![] } else { vec![("dropped", Some("acme".to_owned()))] };
        assert_eq!(*log.lock().unwrap(), expected, "dropped after {polls} polls");
    }
}

fn counting(
    layer: &TenantLayer,
    log: &Log,
    polls: usize,
) -> impl tower::Service<Request<Body>, Response = Response<TenantBody<Body>>, Error = Infallible> + use<>
{
    let log = Arc::clone(log);
    layer.layer(service_fn(move |_: Request<Body>| {
        let guard = Guard(Arc::clone(&log));
        async move {
            for _ in 0..polls {
                yield_once().await;
            }
            drop(guard);
            Ok(Response::new(Body::empty()))
        }
    }))
}

async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|_| match std::mem::replace(&mut yielded, true) {
        false => Poll::Pending,
        true => Poll::Ready(()),
    })
    .await;
}

#[test]
fn a_handler_that_panics_leaves_no_scope_behind() {
    let world = World::new();
    let service = world.inner_layer().layer(service_fn(async |_: Request<Body>| {
        if current().is_some() {
            panic!("as intended");
        }
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let call = service.oneshot(request(&[("txn-token", &world.txn_token("acme"))]));
    let call = std::panic::AssertUnwindSafe(|| tenantkit_core::test_util::block_on(call));
    assert!(std::panic::catch_unwind(call).is_err());
    assert_eq!(current(), None);
}

/// An upload without an end, to a handler that reads two frames of it with the deadline in between.
async fn upload<B>(upload: B) -> (World, Option<BoxError>)
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Unpin + 'static,
{
    let world = World::new();
    let error = Mutex::new(None);
    let clock = world.clock.clone();
    let service = world.inner_layer().layer(service_fn(async |request: Request<B>| {
        let mut upload = request.into_body();
        assert!(upload.frame().await.unwrap().is_ok());
        clock.advance(LIFE + GRACE);
        *error.lock().unwrap() = upload.frame().await.unwrap().err().map(Into::into);
        // It is over then, and is not taken up again.
        assert!(upload.is_end_stream() && upload.frame().await.is_none());
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let request = request(&[("txn-token", &world.txn_token("acme"))]).map(|_| upload);
    service.oneshot(request).await.unwrap();
    (world, error.into_inner().unwrap())
}

#[tokio::test]
async fn an_upload_says_as_much_of_its_length_as_it_did_outside() {
    let world = World::new();
    let service = world.inner_layer().layer(service_fn(async |request: Request<Body>| {
        let mut upload = request.into_body();
        assert_eq!(upload.size_hint().exact(), Some(6));
        assert!(!upload.is_end_stream());
        upload.frame().await.unwrap().unwrap();
        assert!(upload.is_end_stream());
        Ok::<_, Infallible>(Response::new(Body::empty()))
    }));
    let upload = request(&[("txn-token", &world.txn_token("acme"))]).map(|_| Body::from("upload"));
    assert_eq!(service.oneshot(upload).await.unwrap().status(), 200);
}

#[tokio::test]
async fn an_upload_is_cut_as_well() {
    let endless = || Telling { log: Log::default(), frames: usize::MAX, idles: true };
    let (_, error) = upload(Body::new(endless())).await;
    let error = error.expect("cut");
    assert!(
        std::error::Error::source(&*error).is_some_and(<dyn std::error::Error>::is::<Cut>),
        "{error:?}"
    );

    let (_, error) = upload(tonic::body::Body::new(endless())).await;
    let status = *error.expect("cut").downcast::<tonic::Status>().expect("a status");
    assert_eq!(status.code(), tonic::Code::Unauthenticated);
}
