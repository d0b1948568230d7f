//! [`ClientBody`]: the peer's body, or none where there was no call.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;

/// The peer's body as it is, or an empty one where a gRPC call was refused here.
#[pin_project]
pub struct ClientBody<B>(#[pin] Option<B>);

impl<B> ClientBody<B> {
    pub(crate) const fn new(body: B) -> Self {
        Self(Some(body))
    }

    /// The peer's body; `None` where there was no call.
    pub fn into_inner(self) -> Option<B> {
        self.0
    }
}

/// An empty body.
impl<B> Default for ClientBody<B> {
    fn default() -> Self {
        Self(None)
    }
}

impl<B: Body> Body for ClientBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().0.as_pin_mut().map_or(Poll::Ready(None), |body| body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B> fmt::Debug for ClientBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBody").finish_non_exhaustive()
    }
}
