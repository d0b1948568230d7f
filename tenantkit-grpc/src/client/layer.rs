//! [`TenantClientLayer`]: where a tenant's identity may go.

use tenantkit_core::Authority;
use tower_layer::Layer;

use super::{
    CaptureLayer, HopLayer, TenantClient,
    outbound::{Elsewhere, Outbound},
};
use crate::trace::Inject;

/// Lets out only calls that belong to a tenant, with a token that proves it. See the
/// [module](crate::client).
#[derive(Debug, Clone)]
pub struct TenantClientLayer {
    outbound: Outbound,
}

impl TenantClientLayer {
    /// A layer that trusts no host by name.
    ///
    /// A request whose URI has no host goes where the wrapped client always goes, as with a tonic
    /// channel; wrapping it is what declares that place. A host that a URI or a `host` header names is
    /// refused until it is [trusted](Self::trust).
    #[must_use]
    pub fn new(authority: &Authority) -> Self {
        Self { outbound: Outbound::new(authority) }
    }

    /// Declares a host as one that may be told who the tenant is. May be called many times.
    ///
    /// `documents.internal:50051` is that port, `documents.internal` any port of that host,
    /// `.internal` every host below. With `https://` in front, only over that scheme, so that a
    /// redirect to plain text carries nothing. Names are compared without regard to case and otherwise
    /// as they are written: with or without a final dot, one form of an IPv6 address, punycode.
    ///
    /// # Panics
    ///
    /// When it is none of these: an error in the wiring of the application.
    #[must_use]
    #[track_caller]
    pub fn trust(mut self, host: &str) -> Self {
        self.outbound.trusted = self.outbound.trusted.with(host);
        self
    }

    /// What puts the present trace into a call: `traceparent`, `tracestate`, `baggage`, and nothing else. It is
    /// called for each call that goes to a host of the trust domain, in the span of the call.
    #[must_use]
    pub fn trace(
        mut self,
        inject: impl Fn(&mut dyn tenantkit_core::Carrier) + Send + Sync + 'static,
    ) -> Self {
        self.outbound.trace = Inject::new(inject);
        self
    }

    /// Wraps a client. The same as [`Layer::layer`], without the import.
    pub fn layer<S>(&self, inner: S) -> TenantClient<S> {
        TenantClient::new(inner, self.outbound.clone(), Elsewhere::Refuse)
    }

    /// Splits the layer around one that follows redirects. The first part goes above it: it decides
    /// whose call it is, and refuses. The second goes below: it judges each hop by that hop's host,
    /// and to a host that is not trusted sends nothing. A host elsewhere may redirect back to a trusted
    /// one, and that hop carries the token again: where that is too much, follow redirects within the
    /// trust domain only.
    ///
    /// ```
    /// # use std::convert::Infallible;
    /// # use http::{Request, Response};
    /// # use tenantkit_core::test_util::TestAuthority;
    /// use tenantkit_grpc::TenantClientLayer;
    /// use tower::{ServiceBuilder, service_fn};
    /// use tower_http::follow_redirect::FollowRedirectLayer;
    ///
    /// # let test = TestAuthority::new();
    /// # let (authority, client) = (test.authority(), service_fn(async |_: Request<String>| Ok::<_, Infallible>(Response::new(String::new()))));
    /// let (capture, hop) = TenantClientLayer::new(authority).trust("https://.internal").split();
    /// let client = ServiceBuilder::new()
    ///     .layer(capture)
    ///     .layer(FollowRedirectLayer::new())
    ///     .layer(hop)
    ///     .service(client);
    /// ```
    #[must_use]
    pub fn split(self) -> (CaptureLayer, HopLayer) {
        (CaptureLayer::new(self.outbound.clone()), HopLayer::new(self.outbound))
    }
}

impl<S> Layer<S> for TenantClientLayer {
    type Service = TenantClient<S>;

    fn layer(&self, inner: S) -> TenantClient<S> {
        self.layer(inner)
    }
}
