//! [`TenantService`]: identify, then call.

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tenantkit_core::{AuditAction, AuditEvent, Begun, Door, Inbound, Listener, Refusal};
use tower_service::Service;

use super::{ResponseFuture, TenantBody, future::Answering, host, peer, waiting::Waiting};
use crate::{BoxError, refusal::Challenge, trace::Adopt};

/// What a [`TenantLayer`](super::TenantLayer) makes of a service.
#[derive(Debug, Clone)]
pub struct TenantService<S> {
    inner: S,
    listener: Listener,
    challenge: Challenge,
    trace: Adopt,
}

impl<S> TenantService<S> {
    pub(super) const fn new(
        inner: S,
        listener: Listener,
        challenge: Challenge,
        trace: Adopt,
    ) -> Self {
        Self { inner, listener, challenge, trace }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TenantService<S>
where
    // `Clone`, so that a request that waits can take along the service that was polled ready for it.
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ReqBody: Body + 'static,
    // `Unpin`, so that it can be handed to a task after its first frames; box one that is not.
    ResBody: Body<Data: From<Bytes>, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<TenantBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let answering = Answering::to(&request, self.challenge);
        let begun = inbound(&self.listener, &request).and_then(|it| self.listener.begin(it));
        match begun {
            Ok(Begun::Identified(context)) => {
                ResponseFuture::start(&mut self.inner, request, context, answering, &self.trace)
            }
            Ok(Begun::Waiting(turn)) => {
                let next = self.inner.clone();
                let ready = mem::replace(&mut self.inner, next);
                let (listener, trace) = (self.listener.clone(), self.trace.clone());
                let waiting = Waiting::new(turn, listener, request, ready, trace);
                ResponseFuture::waiting(waiting, answering)
            }
            Err(refusal) => ResponseFuture::refused(refusal, answering),
        }
    }
}

/// What arrived, as a listener reads it.
pub(super) fn inbound<'r, B>(
    listener: &Listener,
    request: &'r Request<B>,
) -> Result<Inbound<'r>, Refusal> {
    let peer = peer::of(request.extensions());
    let host = host::of(request).map_err(|reason| {
        let refusal = Refusal::new(reason, Door::Request);
        let authority = listener.authority();
        let event = AuditEvent::new(authority.now(), AuditAction::Refused(refusal));
        authority.record(event.from(peer.addr));
        refusal
    })?;
    Ok(Inbound::new(request.headers()).from(peer).host(host).path(request.uri().path()))
}
