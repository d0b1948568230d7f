//! [`ResponseFuture`]: the answer under way.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project::pin_project;
use tenantkit_core::{Refusal, Waited};

use super::{
    CountedBody,
    told::{Told, Underway, outcome_of},
};
use crate::requests::Outcome;

/// An answer under way.
///
/// # Cancellation
///
/// Dropping it counts the request as one whose caller has hung up.
#[pin_project]
pub struct ResponseFuture<F> {
    #[pin]
    inner: F,
    underway: Option<Underway>,
    told: Arc<Told>,
}

/// Stands in the extensions of an answer whose refusal was counted.
#[derive(Debug, Clone, Copy)]
struct Counted;

impl<F> ResponseFuture<F> {
    pub(super) const fn new(inner: F, underway: Option<Underway>, told: Arc<Told>) -> Self {
        Self { inner, underway, told }
    }
}

impl<F, E, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<CountedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.inner.poll(cx));
        let mut underway = this.underway.take();
        let mut answer = answer.inspect_err(|_| {
            if let Some(underway) = &mut underway {
                underway.ends(Outcome::Failed);
            }
        })?;
        if let (Some(underway), Some(waited)) = (&mut underway, answer.extensions().get::<Waited>())
        {
            underway.waited(*waited);
        }
        let refusal = answer.extensions().get::<Refusal>().copied();
        if let Some(refusal) = refusal
            && answer.extensions().get::<Counted>().is_none()
        {
            this.told.refused(&refusal, underway.as_ref().map(Underway::tenant));
            answer.extensions_mut().insert(Counted);
        }
        let outcome = match refusal {
            Some(_) => Outcome::Refused,
            None => outcome_of(answer.status(), answer.headers()),
        };
        Poll::Ready(Ok(answer.map(|body| CountedBody::new(body, underway, outcome))))
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
