//! [`BreakerLayer`]: a dependency that fails is not called.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use http::{Request, Response};
use http_body::Body;
use pin_project::pin_project;
use tenantkit_core::{Authority, Refusal};
use tenantkit_limit::breaker::Breaker;
use tower_layer::Layer;
use tower_service::Service;

use super::{
    BreakerBody, Ending, Verdict, caller,
    local::{is_ours, refuse},
    outgoing,
    watch::Watch,
};
use crate::{BoxError, ClientError, limit::Deadline, protocol::Protocol};

pub(super) type Judge = Arc<dyn Fn(&Ending<'_>) -> Verdict + Send + Sync>;

/// Refuses calls to a dependency that fails, for one tenant or for all. See the
/// [module](crate::limit::client), and [`Breaker`] for when that is.
#[derive(Clone)]
pub struct BreakerLayer {
    authority: Authority,
    breaker: Breaker,
    judge: Judge,
    too_slow_after: Option<Duration>,
}

impl BreakerLayer {
    /// Asks this breaker before each call. One breaker is one dependency: clones of it share what they
    /// know.
    #[must_use]
    pub fn new(authority: &Authority, breaker: Breaker) -> Self {
        let judge = Arc::new(|ending: &Ending<'_>| ending.verdict());
        Self { authority: authority.clone(), breaker, judge, too_slow_after: None }
    }

    /// Says what counts as a failure. [`Ending::verdict`] if not said.
    #[must_use]
    pub fn judge_by(self, judge: impl Fn(&Ending<'_>) -> Verdict + Send + Sync + 'static) -> Self {
        Self { judge: Arc::new(judge), ..self }
    }

    /// A call that its caller gives up after so long, without an answer, is [too
    /// slow](Ending::TooSlow). Without this only one is that has a [`Deadline`], and what else is given
    /// up says nothing: a caller may have many reasons.
    #[must_use]
    pub fn too_slow_after(self, time: Duration) -> Self {
        Self { too_slow_after: Some(time), ..self }
    }

    /// Wraps a client. The same as [`Layer::layer`], without the import.
    pub fn layer<S>(&self, inner: S) -> BreakerService<S> {
        BreakerService { inner, layer: self.clone() }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = BreakerService<S>;

    fn layer(&self, inner: S) -> BreakerService<S> {
        self.layer(inner)
    }
}

impl fmt::Debug for BreakerLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerLayer").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}

/// What a [`BreakerLayer`] makes of a client.
#[derive(Debug, Clone)]
pub struct BreakerService<S> {
    inner: S,
    layer: BreakerLayer,
}

impl<S> BreakerService<S> {
    fn begin<B>(&self, request: &Request<B>, protocol: Protocol) -> Result<Watch, Refusal> {
        let BreakerLayer { authority, breaker, judge, too_slow_after } = &self.layer;
        let context = caller::admit(authority, request)?;
        let call = breaker.call(context.tenant())?;
        let deadline = outgoing::deadline(request, protocol);
        let patience = Deadline::sooner(deadline, too_slow_after.and_then(Deadline::after));
        Ok(Watch::over(call, Arc::clone(judge), patience))
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for BreakerService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: Into<BoxError>>,
    ResBody: Body<Error: Into<BoxError>>,
{
    type Response = Response<BreakerBody<ResBody>>;
    type Error = ClientError;
    type Future = BreakerFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientError>> {
        self.inner.poll_ready(cx).map_err(ClientError::inner)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let protocol = Protocol::asked(&request);
        let state = match self.begin(&request, protocol) {
            // Made after the watch, and so under it.
            Ok(watch) => State::Calling { call: self.inner.call(request), watch: Some(watch) },
            Err(refusal) => State::Refused(refusal),
        };
        BreakerFuture { state, protocol }
    }
}

/// The answer of a [`BreakerService`] under way.
///
/// # Cancellation
///
/// Dropping it drops the call. Where that was a probe, another may go out.
///
/// # Panics
///
/// When it is polled after it was ready.
#[pin_project]
pub struct BreakerFuture<F> {
    #[pin]
    state: State<F>,
    protocol: Protocol,
}

#[pin_project(project = StateProjection)]
enum State<F> {
    Refused(Refusal),
    Calling {
        #[pin]
        call: F,
        watch: Option<Watch>,
    },
}

impl<F, E, B> Future for BreakerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body<Error: Into<BoxError>>,
{
    type Output = Result<Response<BreakerBody<B>>, ClientError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        match this.state.project() {
            StateProjection::Refused(refusal) => Poll::Ready(refuse(refusal, *this.protocol)),
            StateProjection::Calling { call, watch } => {
                let answer = ready!(call.poll(cx)).map_err(ClientError::inner);
                let Some(mut watch) = watch.take() else { panic!("polled after it was ready") };
                if is_ours(&answer) {
                    watch.tell(Verdict::SaysNothing);
                    return Poll::Ready(answer.map(|it| it.map(BreakerBody::unwatched)));
                }
                Poll::Ready(match answer {
                    Ok(answer) => Ok(BreakerBody::watched(answer, watch, *this.protocol)),
                    Err(error) => {
                        watch.ended(&Ending::Broken(&error));
                        Err(error)
                    }
                })
            }
        }
    }
}

impl<F> fmt::Debug for BreakerFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BreakerFuture").finish_non_exhaustive()
    }
}
