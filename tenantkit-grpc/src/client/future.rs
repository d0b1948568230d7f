//! [`ResponseFuture`]: a local refusal, or the call under way.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::Response;
use http_body::Body;
use pin_project::pin_project;
use tenantkit_core::Refusal;

use super::{ClientBody, span::Span};
use crate::{BoxError, ClientError, protocol::Protocol, refusal::grpc_answer};

/// The answer to a call under way.
///
/// # Cancellation
///
/// Dropping it drops the call, as the client below takes it.
#[pin_project]
pub struct ResponseFuture<F>(#[pin] State<F>);

#[pin_project(project = StateProjection)]
enum State<F> {
    Refused(Refusal, Protocol),
    Calling(#[pin] F, Span),
}

impl<F> ResponseFuture<F> {
    pub(super) const fn refused(refusal: Refusal, protocol: Protocol) -> Self {
        Self(State::Refused(refusal, protocol))
    }

    pub(super) const fn calling(call: F, span: Span) -> Self {
        Self(State::Calling(call, span))
    }
}

impl<F, E, B> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<ClientBody<B>>, ClientError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().0.project() {
            StateProjection::Refused(refusal, protocol) => {
                Poll::Ready(match protocol.content_type() {
                    Some(content_type) => {
                        Ok(grpc_answer(refusal, content_type, ClientBody::default()))
                    }
                    None => Err(ClientError::Refused(*refusal)),
                })
            }
            StateProjection::Calling(call, span) => {
                let answer = ready!(span.within(|| call.poll(cx)));
                span.answered(answer.as_ref());
                let answer = answer.map_err(ClientError::inner)?;
                Poll::Ready(Ok(answer.map(ClientBody::new)))
            }
        }
    }
}

impl<F> fmt::Debug for ResponseFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
