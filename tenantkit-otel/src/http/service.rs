//! [`CountedService`]: notes whose request it is, then calls.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tenantkit_core::TenantContext;
use tower_service::Service;

use super::{
    CountedBody, ResponseFuture,
    told::{Told, Underway},
};

/// What a [`RequestLayer`](super::RequestLayer) makes of a service.
#[derive(Debug, Clone)]
pub struct CountedService<S> {
    inner: S,
    told: Arc<Told>,
}

impl<S> CountedService<S> {
    pub(super) const fn new(inner: S, told: Arc<Told>) -> Self {
        Self { inner, told }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for CountedService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<CountedBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        // Outside the layer that verifies it there is none.
        let tenant = request.extensions().get::<TenantContext>().cloned();
        let underway = tenant.map(|tenant| Underway::new(&self.told, tenant));
        ResponseFuture::new(self.inner.call(request), underway, Arc::clone(&self.told))
    }
}

#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for CountedService<S> {
    const NAME: &'static str = S::NAME;
}
