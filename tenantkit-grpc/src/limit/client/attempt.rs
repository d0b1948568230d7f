//! [`Retrying`]: one call, in as many attempts as it may have.

use std::future::poll_fn;

use bytes::Bytes;
use http::{Request, Response, request::Parts};
use http_body::Body;
use tenantkit_core::{Door, TenantContext};
use tower_service::Service;

use super::{
    ReplayBody, RetryBody, RetryLayer,
    judge::{Next, next},
    local::too_late,
    outgoing,
    replay::Replay,
};
use crate::{BoxError, ClientError, limit::Deadline, protocol::Protocol};

pub(super) struct Retrying<S, B> {
    inner: S,
    head: Parts,
    body: Replay<B>,
    terms: Terms,
}

/// Whose call it is, and on what terms.
pub(super) struct Terms {
    pub(super) layer: RetryLayer,
    pub(super) context: TenantContext,
    pub(super) deadline: Option<Deadline>,
    pub(super) protocol: Protocol,
    /// Whether the first frame of an answer is waited for.
    pub(super) is_unary: bool,
}

impl<S, ReqBody, ResBody> Retrying<S, ReqBody>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>, Error: Into<BoxError>>,
    ReqBody: Body<Data = Bytes> + From<ReplayBody<ReqBody>>,
    ResBody: Body,
{
    /// `inner` was polled ready.
    pub(super) fn new(inner: S, request: Request<ReqBody>, max_body: usize, terms: Terms) -> Self {
        let (mut head, body) = request.into_parts();
        if let Some(deadline) = terms.deadline {
            head.extensions.insert(deadline);
        }
        Self { inner, head, body: Replay::of(body, max_body), terms }
    }

    pub(super) async fn run(mut self) -> Result<Response<RetryBody<ResBody>>, ClientError> {
        let RetryLayer { authority, policy, budget, .. } = self.terms.layer.clone();
        let tenant = *self.terms.context.tenant();
        let Some(mut request) = self.attempt() else { return too_late(self.terms.protocol) };
        let mut attempts = policy.first(&budget, &tenant);
        loop {
            let answer = self.inner.call(request).await.map_err(ClientError::inner);
            let mut answer = answer.map(|answer| answer.map(RetryBody::new));
            if let Ok(answer) = &mut answer
                && self.terms.is_unary
            {
                answer.body_mut().peek().await;
            }
            let Next::Again { told } = next(&answer, self.terms.protocol, authority.now()) else {
                return answer;
            };
            // A suspended tenant's call is not made again.
            let may_go_on = self.body.can_be_sent_again()
                && authority.check(&self.terms.context, Door::Call).is_ok();
            if !may_go_on {
                return answer;
            }
            let remaining = self.terms.deadline.map(Deadline::remaining);
            let Ok(wait) = attempts.again(&budget, &tenant, told, remaining) else {
                return answer;
            };
            drop(answer);
            tokio::time::sleep(wait).await;
            poll_fn(|cx| self.inner.poll_ready(cx)).await.map_err(ClientError::inner)?;
            let Some(next) = self.attempt() else { return too_late(self.terms.protocol) };
            request = next;
        }
    }

    /// The request of the next attempt, if there is time for one.
    fn attempt(&self) -> Option<Request<ReqBody>> {
        let mut head = self.head.clone();
        let Terms { deadline, protocol, .. } = self.terms;
        outgoing::stamp(&mut head.headers, deadline, protocol)
            .then(|| Request::from_parts(head, self.body.next().into()))
    }
}
