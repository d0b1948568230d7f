//! [`TenantlessBaggage`]: baggage in and out, without what names a tenant.

use std::fmt;

use opentelemetry::{
    Context, Key,
    baggage::{Baggage, BaggageExt as _, KeyValueMetadata},
    propagation::{Extractor, Injector, TextMapPropagator, text_map_propagator::FieldIter},
};
use opentelemetry_sdk::propagation::BaggagePropagator;

/// W3C Baggage, without the entries whose name has `tenant` in it.
///
/// Baggage is unsigned, and goes out with every request, to whoever is asked. So no tenant is to leave in it, whoever
/// put it there; and one that comes in is somebody's word, which nobody should find there and believe. The tenant
/// travels in a signed token.
///
/// ```
/// use opentelemetry::propagation::TextMapCompositePropagator;
/// use opentelemetry_sdk::propagation::TraceContextPropagator;
/// use tenantkit_otel::TenantlessBaggage;
///
/// opentelemetry::global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
///     Box::new(TraceContextPropagator::new()),
///     Box::new(TenantlessBaggage::new()),
/// ]));
/// ```
pub struct TenantlessBaggage(BaggagePropagator);

impl TenantlessBaggage {
    /// The propagator.
    #[must_use]
    pub fn new() -> Self {
        Self(BaggagePropagator::new())
    }
}

impl Default for TenantlessBaggage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TenantlessBaggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantlessBaggage").finish_non_exhaustive()
    }
}

impl TextMapPropagator for TenantlessBaggage {
    fn inject_context(&self, cx: &Context, injector: &mut dyn Injector) {
        match without_tenants(cx.baggage()) {
            Some(kept) => self.0.inject_context(&cx.with_baggage(kept), injector),
            None => self.0.inject_context(cx, injector),
        }
    }

    fn extract_with_context(&self, cx: &Context, extractor: &dyn Extractor) -> Context {
        let cx = self.0.extract_with_context(cx, extractor);
        match without_tenants(cx.baggage()) {
            Some(kept) => cx.with_baggage(kept),
            None => cx,
        }
    }

    fn fields(&self) -> FieldIter<'_> {
        self.0.fields()
    }
}

/// What is left of it, if something names a tenant.
fn without_tenants(baggage: &Baggage) -> Option<Vec<KeyValueMetadata>> {
    baggage.iter().any(|(key, _)| names_a_tenant(key)).then(|| {
        let kept = baggage.iter().filter(|(key, _)| !names_a_tenant(key));
        kept.map(|(key, (value, more))| {
            KeyValueMetadata::new(key.clone(), value.clone(), more.clone())
        })
        .collect()
    })
}

fn names_a_tenant(key: &Key) -> bool {
    key.as_str().to_ascii_lowercase().contains("tenant")
}
