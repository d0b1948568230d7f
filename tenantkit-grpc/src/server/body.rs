//! [`TenantBody`]: a body that is polled and dropped in its tenant's scope, and ends with it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tenantkit_core::Refusal;

use super::{ahead::Ahead, flight::Flight, span::Span, watched::Watched};
use crate::{BoxError, Cut, protocol::Protocol, refusal::grpc_trailers};

/// The body of an answer that came through a [`TenantService`](super::TenantService).
///
/// It is polled, and dropped, in the scope of its tenant, because a streaming body is polled long
/// after its handler has returned. It is cut when the tenant's context has expired and the
/// authority's [grace](tenantkit_core::Authority::grace) is over: no frame passes after that. Over
/// gRPC it then ends with the status `UNAUTHENTICATED`, over HTTP with the error [`Cut`], which a
/// server makes a broken connection or stream of, so that nobody takes it for complete.
///
/// The same when its tenant may not act any more (it was suspended, or deleted and created again):
/// the grace then begins when that is seen, and the refusal is the directory's. A body that is polled
/// sees it within a second.
///
/// With the feature `tokio`, when the handler answers on a tokio runtime, a task holds it to that
/// whether or not anybody polls it: a server does not poll a body whose caller does not read. What is
/// inside is then dropped, and the next poll gives the end. The task sees a suspension within a
/// quarter of the grace, but not less than two seconds and not more than ten. Without the feature, or
/// elsewhere than on tokio, what is inside lives until the body is polled or dropped, however long
/// that is.
///
/// As many as two frames that are ready when the handler answers are read ahead. A body that ends with
/// them is dropped there and has no task.
///
/// # Cancellation
///
/// Dropping it drops what is inside it, in its tenant's scope.
#[pin_project]
pub struct TenantBody<B: Body>(State<B>);

#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each request")]
enum State<B: Body> {
    Empty,
    /// A refusal, in words.
    Text(Option<Bytes>),
    Working {
        ahead: Ahead<B::Data>,
        body: Watched<B>,
        span: Span,
        protocol: Protocol,
    },
}

impl<B: Body> TenantBody<B> {
    pub(super) const fn text(text: Bytes) -> Self {
        Self(State::Text(Some(text)))
    }
}

impl<B> TenantBody<B>
where
    B: Body<Error: Into<BoxError>> + Send + Unpin + 'static,
{
    pub(super) fn working(
        mut flight: Flight<B>,
        span: Span,
        protocol: Protocol,
        cx: &mut Context<'_>,
    ) -> Self {
        let ahead = Ahead::read(&mut flight, &span, cx);
        Self(State::Working { ahead, body: Watched::new(flight), span, protocol })
    }
}

/// An empty body: what a layer outside, such as CORS, answers with.
impl<B: Body> Default for TenantBody<B> {
    fn default() -> Self {
        Self(State::Empty)
    }
}

impl<B> Body for TenantBody<B>
where
    B: Body<Data: From<Bytes>, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let state = self.project().0;
        match state {
            State::Empty => Poll::Ready(None),
            State::Text(text) => Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into())))),
            State::Working { ahead, body, span, protocol } => {
                if ahead.is_empty() && body.read(Flight::has_ended) {
                    *state = State::Empty;
                    return Poll::Ready(None);
                }
                if let Err(refusal) = body.with(Flight::look) {
                    let end = cut(refusal, *protocol);
                    // What is inside ends here as well, and is not kept for a caller who waits.
                    *state = State::Empty;
                    return Poll::Ready(Some(end));
                }
                if let Some(frame) = ahead.next() {
                    return Poll::Ready(Some(frame));
                }
                let polled = span.within(|| body.poll_frame(cx));
                polled.map(|frame| frame.map(|frame| frame.map_err(Into::into)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            State::Empty => true,
            State::Text(text) => text.is_none(),
            State::Working { ahead, body, .. } => ahead.is_empty() && body.read(Flight::has_ended),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            State::Empty => SizeHint::with_exact(0),
            State::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            State::Working { ahead, body, .. } => ahead.before(&body.read(Flight::size_hint)),
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

impl<B: Body> fmt::Debug for TenantBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantBody").finish_non_exhaustive()
    }
}
