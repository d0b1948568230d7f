//! [`Sending`]: a record that is about to be sent.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use crate::Error;

/// A record that is about to be sent. It comes from [`TenantProducer`](crate::TenantProducer), and has a name
/// so that the compiler complains once, and not at each `await`, about what is no tenant.
#[must_use = "a record is sent when this is awaited"]
pub struct Sending<'a, T>(Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>);

impl<'a, T> Sending<'a, T> {
    pub(super) fn new(sending: impl Future<Output = Result<T, Error>> + Send + 'a) -> Self {
        Self(Box::pin(sending))
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
