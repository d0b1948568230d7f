//! [`ResponseFuture`]: a refusal, or the handler at work.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body::Body;
use pin_project::pin_project;
use tenantkit_core::{Refusal, Scoped};

use super::{TenantBody, deadline::Deadline, flight::Flight, span::Span};
use crate::{
    BoxError,
    protocol::Protocol,
    refusal::{Challenge, grpc_answer, http_answer},
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
/// Dropping it drops the handler's future, in its tenant's scope.
#[pin_project]
pub struct ResponseFuture<F>(#[pin] State<F>);

#[pin_project(project = StateProjection)]
enum State<F> {
    Refused(Refusal, Protocol, Challenge),
    Working {
        #[pin]
        work: Scoped<F>,
        span: Span,
        deadline: Option<Deadline>,
    },
}

impl<F> ResponseFuture<F> {
    pub(super) const fn refused(
        refusal: Refusal,
        protocol: Protocol,
        challenge: Challenge,
    ) -> Self {
        Self(State::Refused(refusal, protocol, challenge))
    }

    pub(super) const fn working(work: Scoped<F>, span: Span, deadline: Deadline) -> Self {
        Self(State::Working { work, span, deadline: Some(deadline) })
    }
}

impl<F, E, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data: From<Bytes>, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Output = Result<Response<TenantBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().0.project() {
            StateProjection::Refused(refusal, protocol, challenge) => {
                Poll::Ready(Ok(refuse(refusal, *protocol, *challenge)))
            }
            StateProjection::Working { mut work, span, deadline } => {
                let answer = ready!(span.within(|| work.as_mut().poll(cx)))?;
                let Some(deadline) = deadline.take() else {
                    panic!("polled after it was ready");
                };
                let (mut head, body) = answer.into_parts();
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
    protocol: Protocol,
    challenge: Challenge,
) -> Response<TenantBody<B>> {
    match protocol.content_type() {
        Some(content_type) => grpc_answer(refusal, content_type, TenantBody::default()),
        None => http_answer(refusal, challenge).map(TenantBody::text),
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
