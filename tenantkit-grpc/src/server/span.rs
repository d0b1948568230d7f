//! The span that a tenant's work runs in. Without the feature `tracing` it is nothing.

use tenantkit_core::TenantContext;

/// The span of one request. It exists only after the tenant is verified.
#[derive(Debug, Clone)]
pub(super) struct Span(#[cfg(feature = "tracing")] tracing::Span);

impl Span {
    #[cfg(feature = "tracing")]
    pub(super) fn of(context: &TenantContext) -> Self {
        // In its scope: whoever makes more of spans reads there whose they are.
        let make = || {
            tracing::info_span!(
                "tenant",
                tenant.id = %context.tenant(),
                tenant.tier = context.tier().as_str(),
            )
        };
        Self(context.in_scope(make).unwrap_or_else(|_| make()))
    }

    #[cfg(not(feature = "tracing"))]
    pub(super) const fn of(_: &TenantContext) -> Self {
        Self()
    }

    pub(super) fn within<R>(&self, work: impl FnOnce() -> R) -> R {
        #[cfg(feature = "tracing")]
        let _entered = self.0.enter();
        work()
    }
}
