//! [`Scoped`]: what is polled and dropped in a tenant's scope.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{FusedFuture, Stream};
use futures_sink::Sink;
use pin_project::{pin_project, pinned_drop};

use super::stack;
use crate::TenantContext;

/// A future, stream, sink or body that is polled and dropped in the scope of one tenant. It comes
/// from [`TenantContext::scope`].
///
/// # Cancellation
///
/// Dropping it drops what is inside it in the tenant's scope, wherever that happens.
#[pin_project(PinnedDrop)]
#[must_use = "what is in it does nothing until it is polled, and then in the tenant's scope"]
pub struct Scoped<T> {
    /// Empty while it is lent to the stack, during a poll.
    context: Option<TenantContext>,
    /// An option only so that the drop can empty it in place, inside the scope.
    #[pin]
    inner: Option<T>,
}

impl<T> Scoped<T> {
    pub(super) const fn new(context: TenantContext, inner: T) -> Self {
        Self { context: Some(context), inner: Some(inner) }
    }

    /// Makes what belongs to the same work, in the same scope: the future of a handler, and the body
    /// that it answers with. It is polled and dropped in that scope as well.
    ///
    /// Nothing is checked again: work that was let in may finish after its context has expired. Who
    /// holds this bounds it.
    pub fn then<U>(self: Pin<&mut Self>, make: impl FnOnce() -> U) -> Scoped<U> {
        let this = self.project();
        let context = this.context.clone();
        Scoped { context, inner: Some(stack::within(this.context, make)) }
    }

    /// Runs a closure that was wrapped, in the scope.
    #[cfg(feature = "tokio")]
    pub(super) fn call<R>(mut self) -> R
    where
        T: FnOnce() -> R,
    {
        let Some(work) = self.inner.take() else {
            unreachable!("emptied only by the drop");
        };
        stack::within(&mut self.context, work)
    }

    /// Runs `poll` on what is inside, in the scope.
    fn enter<R>(self: Pin<&mut Self>, poll: impl FnOnce(Pin<&mut T>) -> R) -> R {
        let this = self.project();
        let Some(inner) = this.inner.as_pin_mut() else {
            unreachable!("emptied only by the drop");
        };
        stack::within(this.context, || poll(inner))
    }
}

#[pinned_drop]
impl<T> PinnedDrop for Scoped<T> {
    fn drop(self: Pin<&mut Self>) {
        let mut this = self.project();
        stack::within(this.context, || this.inner.set(None));
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.enter(|inner| inner.poll(cx))
    }
}

impl<F: FusedFuture> FusedFuture for Scoped<F> {
    fn is_terminated(&self) -> bool {
        self.inner.as_ref().is_none_or(FusedFuture::is_terminated)
    }
}

impl<S: Stream> Stream for Scoped<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.enter(|inner| inner.poll_next(cx))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}

impl<I, S: Sink<I>> Sink<I> for Scoped<S> {
    type Error = S::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.enter(|inner| inner.poll_ready(cx))
    }

    fn start_send(self: Pin<&mut Self>, item: I) -> Result<(), S::Error> {
        self.enter(|inner| inner.start_send(item))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.enter(|inner| inner.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.enter(|inner| inner.poll_close(cx))
    }
}

#[cfg(feature = "http")]
impl<B: http_body::Body> http_body::Body for Scoped<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        self.enter(|inner| inner.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.inner.as_ref().map_or_else(http_body::SizeHint::default, http_body::Body::size_hint)
    }
}

impl<T: fmt::Debug> fmt::Debug for Scoped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scoped").field("inner", &self.inner).finish_non_exhaustive()
    }
}
