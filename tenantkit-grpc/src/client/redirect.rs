//! The two parts of a client layer around one that follows redirects.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tenantkit_core::Scoped;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ClientBody, ResponseFuture, TenantClient,
    outbound::{Elsewhere, Outbound},
    span::Span,
};
use crate::{BoxError, ClientError, protocol::Protocol};

/// The part above redirects: decides whose call it is, refuses, and keeps every hop in that tenant's
/// scope. It sends nothing itself. From
/// [`TenantClientLayer::split`](super::TenantClientLayer::split).
#[derive(Debug, Clone)]
pub struct CaptureLayer(Outbound);

/// The part below redirects: adds the token on each hop to a trusted host, and nothing on a hop to
/// elsewhere. From [`TenantClientLayer::split`](super::TenantClientLayer::split).
#[derive(Debug, Clone)]
pub struct HopLayer(Outbound);

impl CaptureLayer {
    pub(super) const fn new(outbound: Outbound) -> Self {
        Self(outbound)
    }
}

impl HopLayer {
    pub(super) const fn new(outbound: Outbound) -> Self {
        Self(outbound)
    }
}

impl<S> Layer<S> for CaptureLayer {
    type Service = CaptureService<S>;

    fn layer(&self, inner: S) -> CaptureService<S> {
        CaptureService { inner, outbound: self.0.clone() }
    }
}

impl<S> Layer<S> for HopLayer {
    type Service = TenantClient<S>;

    fn layer(&self, inner: S) -> TenantClient<S> {
        TenantClient::new(inner, self.0.clone(), Elsewhere::CarryNothing)
    }
}

/// What a [`CaptureLayer`] makes of a client.
#[derive(Debug, Clone)]
pub struct CaptureService<S> {
    inner: S,
    outbound: Outbound,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CaptureService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: Into<BoxError>>,
    ResBody: Body,
{
    type Response = Response<ClientBody<ResBody>>;
    type Error = ClientError;
    type Future = ResponseFuture<Scoped<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.inner.poll_ready(cx).map_err(ClientError::inner)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::asked(&request);
        let admitted = self.outbound.admit(&request).and_then(|context| context.scope(()));
        match admitted {
            Ok(mut scope) => {
                let inner = &mut self.inner;
                let calls = Pin::new(&mut scope).then(|| inner.call(request));
                ResponseFuture::calling(calls, Span::none())
            }
            Err(refusal) => ResponseFuture::refused(refusal, protocol),
        }
    }
}
