//! [`TenantBody`]: a body that is polled and dropped in its tenant's scope, and ends with it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tenantkit_core::{Refusal, Scoped};

use super::{deadline::Deadline, span::Span};
use crate::{BoxError, Cut, protocol::Protocol, refusal::grpc_trailers};

/// The body of an answer that came through a [`TenantService`](super::TenantService).
///
/// It is polled, and dropped, in the scope of its tenant, because a streaming body is polled long
/// after its handler has returned. It is cut when the tenant's context has expired and the
/// authority's [grace](tenantkit_core::Authority::grace) is over: no frame passes after that. Over
/// gRPC it then ends with the status `UNAUTHENTICATED`, over HTTP with the error [`Cut`], which a
/// server makes a broken connection or stream of, so that nobody takes it for complete.
///
/// A body that is idle at its deadline is cut when it is next polled; with the feature `tokio`, on a
/// tokio runtime, a timer polls it.
///
/// # Panics
///
/// With the feature `tokio`, on a tokio runtime whose time driver is not enabled, when it is idle.
///
/// # Cancellation
///
/// Dropping it drops what is inside it, in its tenant's scope.
#[pin_project]
pub struct TenantBody<B>(#[pin] State<B>);

#[pin_project(project = StateProjection)]
enum State<B> {
    Empty,
    /// A refusal, in words.
    Text(Option<Bytes>),
    Working {
        #[pin]
        body: Scoped<B>,
        span: Span,
        deadline: Deadline,
        protocol: Protocol,
    },
}

impl<B> TenantBody<B> {
    pub(super) const fn text(text: Bytes) -> Self {
        Self(State::Text(Some(text)))
    }

    pub(super) const fn working(
        body: Scoped<B>,
        span: Span,
        deadline: Deadline,
        protocol: Protocol,
    ) -> Self {
        Self(State::Working { body, span, deadline, protocol })
    }
}

/// An empty body: what a layer outside, such as CORS, answers with.
impl<B> Default for TenantBody<B> {
    fn default() -> Self {
        Self(State::Empty)
    }
}

impl<B> Body for TenantBody<B>
where
    B: Body<Data: From<Bytes>, Error: Into<BoxError>>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut state = self.project().0;
        match state.as_mut().project() {
            StateProjection::Empty => Poll::Ready(None),
            StateProjection::Text(text) => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into()))))
            }
            StateProjection::Working { body, span, deadline, protocol } => {
                if let Poll::Ready(refusal) = deadline.poll() {
                    let end = cut(refusal, *protocol);
                    // What is inside ends here as well, and is not kept for a caller who waits.
                    state.set(State::Empty);
                    return Poll::Ready(Some(end));
                }
                let polled = span.within(|| body.poll_frame(cx));
                if polled.is_pending() {
                    deadline.wake_when_over(cx);
                }
                polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Empty => true,
            State::Text(text) => text.is_none(),
            State::Working { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Empty => SizeHint::with_exact(0),
            State::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            State::Working { body, .. } => body.size_hint(),
        }
    }
}

/// How a body ends that is cut.
fn cut<D>(refusal: Refusal, protocol: Protocol) -> Result<Frame<D>, BoxError> {
    match protocol {
        Protocol::Grpc => Ok(Frame::trailers(grpc_trailers(&refusal))),
        // The trailers of gRPC-Web stand in the body, whose framing is not known here.
        Protocol::Http | Protocol::GrpcWeb | Protocol::GrpcWebText => Err(Box::new(Cut(refusal))),
    }
}

impl<B> fmt::Debug for TenantBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantBody").finish_non_exhaustive()
    }
}
