//! [`LimitLayer`]: which resource a route or a service is.

use std::time::Duration;

use tenantkit_limit::limits::ResourceLimits;
use tower_layer::Layer;

use super::LimitService;

/// Lets in what the tenant, and the process, can take now. See the [module](crate::limit).
#[derive(Debug, Clone)]
pub struct LimitLayer {
    pub(super) resource: ResourceLimits,
    pub(super) max_wait: Duration,
    pub(super) tells_standing: bool,
    pub(super) lends_permit: bool,
}

impl LimitLayer {
    /// Limits what is behind it as that resource.
    #[must_use]
    pub const fn new(resource: ResourceLimits) -> Self {
        Self {
            resource,
            max_wait: Duration::from_secs(1),
            tells_standing: false,
            lends_permit: false,
        }
    }

    /// How long a request waits at most for room in the process: not for the tenant's own limits, which
    /// refuse at once. A second if not said; a gRPC caller whose `grpc-timeout` is shorter waits for as
    /// long as that.
    #[must_use]
    pub fn max_wait(self, max_wait: Duration) -> Self {
        Self { max_wait, ..self }
    }

    /// Tells callers over HTTP with every answer how they stand, and not only with a refusal: the
    /// headers `RateLimit` and `RateLimit-Policy` of draft-ietf-httpapi-ratelimit-headers-10.
    #[must_use]
    pub fn tell_standing(self) -> Self {
        Self { tells_standing: true, ..self }
    }

    /// Puts an [`Onward`](super::Onward) into the request's extensions, with which a handler keeps the
    /// permit for work that goes on when its caller has hung up.
    #[must_use]
    pub fn lend_permit(self) -> Self {
        Self { lends_permit: true, ..self }
    }

    /// Wraps a service. The same as [`Layer::layer`], without the import.
    pub fn layer<S>(&self, inner: S) -> LimitService<S> {
        LimitService::new(inner, self.clone())
    }

    /// Wraps one service of a tonic server. Wrap the result in the tenant's layer.
    #[cfg(feature = "tonic")]
    pub fn named_layer<S: tonic::server::NamedService>(&self, inner: S) -> LimitService<S> {
        self.layer(inner)
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitService<S>;

    fn layer(&self, inner: S) -> LimitService<S> {
        self.layer(inner)
    }
}

#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for LimitService<S> {
    const NAME: &'static str = S::NAME;
}
