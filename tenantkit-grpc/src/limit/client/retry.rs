//! [`RetryLayer`]: what failed and may be sent again is, within a tenant's budget.

use std::{
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tenantkit_core::{Authority, Refusal, TenantId};
use tenantkit_limit::retry::{RetryBudget, RetryPolicy};
use tower_layer::Layer;
use tower_service::Service;

use super::{
    ReplayBody, RetryBody,
    attempt::{Retrying, Terms},
    caller,
    local::{refuse, too_late},
    outgoing,
};
use crate::{BoxError, ClientError, limit::IdempotencyKey, protocol::Protocol};

/// Sends again what failed, where that does no harm. See the [module](crate::limit::client).
///
/// What may be sent again: `GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT` and `DELETE` (RFC 9110, section
/// 9.2.2); whatever has an [`IdempotencyKey`]; and over gRPC the methods that are
/// [declared](Self::idempotent_unary). When: after an error of the transport, a 429 or a 503; over
/// gRPC after `UNAVAILABLE`, and after `RESOURCE_EXHAUSTED` with a `RetryInfo`. What the peer wants
/// waited (`Retry-After`, `RetryInfo`) is waited. Never: past the deadline of the call, what was
/// refused here, an upload that is longer than is [kept](Self::max_body), and what a layer above gave
/// up.
///
/// When there is to be no other attempt, the answer of the last one is the answer.
#[derive(Clone)]
pub struct RetryLayer {
    pub(super) authority: Authority,
    pub(super) policy: RetryPolicy,
    pub(super) budget: Arc<RetryBudget<TenantId>>,
    unary: Arc<[Box<str>]>,
    max_body: usize,
}

impl RetryLayer {
    /// Retries by this policy and within this budget, which may be shared with other clients.
    #[must_use]
    pub fn new(
        authority: &Authority,
        policy: RetryPolicy,
        budget: Arc<RetryBudget<TenantId>>,
    ) -> Self {
        let authority = authority.clone();
        Self { authority, policy, budget, unary: Arc::new([]), max_body: 64 * 1024 }
    }

    /// Declares that a gRPC method can be called twice for once, by its path:
    /// `/acmedocs.v1.Documents/Get`. May be called many times.
    ///
    /// Only for a unary method: its answer is held back until the first frame after its head, because a
    /// status may stand in trailers. Who waits for the head of a stream before sending would wait for
    /// ever.
    ///
    /// # Panics
    ///
    /// When it is not a path of that form: an error in the wiring of the application.
    #[must_use]
    #[track_caller]
    pub fn idempotent_unary(mut self, path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').collect();
        assert!(
            matches!(parts[..], ["", service, method] if !service.is_empty() && !method.is_empty()),
            "`idempotent_unary` wants `/package.Service/Method`"
        );
        self.unary = self.unary.iter().cloned().chain([path.into()]).collect();
        self
    }

    /// How much of an upload is kept, in bytes. 64 KiB if not said. What is longer is sent once.
    #[must_use]
    pub fn max_body(self, max_body: usize) -> Self {
        Self { max_body, ..self }
    }

    /// Wraps a client. The same as [`Layer::layer`], without the import.
    pub fn layer<S>(&self, inner: S) -> RetryService<S> {
        RetryService { inner, layer: self.clone() }
    }

    fn is_declared<B>(&self, request: &Request<B>, protocol: Protocol) -> bool {
        protocol == Protocol::Grpc && self.unary.iter().any(|path| **path == *request.uri().path())
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = RetryService<S>;

    fn layer(&self, inner: S) -> RetryService<S> {
        self.layer(inner)
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer").field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// RFC 9110, section 9.2.2.
fn is_idempotent(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE]
        .contains(method)
}

/// What a [`RetryLayer`] makes of a client.
#[derive(Debug, Clone)]
pub struct RetryService<S> {
    inner: S,
    layer: RetryLayer,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RetryService<S>
where
    // `Clone`, so that a call can take along the service that was polled ready for it.
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: Into<BoxError>, Future: Send>
        + Clone
        + Send
        + 'static,
    ReqBody: Body<Data = Bytes> + From<ReplayBody<ReqBody>> + Send + 'static,
    ResBody: Body<Data: Send, Error: Send> + Send + 'static,
{
    type Response = Response<RetryBody<ResBody>>;
    type Error = ClientError;
    type Future = RetryFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.inner.poll_ready(cx).map_err(ClientError::inner)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::asked(&request);
        let deadline = outgoing::deadline(&request, protocol);
        let context = match caller::admit(&self.layer.authority, &request) {
            Ok(context) => context,
            Err(refusal) => return RetryFuture(State::Refused(refusal, protocol)),
        };
        let is_declared = self.layer.is_declared(&request, protocol);
        let may_repeat = is_declared
            || is_idempotent(request.method())
            || matches!(IdempotencyKey::of(request.headers()), Ok(Some(_)));
        if !may_repeat {
            if !outgoing::stamp(request.headers_mut(), deadline, protocol) {
                return RetryFuture(State::TooLate(protocol));
            }
            // It counts among the calls that earn retries, as any other.
            let _only = self.layer.policy.first(&self.layer.budget, context.tenant());
            return RetryFuture(State::Once(self.inner.call(request)));
        }
        let next = self.inner.clone();
        let ready = mem::replace(&mut self.inner, next);
        let layer = self.layer.clone();
        let terms =
            Terms { layer, context: context.clone(), deadline, protocol, is_unary: is_declared };
        let retrying = Retrying::new(ready, request, self.layer.max_body, terms);
        // So that every attempt is this tenant's, whoever polls it.
        match context.scope(retrying.run()) {
            Ok(run) => RetryFuture(State::Retrying(Box::pin(run))),
            Err(refusal) => RetryFuture(State::Refused(refusal, protocol)),
        }
    }
}

type Run<B> = Pin<Box<dyn Future<Output = Result<Response<RetryBody<B>>, ClientError>> + Send>>;

/// The answer of a [`RetryService`] under way.
///
/// # Cancellation
///
/// Dropping it drops the attempt under way, or the wait for the next. What was taken from the budget
/// stays taken.
///
/// # Panics
///
/// When it has to wait and there is no tokio runtime with a time driver.
#[pin_project]
pub struct RetryFuture<F, B: Body>(#[pin] State<F, B>);

#[pin_project(project = StateProjection)]
enum State<F, B: Body> {
    Refused(Refusal, Protocol),
    TooLate(Protocol),
    Once(#[pin] F),
    Retrying(Run<B>),
}

impl<F, E, B> Future for RetryFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<RetryBody<B>>, ClientError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().0.project() {
            StateProjection::Refused(refusal, protocol) => Poll::Ready(refuse(refusal, *protocol)),
            StateProjection::TooLate(protocol) => Poll::Ready(too_late(*protocol)),
            StateProjection::Once(call) => {
                let answer = ready!(call.poll(cx)).map_err(ClientError::inner)?;
                Poll::Ready(Ok(answer.map(RetryBody::new)))
            }
            StateProjection::Retrying(run) => run.as_mut().poll(cx),
        }
    }
}

impl<F, B: Body> fmt::Debug for RetryFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryFuture").finish_non_exhaustive()
    }
}
