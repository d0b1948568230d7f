//! [`Waiting`]: a request whose token has to be checked, and whose turn has not come yet.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Request;
use tenantkit_core::{Listener, Refusal, TenantContext, Turn};

use super::service::inbound;

/// A request in the line, with the service that was polled ready for it.
pub(super) struct Waiting<S, B> {
    turn: Turn,
    listener: Listener,
    request: Request<B>,
    inner: S,
}

impl<S, B> Waiting<S, B> {
    pub(super) fn new(turn: Turn, listener: Listener, request: Request<B>, inner: S) -> Self {
        Self { turn, listener, request, inner }
    }

    /// Ready when the token was checked, here and now.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<TenantContext, Refusal>> {
        let permit = ready!(Pin::new(&mut self.turn).poll(cx));
        let inbound = inbound(&self.listener, &self.request);
        Poll::Ready(inbound.and_then(|inbound| permit.identify(inbound)))
    }

    pub(super) fn into_parts(self) -> (Request<B>, S) {
        (self.request, self.inner)
    }
}
