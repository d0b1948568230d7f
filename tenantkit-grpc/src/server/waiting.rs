//! [`Waiting`]: a request whose token has to be checked, and whose turn has not come yet.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::Request;
use http_body::Body;
use tenantkit_core::{CheckPermit, Listener, Turn};
use tower_service::Service;

use super::{ResponseFuture, future::Answering, service::inbound};

/// A request in the line, with the service that was polled ready for it.
pub(super) struct Waiting<S, B> {
    turn: Turn,
    listener: Listener,
    request: Request<B>,
    inner: S,
}

impl<S, B> Waiting<S, B> {
    pub(super) const fn new(turn: Turn, listener: Listener, request: Request<B>, inner: S) -> Self {
        Self { turn, listener, request, inner }
    }

    /// Ready when the check may be done.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<CheckPermit> {
        Pin::new(&mut self.turn).poll(cx)
    }
}

impl<S: Service<Request<B>>, B: Body + 'static> Waiting<S, B> {
    /// Does the check, and calls the handler where it holds.
    pub(super) fn go_on(
        mut self,
        permit: CheckPermit,
        answering: Answering,
    ) -> ResponseFuture<S, B> {
        let inbound = inbound(&self.listener, &self.request);
        match inbound.and_then(|inbound| permit.identify(inbound)) {
            Ok(context) => ResponseFuture::start(&mut self.inner, self.request, context, answering),
            Err(refusal) => ResponseFuture::refused(refusal, answering),
        }
    }
}
