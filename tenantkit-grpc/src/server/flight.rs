//! [`Flight`]: a body in flight, which ends at its deadline.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http_body::{Body, Frame, SizeHint};
use tenantkit_core::{Refusal, Scoped};

use super::deadline::Deadline;

/// What [`Body::poll_frame`] gives.
pub(super) type Polled<B> = Poll<Option<Result<Frame<<B as Body>::Data>, <B as Body>::Error>>>;

/// A body in flight and its deadline.
pub(super) struct Flight<B> {
    /// Empty once it has ended or was cut: nothing is held for a caller who reads slowly.
    body: Option<Scoped<B>>,
    deadline: Deadline,
    cut: Option<Refusal>,
}

impl<B> Flight<B> {
    pub(super) const fn new(body: Scoped<B>, deadline: Deadline) -> Self {
        Self { body: Some(body), deadline, cut: None }
    }

    /// Looks at the deadline. An error is why it is cut, from then on.
    pub(super) fn look(&mut self) -> Result<(), Refusal> {
        if self.cut.is_none()
            && let Poll::Ready(refusal) = self.deadline.poll()
        {
            self.cut = Some(refusal);
        }
        self.cut.map_or(Ok(()), Err)
    }
}

#[cfg(feature = "tokio")]
impl<B> Flight<B> {
    pub(super) const fn holds_body(&self) -> bool {
        self.body.is_some()
    }

    /// What is inside, to be dropped where no lock is held.
    pub(super) const fn land(&mut self) -> Option<Scoped<B>> {
        self.body.take()
    }

    /// How long nobody needs to look.
    pub(super) fn rest(&self) -> std::time::Duration {
        self.deadline.rest()
    }
}

impl<B: Body + Unpin> Flight<B> {
    /// The next frame, whatever the deadline.
    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled<B> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *body).poll_frame(cx));
        if frame.is_none() || body.is_end_stream() {
            self.body = None;
        }
        Poll::Ready(frame)
    }

    pub(super) fn has_ended(&self) -> bool {
        // One that was cut has yet to say so.
        self.cut.is_none() && self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None if self.cut.is_some() => SizeHint::default(),
            None => SizeHint::with_exact(0),
        }
    }
}
