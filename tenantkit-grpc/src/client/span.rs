//! The span of one call, by the conventions of OpenTelemetry, until its answer begins. Without the feature `tracing`
//! it is nothing.

use http::{Request, Response};
use tenantkit_core::TenantContext;

use crate::protocol::Protocol;

#[derive(Debug, Clone)]
pub(super) struct Span(#[cfg(feature = "tracing")] tracing::Span);

#[cfg(feature = "tracing")]
impl Span {
    pub(super) const fn none() -> Self {
        Self(tracing::Span::none())
    }

    pub(super) fn of<B>(context: &TenantContext, request: &Request<B>, protocol: Protocol) -> Self {
        use tracing::field::Empty;

        // Without the path over HTTP, in which something secret may stand.
        let path = request.uri().path().trim_start_matches('/');
        let (service, method) = path.rsplit_once('/').unwrap_or((path, ""));
        let make = || match protocol {
            Protocol::Http => tracing::info_span!(
                "call",
                otel.name = request.method().as_str(),
                otel.kind = "client",
                otel.status_code = Empty,
                http.request.method = request.method().as_str(),
                http.response.status_code = Empty,
                server.address = request.uri().host(),
                tenant.id = %context.tenant(),
                tenant.tier = context.tier().as_str(),
            ),
            Protocol::Grpc | Protocol::GrpcWeb | Protocol::GrpcWebText => tracing::info_span!(
                "call",
                otel.name = path,
                otel.kind = "client",
                otel.status_code = Empty,
                rpc.system = "grpc",
                rpc.service = service,
                rpc.method = method,
                rpc.grpc.status_code = Empty,
                tenant.id = %context.tenant(),
                tenant.tier = context.tier().as_str(),
            ),
        };
        Self(context.make_span(make))
    }

    /// Tells what came back.
    pub(super) fn answered<B, E>(&self, answer: Result<&Response<B>, &E>) {
        let Ok(answer) = answer else {
            self.0.record("otel.status_code", "ERROR");
            return;
        };
        self.0.record("http.response.status_code", answer.status().as_u16());
        let grpc = answer.headers().get("grpc-status").and_then(|status| status.to_str().ok());
        if let Some(status) = grpc {
            self.0.record("rpc.grpc.status_code", status);
        }
        // To a client every status but OK is an error.
        if answer.status().as_u16() >= 400 || grpc.is_some_and(|status| status != "0") {
            self.0.record("otel.status_code", "ERROR");
        }
    }

    pub(super) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.0.enter();
        work()
    }
}

#[cfg(not(feature = "tracing"))]
#[expect(clippy::unused_self, reason = "tells only with the feature `tracing`")]
impl Span {
    pub(super) const fn none() -> Self {
        Self()
    }

    pub(super) const fn of<B>(_: &TenantContext, _: &Request<B>, _: Protocol) -> Self {
        Self()
    }

    pub(super) fn answered<B, E>(&self, _: Result<&Response<B>, &E>) {}

    pub(super) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }
}
