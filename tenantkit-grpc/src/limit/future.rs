//! [`ResponseFuture`]: a refusal, a wait, or the handler at work.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tenantkit_core::{Door, Reason, Refusal, Waited};
use tenantkit_limit::limits::{Denied, Entered, Waiting};
use tokio::time::Instant;
use tower_service::Service;

use super::{Deadline, LimitBody, LimitLayer, ambient, deadline, headers, pass::Pass};
use crate::{
    protocol::Protocol,
    refusal::{Challenge, grpc_answer, http_answer},
};

/// The answer of a [`LimitService`](super::LimitService) under way.
///
/// # Panics
///
/// When it is polled after it was ready. When it has to wait and there is no tokio runtime with a time
/// driver.
///
/// # Cancellation
///
/// Dropping it gives its permit, or its place in the line, to the next.
#[pin_project]
pub struct ResponseFuture<S: Service<Request<B>>, B> {
    #[pin]
    state: State<S, B>,
    answering: Answering,
    /// How long it stood in the line, where it did.
    waited: Option<Duration>,
}

#[pin_project(project = StateProjection)]
enum State<S: Service<Request<B>>, B> {
    /// Its caller has given up already.
    TooLate,
    Denied(Denied),
    /// Empty once it is over.
    Waiting(Option<Box<Queued<S, B>>>),
    Working {
        #[pin]
        work: S::Future,
        pass: Option<Pass>,
    },
}

/// A request in the line, with the service that was polled ready for it.
struct Queued<S, B> {
    turn: Pin<Box<dyn Future<Output = Result<Entered, Denied>> + Send>>,
    since: Instant,
    inner: S,
    request: Request<B>,
}

/// How this caller is answered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answering {
    protocol: Protocol,
    tells_standing: bool,
    lends_permit: bool,
    deadline: Option<Deadline>,
}

impl Answering {
    pub(super) const fn new(
        protocol: Protocol,
        layer: &LimitLayer,
        deadline: Option<Deadline>,
    ) -> Self {
        let &LimitLayer { tells_standing, lends_permit, .. } = layer;
        Self { protocol, tells_standing, lends_permit, deadline }
    }

    /// The permit of a request that is let in, of which the request has a part where it is lent.
    pub(super) fn pass<B>(self, entered: Entered, request: &mut Request<B>) -> Pass {
        if !self.lends_permit {
            return Pass::own(entered);
        }
        let (pass, onward) = Pass::lent(entered);
        request.extensions_mut().insert(onward);
        pass
    }
}

impl<S: Service<Request<B>>, B> ResponseFuture<S, B> {
    pub(super) const fn working(work: S::Future, pass: Pass, answering: Answering) -> Self {
        Self::at(State::Working { work, pass: Some(pass) }, answering)
    }

    pub(super) const fn too_late(answering: Answering) -> Self {
        Self::at(State::TooLate, answering)
    }

    pub(super) fn denied(denied: Denied, answering: Answering) -> Self {
        Self::at(State::Denied(denied), answering)
    }

    pub(super) fn waiting(
        waiting: Waiting,
        patience: Duration,
        inner: S,
        request: Request<B>,
        answering: Answering,
    ) -> Self {
        let turn = Box::pin(async move {
            let turn = tokio::time::timeout(patience, waiting.enter()).await;
            turn.unwrap_or_else(|_| Err(too_long(patience)))
        });
        let queued = Queued { turn, since: Instant::now(), inner, request };
        Self::at(State::Waiting(Some(Box::new(queued))), answering)
    }

    const fn at(state: State<S, B>, answering: Answering) -> Self {
        Self { state, answering, waited: None }
    }
}

/// Who waited for nothing is told to stay away for as long.
fn too_long(patience: Duration) -> Denied {
    Refusal::new(Reason::LoadShed, Door::Permit).retry_after(patience).into()
}

impl<S, B, ResBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body<Data: From<Bytes>>,
{
    type Output = Result<Response<LimitBody<ResBody>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.as_mut().project();
        let answering = *this.answering;
        if let StateProjection::Waiting(held) = this.state.as_mut().project() {
            let Some(queued) = held else { panic!("polled after its handler panicked") };
            let turn = ready!(queued.turn.as_mut().poll(cx));
            let Some(queued) = held.take() else { unreachable!("it was there above") };
            let Queued { since, mut inner, mut request, .. } = *queued;
            *this.waited = Some(since.elapsed());
            let state = match turn {
                Ok(entered) => {
                    let pass = answering.pass(entered, &mut request);
                    let work = ambient::within(answering.deadline, || inner.call(request));
                    State::Working { work, pass: Some(pass) }
                }
                Err(denied) => State::Denied(denied),
            };
            this.state.set(state);
        }
        match this.state.project() {
            StateProjection::TooLate => {
                // Only gRPC has deadlines.
                let content_type = answering.protocol.content_type();
                let grpc = const { HeaderValue::from_static("application/grpc") };
                Poll::Ready(Ok(deadline::exceeded(content_type.unwrap_or(grpc))))
            }
            StateProjection::Denied(denied) => {
                let mut answer = refuse(denied, answering);
                tell_wait(*this.waited, &mut answer);
                Poll::Ready(Ok(answer))
            }
            StateProjection::Waiting(_) => unreachable!("it went on above"),
            StateProjection::Working { work, pass } => {
                let polled = ambient::within(answering.deadline, || work.poll(cx));
                let mut answer = ready!(polled)?;
                let Some(pass) = pass.take() else { panic!("polled after it was ready") };
                if answering.tells_standing
                    && answering.protocol == Protocol::Http
                    && let Some(standings) = pass.standings()
                {
                    headers::tell(standings, answer.headers_mut());
                }
                tell_wait(*this.waited, &mut answer);
                Poll::Ready(Ok(LimitBody::working(answer, pass, answering.deadline)))
            }
        }
    }
}

/// Adds it to what the handler waited for by itself.
fn tell_wait<B>(waited: Option<Duration>, answer: &mut Response<B>) {
    if let Some(waited) = waited {
        *answer.extensions_mut().get_or_insert_default::<Waited>() += waited;
    }
}

fn refuse<B: Body>(
    denied: &Denied,
    Answering { protocol, .. }: Answering,
) -> Response<LimitBody<B>> {
    let refusal = denied.refusal();
    if let Some(content_type) = protocol.content_type() {
        return grpc_answer(&refusal, content_type, LimitBody::default());
    }
    let mut answer = http_answer(&refusal, Challenge::Bearer).map(LimitBody::text);
    headers::tell(denied.standings(), answer.headers_mut());
    answer
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
