//! [`ResponseFuture`]: a refusal, a wait, or the handler at work.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use pin_project::pin_project;
use tenantkit_core::{Refusal, Scoped, TenantContext};
use tower_service::Service;

use super::{TenantBody, deadline::Deadline, flight::Flight, span::Span, upload, waiting::Waiting};
use crate::{
    BoxError,
    protocol::Protocol,
    refusal::{Challenge, grpc_answer, http_answer},
    trace::Adopt,
};

/// The answer of a [`TenantService`](super::TenantService) under way.
///
/// # Panics
///
/// When it is polled after it was ready. With the feature `tokio`, on a tokio runtime whose time driver
/// is not enabled, when the handler answers with a body that is not there at once.
///
/// # Cancellation
///
/// Dropping it drops the handler's future, in its tenant's scope; where its token waits to be checked,
/// it gives its place to the next.
#[pin_project]
pub struct ResponseFuture<S: Service<Request<B>>, B>(#[pin] State<S, B>);

#[pin_project(project = StateProjection)]
enum State<S: Service<Request<B>>, B> {
    Refused(Refusal, Answering),
    /// In a box of its own, because few requests ever wait. Empty once it is over.
    Waiting(Option<Box<Waiting<S, B>>>, Answering),
    Working {
        #[pin]
        work: Scoped<S::Future>,
        span: Span,
        deadline: Option<Deadline>,
    },
}

/// How a refusal is said to this caller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answering {
    protocol: Protocol,
    challenge: Challenge,
}

impl Answering {
    pub(super) fn to<B>(request: &Request<B>, challenge: Challenge) -> Self {
        Self { protocol: Protocol::asked(request), challenge }
    }
}

impl<S: Service<Request<B>>, B: Body + 'static> ResponseFuture<S, B> {
    /// Calls the handler, in its tenant's scope.
    pub(super) fn start(
        inner: &mut S,
        request: Request<B>,
        context: TenantContext,
        answering: Answering,
        trace: &Adopt,
    ) -> Self {
        let mut scope = match context.scope(()) {
            Ok(scope) => scope,
            Err(refusal) => return Self::refused(refusal, answering),
        };
        let span = Span::of(&context, &request, answering.protocol, trace);
        let deadline = Some(Deadline::of(&context));
        // Whatever stood there did not come through this layer.
        let mut request = request.map(|body| upload::bound(body, &context));
        request.extensions_mut().insert(context);
        let work = Pin::new(&mut scope).then(|| span.within(|| inner.call(request)));
        Self(State::Working { work, span, deadline })
    }

    pub(super) fn waiting(waiting: Waiting<S, B>, answering: Answering) -> Self {
        Self(State::Waiting(Some(Box::new(waiting)), answering))
    }

    pub(super) const fn refused(refusal: Refusal, answering: Answering) -> Self {
        Self(State::Refused(refusal, answering))
    }
}

impl<S, ReqBody, B> Future for ResponseFuture<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    ReqBody: Body + 'static,
    B: Body<Data: From<Bytes>, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Output = Result<Response<TenantBody<B>>, S::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let StateProjection::Waiting(held, answering) = self.as_mut().project().0.project() {
            let answering = *answering;
            let Some(waiting) = held else { panic!("polled after its verification panicked") };
            let permit = ready!(waiting.poll_turn(cx));
            let Some(waiting) = held.take() else { unreachable!("it was there above") };
            self.set(waiting.go_on(permit, answering));
        }
        match self.project().0.project() {
            StateProjection::Refused(refusal, answering) => {
                Poll::Ready(Ok(refuse(refusal, *answering)))
            }
            StateProjection::Waiting(..) => unreachable!("it went on above"),
            StateProjection::Working { mut work, span, deadline } => {
                let answer = ready!(span.within(|| work.as_mut().poll(cx)))?;
                let Some(deadline) = deadline.take() else {
                    panic!("polled after it was ready");
                };
                let (mut head, body) = answer.into_parts();
                span.answered(&head);
                // The answer's own, whatever the caller called its request.
                let protocol = Protocol::of(&head.headers);
                if protocol == Protocol::Http && !head.headers.contains_key(header::CACHE_CONTROL) {
                    // What one tenant was told is not for a cache that others share.
                    let private = HeaderValue::from_static("private");
                    head.headers.insert(header::CACHE_CONTROL, private);
                }
                let flight = Flight::new(work.then(|| body), deadline);
                let body = TenantBody::working(flight, span.clone(), protocol, cx);
                Poll::Ready(Ok(Response::from_parts(head, body)))
            }
        }
    }
}

fn refuse<B: Body>(
    refusal: &Refusal,
    Answering { protocol, challenge }: Answering,
) -> Response<TenantBody<B>> {
    match protocol.content_type() {
        Some(content_type) => grpc_answer(refusal, content_type, TenantBody::default()),
        None => http_answer(refusal, challenge).map(TenantBody::text),
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for ResponseFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
