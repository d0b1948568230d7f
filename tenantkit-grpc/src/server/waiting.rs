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
use crate::trace::Adopt;

/// A request in the line, with the service that was polled ready for it.
pub(super) struct Waiting<S, B> {
    turn: Turn,
    listener: Listener,
    request: Request<B>,
    inner: S,
    trace: Adopt,
}

impl<S, B> Waiting<S, B> {
    pub(super) const fn new(
        turn: Turn,
        listener: Listener,
        request: Request<B>,
        inner: S,
        trace: Adopt,
    ) -> Self {
        Self { turn, listener, request, inner, trace }
    }

    /// Ready when the check may be done.
    pub(super) fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<CheckPermit> {
        Pin::new(&mut self.turn).poll(cx)
    }
}

impl<S: Service<Request<B>>, B: Body + 'static> Waiting<S, B> {
    /// Does the check, and calls the handler where it holds.
    pub(super) fn go_on(self, permit: CheckPermit, answering: Answering) -> ResponseFuture<S, B> {
        let inbound = inbound(&self.listener, &self.request);
        match inbound.and_then(|inbound| permit.identify(inbound)) {
            Ok(context) => {
                let Self { mut inner, request, trace, .. } = self;
                ResponseFuture::start(&mut inner, request, context, answering, &trace)
            }
            Err(refusal) => ResponseFuture::refused(refusal, answering),
        }
    }
}
