//! [`TenantService`]: identify, then call.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tenantkit_core::{AuditAction, AuditEvent, Door, Inbound, Listener, Refusal, TenantContext};
use tower_service::Service;

use super::{ResponseFuture, TenantBody, deadline::Deadline, host, peer, span::Span, upload};
use crate::{BoxError, protocol::Protocol, refusal::Challenge};

/// What a [`TenantLayer`](super::TenantLayer) makes of a service.
#[derive(Debug, Clone)]
pub struct TenantService<S> {
    inner: S,
    listener: Listener,
    challenge: Challenge,
}

impl<S> TenantService<S> {
    pub(super) const fn new(inner: S, listener: Listener, challenge: Challenge) -> Self {
        Self { inner, listener, challenge }
    }

    fn identify<B>(&self, request: &Request<B>) -> Result<TenantContext, Refusal> {
        let peer = peer::of(request.extensions());
        let host = host::of(request).map_err(|reason| {
            let refusal = Refusal::new(reason, Door::Request);
            let authority = self.listener.authority();
            let event = AuditEvent::new(authority.now(), AuditAction::Refused(refusal));
            authority.record(event.from(peer.addr));
            refusal
        })?;
        let inbound = Inbound::new(request.headers()).from(peer).host(host);
        self.listener.identify(inbound.path(request.uri().path()))
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TenantService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ReqBody: Body + 'static,
    // `Unpin`, so that it can be handed to a task after its first frames; box one that is not.
    ResBody: Body<Data: From<Bytes>, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    type Response = Response<TenantBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::asked(&request);
        let scoped = self.identify(&request).and_then(|context| {
            let scope = context.scope(())?;
            Ok((context, scope))
        });
        let (context, mut scope) = match scoped {
            Ok(scoped) => scoped,
            Err(refusal) => return ResponseFuture::refused(refusal, protocol, self.challenge),
        };
        let span = Span::of(&context);
        let deadline = Deadline::of(&context);
        // Whatever stood there did not come through this layer.
        let mut request = request.map(|body| upload::bound(body, &context));
        request.extensions_mut().insert(context);
        let inner = &mut self.inner;
        let work = Pin::new(&mut scope).then(|| span.within(|| inner.call(request)));
        ResponseFuture::working(work, span, deadline)
    }
}
