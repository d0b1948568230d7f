//! [`Watched`]: a body in flight whose deadline holds whether or not anybody polls it.
//!
//! A server does not poll a body while its caller does not read; for a caller who gives an HTTP/2
//! stream no window, not even once. What the body holds (say, through a channel, a task with a
//! transaction) would be held for as long. So on tokio a task looks as well, and drops the body.

#[cfg(feature = "tokio")]
mod shared;

use std::task::Context;

use http_body::Body;

use super::flight::{Flight, Polled};

/// A body in flight, and on tokio a task that watches it.
pub(super) enum Watched<B> {
    /// Only when it is polled its deadline is looked at.
    Alone(Flight<B>),
    #[cfg(feature = "tokio")]
    Shared(shared::Shared<B>),
}

impl<B: Body + Send + Unpin + 'static> Watched<B> {
    /// Has it watched, if it has not ended and there is a runtime to do it.
    pub(super) fn new(flight: Flight<B>) -> Self {
        #[cfg(feature = "tokio")]
        if !flight.has_ended()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            return Self::Shared(shared::Shared::new(flight, &runtime));
        }
        Self::Alone(flight)
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Polled<B> {
        match self {
            Self::Alone(flight) => flight.poll_frame(cx),
            #[cfg(feature = "tokio")]
            Self::Shared(shared) => shared.poll_frame(cx),
        }
    }

    /// Runs `work` on it, while the task waits.
    pub(super) fn with<R>(&mut self, work: impl FnOnce(&mut Flight<B>) -> R) -> R {
        match self {
            Self::Alone(flight) => work(flight),
            #[cfg(feature = "tokio")]
            Self::Shared(shared) => work(&mut shared.lock().flight),
        }
    }

    /// Reads from it, while the task waits.
    pub(super) fn read<R>(&self, read: impl FnOnce(&Flight<B>) -> R) -> R {
        match self {
            Self::Alone(flight) => read(flight),
            #[cfg(feature = "tokio")]
            Self::Shared(shared) => read(&shared.lock().flight),
        }
    }
}
