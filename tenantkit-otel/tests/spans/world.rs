//! A provider that keeps its spans, and what to ask of them.

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, SdkTracer, SdkTracerProvider, SimpleSpanProcessor, SpanData,
};
use tenantkit_core::{TenantContext, test_util::TestAuthority};
use tenantkit_otel::{SpanCounts, TenantSpans, TenantTracer};
use tracing::Dispatch;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

pub(crate) struct World {
    pub(crate) test: TestAuthority,
    pub(crate) tracer: SdkTracer,
    pub(crate) counts: SpanCounts,
    exporter: InMemorySpanExporter,
    _provider: SdkTracerProvider,
}

impl World {
    pub(crate) fn new() -> Self {
        let exporter = InMemorySpanExporter::default();
        let spans = TenantSpans::around(SimpleSpanProcessor::new(exporter.clone()));
        let counts = spans.counts();
        let provider = SdkTracerProvider::builder().with_span_processor(spans).build();
        let tracer = provider.tracer("test");
        Self { test: TestAuthority::new(), tracer, counts, exporter, _provider: provider }
    }

    pub(crate) fn tenant(&self, tenant: &str) -> TenantContext {
        self.test.context(tenant)
    }

    /// A subscriber of `tracing` that makes spans of OpenTelemetry.
    pub(crate) fn dispatch(&self) -> Dispatch {
        let tracer = TenantTracer::around(self.tracer.clone());
        let spans = tracing_opentelemetry::layer().with_tracer(tracer);
        Dispatch::new(Registry::default().with(spans))
    }

    pub(crate) fn spans(&self) -> Vec<SpanData> {
        let spans = self.exporter.get_finished_spans().unwrap();
        let of_this_crate = |it: &SpanData| values(&it.attributes, "tenantkit.made").len();
        assert_eq!(spans.iter().map(of_this_crate).sum::<usize>(), 0, "a mark was left");
        spans
    }

    /// The one span of that name.
    pub(crate) fn span(&self, name: &str) -> SpanData {
        let mut found: Vec<_> = self.spans().into_iter().filter(|it| it.name == name).collect();
        assert_eq!(found.len(), 1, "spans named {name}");
        found.remove(0)
    }
}

/// All values of an attribute, as text.
pub(crate) fn values(attributes: &[KeyValue], key: &str) -> Vec<String> {
    let of = attributes.iter().filter(|it| it.key.as_str() == key);
    of.map(|it| it.value.as_str().into_owned()).collect()
}

#[track_caller]
pub(crate) fn assert_tenant(attributes: &[KeyValue], tenant: &TenantContext) {
    assert_eq!(values(attributes, "tenant.id"), [tenant.tenant().as_str()]);
    assert_eq!(values(attributes, "tenant.tier"), [tenant.tier().as_str()]);
    assert_eq!(values(attributes, "tenantkit.transaction.id"), [tenant.transaction().as_str()]);
}

#[track_caller]
pub(crate) fn assert_nobody(attributes: &[KeyValue]) {
    let told = |it: &&KeyValue| it.key.as_str().starts_with("tenant");
    assert_eq!(attributes.iter().find(told), None);
}
