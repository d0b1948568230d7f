//! [`LimitBody`]: a body that holds its permit until it has ended.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project::pin_project;
use tenantkit_limit::concurrency::Outcome;

use super::{Deadline, ambient, pass::Pass};

/// The body of an answer that came through a [`LimitService`](super::LimitService). The permit is given
/// back when it has ended, has failed or is dropped, whichever is first.
///
/// # Cancellation
///
/// Dropping it drops what is inside it, and then gives the permit back.
#[pin_project]
pub struct LimitBody<B>(#[pin] State<B>);

#[pin_project(project = StateProjection)]
#[expect(clippy::large_enum_variant, reason = "a box would be an allocation for each request")]
enum State<B> {
    Empty,
    /// A refusal, in words.
    Text(Option<Bytes>),
    Working {
        #[pin]
        body: B,
        // After the body, which is dropped first.
        pass: Option<Pass>,
        outcome: Outcome,
        deadline: Option<Deadline>,
    },
}

impl<B> LimitBody<B> {
    pub(super) const fn text(text: Bytes) -> Self {
        Self(State::Text(Some(text)))
    }
}

impl<B: Body> LimitBody<B> {
    pub(super) fn working(
        answer: Response<B>,
        pass: Pass,
        deadline: Option<Deadline>,
    ) -> Response<Self> {
        let outcome = outcome(answer.status(), answer.headers());
        answer.map(|body| {
            // What has no frames may never be polled.
            let pass = if body.is_end_stream() {
                pass.finished(outcome);
                None
            } else {
                Some(pass)
            };
            Self(State::Working { body, pass, outcome, deadline })
        })
    }
}

/// What an answer tells of the load. `grpc-status` stands in the head of an answer without a message,
/// and otherwise in its trailers.
fn outcome(status: StatusCode, headers: &HeaderMap) -> Outcome {
    let is_overload = match headers.get("grpc-status") {
        // DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE
        Some(status) => matches!(status.as_bytes(), b"4" | b"8" | b"14"),
        None => matches!(status.as_u16(), 429 | 503 | 504),
    };
    if is_overload { Outcome::Overloaded } else { Outcome::Served }
}

/// An empty body: what a layer outside, such as CORS, answers with.
impl<B> Default for LimitBody<B> {
    fn default() -> Self {
        Self(State::Empty)
    }
}

impl<B: Body<Data: From<Bytes>>> Body for LimitBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let (mut body, pass, outcome, deadline) = match self.project().0.project() {
            StateProjection::Empty => return Poll::Ready(None),
            StateProjection::Text(text) => {
                return Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into()))));
            }
            StateProjection::Working { body, pass, outcome, deadline } => {
                (body, pass, outcome, *deadline)
            }
        };
        let frame = ready!(ambient::within(deadline, || body.as_mut().poll_frame(cx)));
        let ended = match &frame {
            None => Some(*outcome),
            Some(Err(_)) => Some(Outcome::Ignored),
            Some(Ok(frame)) => match frame.trailers_ref() {
                Some(trailers) if trailers.contains_key("grpc-status") => {
                    Some(self::outcome(StatusCode::OK, trailers))
                }
                _ => body.is_end_stream().then_some(*outcome),
            },
        };
        if let Some(outcome) = ended
            && let Some(pass) = pass.take()
        {
            pass.finished(outcome);
        }
        Poll::Ready(frame)
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

impl<B> fmt::Debug for LimitBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitBody").finish_non_exhaustive()
    }
}
