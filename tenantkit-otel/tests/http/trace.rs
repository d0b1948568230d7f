//! A trace goes in and out over a carrier, and nothing else does.

use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    global,
    propagation::TextMapCompositePropagator,
    trace::{SpanId, TraceId, TracerProvider as _},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor},
};
use tenantkit_core::test_util::TestAuthority;
use tenantkit_otel::{TenantSpans, TenantTracer, TenantlessBaggage, trace};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

/// What was made while `work` ran: names, traces and parents.
fn made(work: impl FnOnce()) -> Vec<(String, TraceId, SpanId)> {
    global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(TenantlessBaggage::new()),
    ]));
    let exporter = InMemorySpanExporter::default();
    let spans = TenantSpans::around(SimpleSpanProcessor::new(exporter.clone()));
    let provider = SdkTracerProvider::builder().with_span_processor(spans).build();
    let tracer = TenantTracer::around(provider.tracer("test"));
    let subscriber = Registry::default().with(tracing_opentelemetry::layer().with_tracer(tracer));
    tracing::subscriber::with_default(subscriber, work);
    let spans = exporter.get_finished_spans().unwrap();
    spans
        .into_iter()
        .map(|it| (it.name.into_owned(), it.span_context.trace_id(), it.parent_span_id))
        .collect()
}

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn headers(parents: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for parent in parents {
        headers.append("traceparent", http::HeaderValue::from_static(parent));
    }
    headers
}

#[test]
fn a_trace_comes_in_with_a_carrier_and_two_are_none() {
    let spans = made(|| {
        for parents in [&[PARENT] as &[_], &[PARENT, PARENT], &["nonsense"]] {
            let span = tracing::info_span!("request");
            trace::adopt(&headers(parents), &span);
            span.in_scope(|| ());
        }
    });
    let traces: Vec<_> = spans.iter().map(|it| it.1.to_string() == TRACE).collect();
    assert_eq!(traces, [true, false, false]);
    assert_eq!(spans[0].2.to_string(), "b7ad6b7169203331");
}

#[test]
fn the_present_span_goes_out_and_no_tenant_with_it() {
    let acme = TestAuthority::new().context("acme");
    let mut out = HeaderMap::new();
    let spans = made(|| {
        let span = acme.in_scope(|| tracing::info_span!("call")).unwrap();
        let baggage = [KeyValue::new("tenant.id", "acme"), KeyValue::new("plan", "b")];
        span.set_parent(Context::new().with_baggage(baggage)).unwrap();
        span.in_scope(|| trace::inject(&mut out));
    });
    let parent = out["traceparent"].to_str().unwrap();
    assert!(parent.contains(&spans[0].1.to_string()), "{parent}");
    assert_eq!(out["baggage"], "plan=b");
    assert_eq!(out.len(), 2, "{out:?}");
    assert!(!format!("{out:?}").contains("acme"));
}

#[test]
fn without_a_span_nothing_goes_out() {
    let mut out = HeaderMap::new();
    made(|| trace::inject(&mut out));
    assert!(out.is_empty(), "{out:?}");
}
