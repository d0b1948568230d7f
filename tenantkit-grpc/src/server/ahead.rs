//! [`Ahead`]: the first frames of a body, read ahead.

use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};

use super::{flight::Flight, span::Span};
use crate::BoxError;

/// The frames that were there as soon as the handler had answered, two at most: what a unary answer
/// consists of, over gRPC its message and its trailers. A body that ends with them holds nothing any
/// more, and needs nobody who watches it.
pub(super) struct Ahead<D>(Option<Read<D>>, Option<Read<D>>);

type Read<D> = Result<Frame<D>, BoxError>;

impl<D: Buf> Ahead<D> {
    pub(super) fn read<B>(flight: &mut Flight<B>, span: &Span, cx: &mut Context<'_>) -> Self
    where
        B: Body<Data = D, Error: Into<BoxError>> + Unpin,
    {
        let mut next = || match span.within(|| flight.poll_frame(cx)) {
            Poll::Ready(Some(frame)) => Some(frame.map_err(Into::into)),
            Poll::Ready(None) | Poll::Pending => None,
        };
        let first = next();
        // Nothing is asked again that has just failed or has nothing yet.
        let second = if matches!(first, Some(Ok(_))) { next() } else { None };
        Self(first, second)
    }

    pub(super) fn next(&mut self) -> Option<Read<D>> {
        self.0.take().or_else(|| self.1.take())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_none() && self.1.is_none()
    }

    /// How long a body is that has these frames in front of it.
    pub(super) fn before(&self, rest: &SizeHint) -> SizeHint {
        let data = |read: &Option<Read<D>>| match read {
            Some(Ok(frame)) => frame.data_ref().map_or(0, |data| data.remaining() as u64),
            _ => 0,
        };
        let ahead = data(&self.0).saturating_add(data(&self.1));
        let mut whole = SizeHint::new();
        whole.set_lower(rest.lower().saturating_add(ahead));
        if let Some(upper) = rest.upper().and_then(|upper| upper.checked_add(ahead)) {
            whole.set_upper(upper);
        }
        whole
    }
}
