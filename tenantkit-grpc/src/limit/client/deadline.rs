//! [`DeadlineLayer`]: a call whose caller has given up is not sent.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::{local::too_late, outgoing};
use crate::{BoxError, ClientError, client::ClientBody, protocol::Protocol};

/// Tells the peer how long its caller waits, and sends nothing when that is over.
///
/// The deadline is that of the call's extensions ([`Deadline`](crate::limit::Deadline)), or the one of
/// the request that is being worked for; over gRPC a `grpc-timeout` that the call has already makes it
/// only shorter. What is under way is not cut: whoever gives up drops it.
///
/// A [`RetryLayer`](super::RetryLayer) does the same for each attempt.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct DeadlineLayer;

impl DeadlineLayer {
    /// The layer.
    #[must_use]
    pub const fn new() -> Self {
        Self
    }

    /// Wraps a client. The same as [`Layer::layer`], without the import.
    pub const fn layer<S>(&self, inner: S) -> DeadlineService<S> {
        DeadlineService(inner)
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> DeadlineService<S> {
        self.layer(inner)
    }
}

/// What a [`DeadlineLayer`] makes of a client.
#[derive(Debug, Clone)]
pub struct DeadlineService<S>(S);

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for DeadlineService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: Into<BoxError>>,
    ResBody: Body,
{
    type Response = Response<ClientBody<ResBody>>;
    type Error = ClientError;
    type Future = DeadlineFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.0.poll_ready(cx).map_err(ClientError::inner)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::asked(&request);
        let deadline = outgoing::deadline(&request, protocol);
        let is_in_time = outgoing::stamp(request.headers_mut(), deadline, protocol);
        DeadlineFuture(if is_in_time {
            State::Calling(self.0.call(request))
        } else {
            State::TooLate(protocol)
        })
    }
}

/// The answer of a [`DeadlineService`] under way.
///
/// # Cancellation
///
/// Dropping it drops the call, as the client below takes it.
#[pin_project]
pub struct DeadlineFuture<F>(#[pin] State<F>);

#[pin_project(project = StateProjection)]
enum State<F> {
    TooLate(Protocol),
    Calling(#[pin] F),
}

impl<F, E, B> Future for DeadlineFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<ClientBody<B>>, ClientError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().0.project() {
            StateProjection::TooLate(protocol) => Poll::Ready(too_late(*protocol)),
            StateProjection::Calling(call) => {
                let answer = ready!(call.poll(cx)).map_err(ClientError::inner)?;
                Poll::Ready(Ok(answer.map(ClientBody::new)))
            }
        }
    }
}

impl<F> fmt::Debug for DeadlineFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadlineFuture").finish_non_exhaustive()
    }
}
