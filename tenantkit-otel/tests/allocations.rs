//! What enrichment takes from the heap: no more than the attributes.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::time::Duration;

use allocation_counter::measure;
use opentelemetry::{
    Context, KeyValue,
    trace::{Span as _, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use tenantkit_core::{
    TenantContext, TenantId, TenantRecord, Tier, TierSet, test_util::TestAuthority,
};
use tenantkit_otel::{
    TenantSpans,
    metrics::TenantMetrics,
    top::{Measure, TopTenants, Used},
};

#[derive(Debug)]
struct Drops;

impl SpanProcessor for Drops {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, _: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn of_a_span(tenant: &TenantContext, processor: impl SpanProcessor + 'static) -> u64 {
    let provider = SdkTracerProvider::builder().with_span_processor(processor).build();
    let tracer = provider.tracer("test");
    let work = || {
        let mut span = tracer.start("work");
        span.set_attribute(KeyValue::new("rows", 3));
        span.end();
    };
    tenant
        .in_scope(|| {
            work();
            measure(work).count_total
        })
        .unwrap()
}

#[test]
fn a_span_takes_none_more() {
    let acme = TestAuthority::new().context("acme");
    let bare = of_a_span(&acme, Drops);
    assert_eq!(of_a_span(&acme, TenantSpans::around(Drops)), bare);
}

#[test]
fn a_measurement_and_a_tenant_that_is_counted_take_none() {
    let acme = TestAuthority::new().context("acme");
    let exporter = opentelemetry_sdk::metrics::InMemoryMetricExporter::default();
    let provider = opentelemetry_sdk::metrics::SdkMeterProvider::builder();
    let provider = provider.with_periodic_exporter(exporter);
    let metrics = TenantMetrics::declare(TierSet::METALS).start(provider).unwrap();
    let counter = metrics.meter("test").counter::<Tier>("test.requests", "{request}", "").unwrap();
    let top = TopTenants::builder().build();
    let work = || {
        counter.add(1, acme.tier());
        top.record(&acme, Used::request());
    };
    work();
    assert_eq!(measure(work).count_total, 0);
}

#[test]
fn who_is_heavy_is_counted_in_the_memory_that_was_taken_at_the_start() {
    let (test, tenants) = (TestAuthority::new(), 256);
    let contexts: Vec<_> = (0..5_000)
        .map(|number| {
            let id = TenantId::new(&format!("tenant-{number}")).unwrap();
            let bronze = TierSet::METALS.get("bronze").unwrap();
            test.directory().set(id, TenantRecord::active(bronze));
            test.context(id.as_str())
        })
        .collect();
    let mut top = None;
    let taken = measure(|| top = Some(TopTenants::builder().tenants(tenants).build()));
    let top = top.unwrap();
    let used = Used::refusal().took(Duration::from_millis(3)).bytes(7);
    let used = used.waited(Duration::from_millis(1));
    let later = measure(|| contexts.iter().for_each(|tenant| top.record(tenant, used)));
    assert_eq!(later.count_total, 0);
    let each = taken.bytes_current as usize / tenants / 2 / Measure::ALL.len();
    println!("{each} bytes for a tenant, a measure and a window");
    assert!((56..=112).contains(&each), "{each}");
}
