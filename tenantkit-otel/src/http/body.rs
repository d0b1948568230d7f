//! [`CountedBody`]: a body whose end is the end of its request.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Buf as _;
use http_body::{Body, Frame, SizeHint};
use pin_project::{pin_project, pinned_drop};

use super::told::{Underway, grpc_failed};
use crate::requests::Outcome;

/// The body of an answer that is counted.
///
/// # Cancellation
///
/// Dropped before its end, its request counts as one whose caller has hung up, unless it was refused or has failed.
#[pin_project(PinnedDrop)]
pub struct CountedBody<B: Body> {
    #[pin]
    inner: Option<B>,
    underway: Option<Underway>,
    outcome: Outcome,
}

impl<B: Body> CountedBody<B> {
    pub(super) fn new(inner: B, mut underway: Option<Underway>, outcome: Outcome) -> Self {
        // How the request ends is known already, or when nothing follows.
        if let Some(underway) = &mut underway
            && (outcome != Outcome::Served || inner.is_end_stream())
        {
            underway.ends(outcome);
        }
        Self { inner: Some(inner), underway, outcome }
    }
}

/// An empty body: what a layer outside, such as CORS, answers with.
impl<B: Body> Default for CountedBody<B> {
    fn default() -> Self {
        Self { inner: None, underway: None, outcome: Outcome::Served }
    }
}

impl<B: Body> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let frame = ready!(inner.as_mut().poll_frame(cx));
        if let Some(underway) = this.underway {
            match &frame {
                Some(Ok(frame)) => {
                    underway.moved(frame.data_ref().map_or(0, |data| data.remaining() as u64));
                    let failed = frame.trailers_ref().is_some_and(grpc_failed);
                    if failed && *this.outcome == Outcome::Served {
                        *this.outcome = Outcome::Failed;
                    }
                    // A server asks no further when nothing follows.
                    if frame.is_trailers() || inner.is_end_stream() {
                        underway.ends(*this.outcome);
                    }
                }
                Some(Err(_)) => underway.ends(Outcome::Failed),
                None => underway.ends(*this.outcome),
            }
        }
        let is_over =
            !matches!(&frame, Some(Ok(frame)) if !frame.is_trailers()) || inner.is_end_stream();
        if is_over {
            // Counted now, and not when whoever has the body lets go of it.
            *this.underway = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

#[pinned_drop]
impl<B: Body> PinnedDrop for CountedBody<B> {
    fn drop(self: Pin<&mut Self>) {
        let this = self.project();
        // What has nothing left was served, whether or not somebody asked for its end.
        let is_done = this
            .inner
            .as_ref()
            .get_ref()
            .as_ref()
            .is_none_or(|inner| inner.is_end_stream() || inner.size_hint().exact() == Some(0));
        if let Some(underway) = this.underway
            && is_done
        {
            underway.ends(*this.outcome);
        }
    }
}

impl<B: Body> fmt::Debug for CountedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedBody").finish_non_exhaustive()
    }
}
