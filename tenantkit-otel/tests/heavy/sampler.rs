//! Which traces are kept.

use std::time::Duration;

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId, TraceState,
        Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, SdkTracer, SdkTracerProvider, SimpleSpanProcessor,
};
use tenantkit_core::test_util::TestAuthority;
use tenantkit_limit::quota::Quota;
use tenantkit_otel::{
    TenantSpans, TenantTracer,
    sampler::{TenantSampler, TenantSamplerBuilder},
};
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

use crate::tenant;

const THREE: Quota = Quota::per_second(1).burst(3).declare();

struct World {
    test: TestAuthority,
    tracer: SdkTracer,
    exporter: InMemorySpanExporter,
    _provider: SdkTracerProvider,
}

impl World {
    fn new(change: impl FnOnce(TenantSamplerBuilder) -> TenantSamplerBuilder) -> Self {
        let (test, exporter) = (TestAuthority::new(), InMemorySpanExporter::default());
        let sampler = TenantSampler::builder(THREE).clock(test.clock().clone());
        let spans = TenantSpans::around(SimpleSpanProcessor::new(exporter.clone()));
        let provider = SdkTracerProvider::builder()
            .with_sampler(change(sampler).build().unwrap())
            .with_span_processor(spans.keeps_refusals())
            .build();
        Self { test, tracer: provider.tracer("test"), exporter, _provider: provider }
    }

    /// How many of `times` traces of a tenant are kept.
    fn kept(&self, name: &str, times: usize) -> usize {
        self.exporter.reset();
        let tenant = tenant(&self.test, name);
        (0..times).for_each(|_| tenant.in_scope(|| self.tracer.start("root").end()).unwrap());
        self.exporter.get_finished_spans().unwrap().len()
    }
}

fn remote(sampled: bool) -> Context {
    let flags = TraceFlags::default().with_sampled(sampled);
    let parent = SpanContext::new(TraceId::from(7), SpanId::from(8), flags, true, TraceState::NONE);
    Context::new().with_remote_span_context(parent)
}

#[test]
fn a_heavy_tenant_takes_nothing_from_another() {
    let world = World::new(|it| it);
    assert_eq!(world.kept("acme", 10_000), 3);
    assert_eq!(world.kept("globex", 3), 3);
    world.test.clock().advance(Duration::from_secs(2));
    assert_eq!(world.kept("acme", 10_000), 2);
}

#[test]
fn a_pinned_tenants_traces_are_all_kept() {
    let world = World::new(|it| it.pin("acme".parse().unwrap()));
    assert_eq!(world.kept("acme", 100), 100);
    assert_eq!(world.kept("globex", 100), 3);
}

#[test]
fn a_tenant_may_have_a_rate_of_its_own() {
    let (acme, globex) = ("acme".parse().unwrap(), "globex".parse().unwrap());
    let five = Quota::per_second(1).burst(5).build().unwrap();
    // The last word counts.
    let world = World::new(|it| it.pin(acme).rate(acme, five).rate(globex, five).pin(globex));
    assert_eq!(world.kept("acme", 100), 5);
    assert_eq!(world.kept("globex", 100), 100);
    assert_eq!(world.kept("initech", 100), 3);
    world.test.clock().advance(Duration::from_secs(1));
    assert_eq!(world.kept("acme", 100), 1);
}

#[test]
fn what_is_nobodys_has_one_rate_together() {
    let world = World::new(|it| it.nobody(Quota::per_second(1).burst(1).declare()));
    (0..10).for_each(|_| world.tracer.start("root").end());
    assert_eq!(world.exporter.get_finished_spans().unwrap().len(), 1);
    assert_eq!(world.kept("acme", 10), 3);
}

#[test]
fn a_trace_is_kept_whole_or_not_at_all() {
    let world = World::new(|it| it.pin("globex".parse().unwrap()));
    let (acme, globex) = (world.test.context("acme"), world.test.context("globex"));
    acme.in_scope(|| {
        for _ in 0..5 {
            world
                .tracer
                .in_span("root", |_| (0..4).for_each(|_| world.tracer.start("child").end()));
        }
    })
    .unwrap();
    let spans = world.exporter.get_finished_spans().unwrap();
    assert_eq!(spans.len(), 3 * 5);
    // A remote parent decides, also for a pinned tenant and past the rate.
    world.exporter.reset();
    globex.in_scope(|| world.tracer.start_with_context("no", &remote(false)).end()).unwrap();
    acme.in_scope(|| world.tracer.start_with_context("yes", &remote(true)).end()).unwrap();
    let spans = world.exporter.get_finished_spans().unwrap();
    assert_eq!(spans.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["yes"]);
}

#[test]
fn at_the_edge_a_caller_cannot_ask_for_more_than_the_rate() {
    let world = World::new(TenantSamplerBuilder::limits_remote_parents);
    let acme = world.test.context("acme");
    for _ in 0..10 {
        acme.in_scope(|| world.tracer.start_with_context("root", &remote(true)).end()).unwrap();
    }
    assert_eq!(world.exporter.get_finished_spans().unwrap().len(), 3);
}

#[test]
fn a_refusal_is_kept_although_its_trace_is_not() {
    let world = World::new(TenantSamplerBuilder::keeps_refusals);
    assert_eq!(world.kept("acme", 10), 3);
    world.exporter.reset();
    let acme = world.test.context("acme");
    acme.in_scope(|| {
        world.tracer.in_span("root", |cx| {
            world.tracer.start("child").end();
            cx.span().set_attribute(KeyValue::new("tenantkit.refusal.code", "rate-limited"));
        });
        world.tracer.start_with_context("of a remote trace", &remote(false)).end();
    })
    .unwrap();
    let spans = world.exporter.get_finished_spans().unwrap();
    assert_eq!(spans.iter().map(|it| &*it.name).collect::<Vec<_>>(), ["root"]);
    assert!(spans[0].span_context.is_sampled());
    assert!(spans[0].attributes.iter().any(|it| it.key.as_str() == "tenant.id"));
}

#[test]
fn a_span_of_tracing_counts_for_who_made_it() {
    let world = World::new(|it| it);
    let tracer = TenantTracer::around(world.tracer.clone());
    let layer = tracing_opentelemetry::layer().with_tracer(tracer.clone());
    let (acme, globex) = (world.test.context("acme"), world.test.context("globex"));
    tracing::subscriber::with_default(Registry::default().with(layer), || {
        for _ in 0..10 {
            let span = acme.in_scope(|| tracing::info_span!("root")).unwrap();
            globex.in_scope(|| span.in_scope(|| ())).unwrap();
        }
    });
    // Nobody made it, whatever it says of itself and wherever it begins.
    let mut of_nobody = tracer.span_builder("root");
    of_nobody.attributes.get_or_insert_default().push(KeyValue::new("tenant.id", "initech"));
    drop(globex.in_scope(|| of_nobody.start(&tracer)).unwrap());
    assert_eq!(world.exporter.get_finished_spans().unwrap().len(), 3 + 1);
    assert_eq!([world.kept("globex", 10), world.kept("initech", 10)], [3, 3]);
}

#[test]
fn its_memory_is_bounded() {
    let world = World::new(|it| it.most_tenants(100));
    let mut kept = 0;
    for number in 0..2_000 {
        kept += world.kept(&format!("t{number}"), 2);
    }
    // Those that are known have their rate, the newcomers share one.
    assert!(kept <= 2 * 200 + 3, "{kept}");
    assert_eq!(world.kept("t0", 2), 1, "who is known has the rest of its own");
}
