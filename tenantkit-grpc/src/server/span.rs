//! The span that a tenant's work runs in, by the conventions of OpenTelemetry. Without the feature `tracing` it is
//! nothing.

use http::{Request, response};
use tenantkit_core::TenantContext;

use crate::{protocol::Protocol, trace::Adopt};

/// The span of one request. It exists only after the tenant is verified.
#[derive(Debug, Clone)]
pub(super) struct Span(#[cfg(feature = "tracing")] tracing::Span);

#[cfg(feature = "tracing")]
impl Span {
    /// Without the path of a request over HTTP, in which something secret may stand; `http.route` is the
    /// application's to record.
    pub(super) fn of<B>(
        context: &TenantContext,
        request: &Request<B>,
        protocol: Protocol,
        trace: &Adopt,
    ) -> Self {
        let make = || {
            let span = match protocol {
                Protocol::Http => of_http(context, request),
                Protocol::Grpc | Protocol::GrpcWeb | Protocol::GrpcWebText => {
                    of_grpc(context, request)
                }
            };
            trace.adopt(request.headers(), &span);
            span
        };
        Self(context.make_span(make))
    }

    /// Tells how it was answered.
    pub(super) fn answered(&self, head: &response::Parts) {
        use tenantkit_core::Refusal;

        if let Some(refusal) = head.extensions.get::<Refusal>() {
            self.0.record("tenantkit.refusal.code", refusal.code().as_str());
            self.0.record("tenantkit.refusal.door", refusal.door().as_str());
        }
        self.0.record("http.response.status_code", head.status.as_u16());
        // Of an answer with a message it stands in the trailers, after which the span is over.
        let grpc = head.headers.get("grpc-status").and_then(|status| status.to_str().ok());
        if let Some(status) = grpc {
            self.0.record("rpc.grpc.status_code", status);
        }
        // Unknown, deadline exceeded, unimplemented, internal, unavailable, data loss.
        if head.status.is_server_error()
            || matches!(grpc, Some("2" | "4" | "12" | "13" | "14" | "15"))
        {
            self.0.record("otel.status_code", "ERROR");
        }
    }

    pub(super) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.0.enter();
        work()
    }
}

#[cfg(feature = "tracing")]
fn of_http<B>(context: &TenantContext, request: &Request<B>) -> tracing::Span {
    use tracing::field::Empty;

    tracing::info_span!(
        "request",
        otel.name = request.method().as_str(),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = Empty,
        http.response.status_code = Empty,
        tenant.id = %context.tenant(),
        tenant.tier = context.tier().as_str(),
        tenantkit.refusal.code = Empty,
        tenantkit.refusal.door = Empty,
    )
}

#[cfg(feature = "tracing")]
fn of_grpc<B>(context: &TenantContext, request: &Request<B>) -> tracing::Span {
    use tracing::field::Empty;

    let path = request.uri().path().trim_start_matches('/');
    let (service, method) = path.rsplit_once('/').unwrap_or((path, ""));
    tracing::info_span!(
        "request",
        otel.name = path,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system = "grpc",
        rpc.service = service,
        rpc.method = method,
        rpc.grpc.status_code = Empty,
        tenant.id = %context.tenant(),
        tenant.tier = context.tier().as_str(),
        tenantkit.refusal.code = Empty,
        tenantkit.refusal.door = Empty,
    )
}

#[cfg(not(feature = "tracing"))]
#[expect(clippy::unused_self, reason = "tells only with the feature `tracing`")]
impl Span {
    pub(super) const fn of<B>(_: &TenantContext, _: &Request<B>, _: Protocol, _: &Adopt) -> Self {
        Self()
    }

    pub(super) const fn answered(&self, _: &response::Parts) {}

    pub(super) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        work()
    }
}
