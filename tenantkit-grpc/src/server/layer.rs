//! [`TenantLayer`]: which credentials a listener admits.

use tenantkit_core::{Authority, Listener, Source};
use tower_layer::Layer;

use super::TenantService;
use crate::{refusal::Challenge, trace::Adopt};

/// Lets in only requests whose tenant is verified. See the [module](crate::server).
///
/// It admits nothing until it is told, so a layer that was not told refuses everybody.
///
/// A [`Refusal`](tenantkit_core::Refusal) is in the extensions of the answer as well, for a layer
/// outside that counts or logs. It was audited already.
#[derive(Debug, Clone)]
pub struct TenantLayer {
    listener: Listener,
    challenge: Option<Challenge>,
    trace: Adopt,
}

impl TenantLayer {
    /// A layer that admits nothing yet.
    #[must_use]
    pub fn new(authority: &Authority) -> Self {
        Self { listener: authority.listener(), challenge: None, trace: Adopt::default() }
    }

    /// Admits a source. One that faces the internet admits [`Source::Bearer`]; one between services
    /// admits [`Source::TxnToken`]. An identity header that is not admitted is refused.
    ///
    /// # Panics
    ///
    /// When the authority has no such source ([`Listener::admit`]).
    #[must_use]
    #[track_caller]
    pub fn admit(self, source: Source) -> Self {
        let challenge = match source {
            Source::TxnToken => self.challenge.or(Some(Challenge::TxnToken)),
            // Who may come with a bearer token is told so, whatever else is admitted.
            Source::Bearer => Some(Challenge::Bearer),
            _ => self.challenge,
        };
        Self { listener: self.listener.admit(source), challenge, ..self }
    }

    /// What gives the span of a request its place in the caller's trace. It is called for each request whose
    /// tenant is verified, in its scope, with the headers and the span, which has not begun yet. A trace tells
    /// nothing of who acts.
    #[cfg(feature = "tracing")]
    #[must_use]
    pub fn trace(
        self,
        adopt: impl Fn(&dyn tenantkit_core::Carrier, &tracing::Span) + Send + Sync + 'static,
    ) -> Self {
        Self { trace: Adopt::new(adopt), ..self }
    }

    /// Wraps a service. The same as [`Layer::layer`], without the import.
    pub fn layer<S>(&self, inner: S) -> TenantService<S> {
        let challenge = self.challenge.unwrap_or(Challenge::Bearer);
        TenantService::new(inner, self.listener.clone(), challenge, self.trace.clone())
    }

    /// Wraps one service of a tonic server, so that others (health, reflection) stay outside. A
    /// layer on the server itself covers them as well, and refuses them.
    #[cfg(feature = "tonic")]
    pub fn named_layer<S: tonic::server::NamedService>(&self, inner: S) -> TenantService<S> {
        self.layer(inner)
    }
}

impl<S> Layer<S> for TenantLayer {
    type Service = TenantService<S>;

    fn layer(&self, inner: S) -> TenantService<S> {
        self.layer(inner)
    }
}

#[cfg(feature = "tonic")]
impl<S: tonic::server::NamedService> tonic::server::NamedService for TenantService<S> {
    const NAME: &'static str = S::NAME;
}
