//! [`ReplayBody`]: what a request uploads, kept to be sent again.

use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::BoxError;

/// A request's body in an attempt of a [`RetryLayer`](super::RetryLayer): what was sent before, and
/// then the rest of the original, which is kept as it goes out, up to a bound.
///
/// The service below takes the body that the one above it gives, so that a retry fits between any two:
/// there is a conversion into it for the bodies of axum and tonic and for `UnsyncBoxBody`. For a body of
/// your own write `From<ReplayBody<Yours>>`, by boxing it.
///
/// An attempt that was given up and polls its body all the same gets an error.
pub struct ReplayBody<B> {
    original: Arc<Mutex<Original<B>>>,
    attempt: u32,
    /// How much of what was kept it has sent.
    sent: usize,
}

/// The original body, and what was kept of it.
pub(super) struct Original<B> {
    body: Pin<Box<B>>,
    kept: Vec<Kept>,
    room: usize,
    /// It is read for the last time: there was more than is kept, or it failed.
    is_spent: bool,
    /// The one that may read.
    attempt: u32,
}

#[derive(Clone)]
enum Kept {
    Data(Bytes),
    Trailers(http::HeaderMap),
}

/// A body that can be sent several times, one attempt after the other.
pub(super) struct Replay<B>(Arc<Mutex<Original<B>>>);

impl<B: Body> Replay<B> {
    pub(super) fn of(body: B, room: usize) -> Self {
        let is_spent = usize::try_from(body.size_hint().lower()).map_or(true, |it| it > room);
        let (body, kept) = (Box::pin(body), Vec::new());
        Self(Arc::new(Mutex::new(Original { body, kept, room, is_spent, attempt: 0 })))
    }

    /// The body of the next attempt. That of the one before is not read any more.
    pub(super) fn next(&self) -> ReplayBody<B> {
        let mut original = lock(&self.0);
        original.attempt += 1;
        ReplayBody { original: Arc::clone(&self.0), attempt: original.attempt, sent: 0 }
    }

    /// Whether all that was sent is kept.
    pub(super) fn can_be_sent_again(&self) -> bool {
        !self.0.is_poisoned() && !lock(&self.0).is_spent
    }
}

/// Poisoned by a panic of the original body, it is not sent again.
fn lock<B>(original: &Mutex<Original<B>>) -> MutexGuard<'_, Original<B>> {
    original.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<B> Original<B> {
    fn keep(&mut self, frame: &Frame<Bytes>) {
        if self.is_spent {
            return;
        }
        let kept = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Kept::Data(data.clone()),
            (None, Some(trailers)) => Kept::Trailers(trailers.clone()),
            (None, None) => return,
        };
        // A frame costs something even if it is empty.
        let size = match &kept {
            Kept::Data(data) => data.len().max(1),
            Kept::Trailers(trailers) => trailers.len().saturating_mul(64).max(1),
        };
        match self.room.checked_sub(size) {
            Some(room) => {
                self.room = room;
                self.kept.push(kept);
            }
            None => self.is_spent = true,
        }
    }
}

impl<B: Body<Data = Bytes, Error: Into<BoxError>>> Body for ReplayBody<B> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        let mut original = lock(&this.original);
        if original.attempt != this.attempt {
            return Poll::Ready(Some(Err(Superseded.into())));
        }
        if let Some(kept) = original.kept.get(this.sent) {
            this.sent += 1;
            return Poll::Ready(Some(Ok(match kept.clone() {
                Kept::Data(data) => Frame::data(data),
                Kept::Trailers(trailers) => Frame::trailers(trailers),
            })));
        }
        let frame = ready!(original.body.as_mut().poll_frame(cx));
        match &frame {
            Some(Ok(frame)) => {
                original.keep(frame);
                if original.is_spent {
                    // Nobody will read it again.
                    original.kept.clear();
                    this.sent = 0;
                } else {
                    this.sent = original.kept.len();
                }
            }
            Some(Err(_)) => original.is_spent = true,
            None => {}
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        let original = lock(&self.original);
        original.attempt == self.attempt
            && original.kept.len() <= self.sent
            && original.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let original = lock(&self.original);
        let data = |kept: &Kept| match kept {
            Kept::Data(data) => data.len() as u64,
            Kept::Trailers(_) => 0,
        };
        let kept: u64 = original.kept.iter().skip(self.sent).map(data).sum();
        let rest = original.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(rest.lower().saturating_add(kept));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(kept)) {
            hint.set_upper(upper);
        }
        hint
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayBody").field("attempt", &self.attempt).finish_non_exhaustive()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("this attempt was given up for another")]
struct Superseded;

#[cfg(feature = "axum")]
impl From<ReplayBody<Self>> for axum::body::Body {
    fn from(body: ReplayBody<Self>) -> Self {
        Self::new(body)
    }
}

#[cfg(feature = "tonic")]
impl From<ReplayBody<Self>> for tonic::body::Body {
    fn from(body: ReplayBody<Self>) -> Self {
        Self::new(body)
    }
}

impl From<ReplayBody<Self>> for http_body_util::combinators::UnsyncBoxBody<Bytes, BoxError> {
    fn from(body: ReplayBody<Self>) -> Self {
        Self::new(body)
    }
}
