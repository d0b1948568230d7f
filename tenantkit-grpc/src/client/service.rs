//! [`TenantClient`]: add the token, then call.

use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::{
    ClientBody, ResponseFuture,
    outbound::{Elsewhere, Outbound},
    span::Span,
};
use crate::{BoxError, ClientError, protocol::Protocol};

/// What a [`TenantClientLayer`](super::TenantClientLayer) makes of a client.
#[derive(Debug, Clone)]
pub struct TenantClient<S> {
    inner: S,
    outbound: Outbound,
    elsewhere: Elsewhere,
}

impl<S> TenantClient<S> {
    pub(super) const fn new(inner: S, outbound: Outbound, elsewhere: Elsewhere) -> Self {
        Self { inner, outbound, elsewhere }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for TenantClient<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: Into<BoxError>>,
    ResBody: Body,
{
    type Response = Response<ClientBody<ResBody>>;
    type Error = ClientError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.inner.poll_ready(cx).map_err(ClientError::inner)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::asked(&request);
        match self.outbound.send(&mut request, self.elsewhere) {
            Ok(carried) => {
                let span = match &carried {
                    Some(context) => Span::of(context, &request, protocol),
                    None => Span::none(),
                };
                let call = span.within(|| {
                    if carried.is_some() {
                        self.outbound.trace.inject(request.headers_mut());
                    }
                    self.inner.call(request)
                });
                ResponseFuture::calling(call, span)
            }
            Err(refusal) => ResponseFuture::refused(refusal, protocol),
        }
    }
}
