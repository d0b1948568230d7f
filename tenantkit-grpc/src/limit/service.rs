//! [`LimitService`]: ask, then call.

use std::{
    mem,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tenantkit_core::{Door, Reason, Refusal, TenantContext};
use tenantkit_limit::{
    limits::{Denied, Entry},
    quota::Cost,
};
use tower_service::Service;

use super::{Deadline, LimitBody, LimitLayer, ResponseFuture, ambient, future::Answering};
use crate::protocol::Protocol;

/// What a [`LimitLayer`] makes of a service.
#[derive(Debug, Clone)]
pub struct LimitService<S> {
    inner: S,
    layer: LimitLayer,
}

impl<S> LimitService<S> {
    pub(super) const fn new(inner: S, layer: LimitLayer) -> Self {
        Self { inner, layer }
    }

    fn begin<B>(&self, request: &Request<B>) -> Result<Entry, Denied> {
        let context = request.extensions().get::<TenantContext>();
        let context = context.ok_or(Refusal::new(Reason::NoLayer, Door::Permit))?;
        self.layer.resource.begin(context, Cost::ONE)
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for LimitService<S>
where
    // `Clone`, so that a request that waits can take along the service that was polled ready for it.
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Body<Data: From<Bytes>>,
{
    type Response = Response<LimitBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::asked(&request);
        // Over HTTP that header means nothing.
        let deadline = match protocol {
            Protocol::Http => None,
            _ => Deadline::of(request.headers()),
        };
        let answering = Answering::new(protocol, &self.layer, deadline);
        if let Some(deadline) = deadline {
            request.extensions_mut().insert(deadline);
        }
        if deadline.is_some_and(|deadline| deadline.remaining().is_zero()) {
            return ResponseFuture::too_late(answering);
        }
        match self.begin(&request) {
            Ok(Entry::Entered(entered)) => {
                let pass = answering.pass(entered, &mut request);
                let work = ambient::within(deadline, || self.inner.call(request));
                ResponseFuture::working(work, pass, answering)
            }
            Ok(Entry::Waits(waiting)) => {
                let next = self.inner.clone();
                let ready = mem::replace(&mut self.inner, next);
                let patience = deadline.map_or(self.layer.max_wait, |deadline| {
                    deadline.remaining().min(self.layer.max_wait)
                });
                ResponseFuture::waiting(waiting, patience, ready, request, answering)
            }
            Err(denied) => ResponseFuture::denied(denied, answering),
        }
    }
}
