//! [`RetryBody`]: an answer of which something may have been looked at.

use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// The peer's body, or none where there was no call.
pub struct RetryBody<B: Body> {
    body: Option<Pin<Box<B>>>,
    first: Option<Result<Frame<B::Data>, B::Error>>,
}

impl<B: Body> RetryBody<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body: Some(Box::pin(body)), first: None }
    }

    /// Waits for the first frame, which is then read again by whoever gets the answer.
    pub(super) async fn peek(&mut self) {
        if let Some(body) = &mut self.body
            && self.first.is_none()
        {
            self.first = poll_fn(|cx| body.as_mut().poll_frame(cx)).await;
        }
    }

    /// The trailers of an answer that has nothing else.
    pub(super) fn trailers(&self) -> Option<&HeaderMap> {
        self.first.as_ref()?.as_ref().ok()?.trailers_ref()
    }

    /// Whether it broke off before anything came.
    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.first, Some(Err(_)))
    }
}

/// An empty body.
impl<B: Body> Default for RetryBody<B> {
    fn default() -> Self {
        Self { body: None, first: None }
    }
}

/// What is inside is pinned by itself.
impl<B: Body> Unpin for RetryBody<B> {}

impl<B: Body> Body for RetryBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        self.body.as_mut().map_or(Poll::Ready(None), |body| body.as_mut().poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        if self.first.is_some() {
            // A frame that was looked at is of a unary gRPC answer, of which nobody asks how long it is.
            return SizeHint::new();
        }
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Body> fmt::Debug for RetryBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBody").finish_non_exhaustive()
    }
}
