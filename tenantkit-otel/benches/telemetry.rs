//! What telemetry that knows its tenant costs, beside the same without it.
//!
//! `cargo bench -p tenantkit-otel --bench telemetry` prints criterion's figures, in groups whose members are to be
//! compared with each other: absolute figures swing with the machine, ratios in one run hold.
//!
//! - *span*: a span of the API of OpenTelemetry, from start to end, into a processor that drops it; *bare*: without
//!   `TenantSpans`.
//! - *tracing span*: the same with `tracing`, whose spans begin when they are entered; with `TenantTracer` as well.
//! - *counter*, *histogram*: one measurement, with three labels; the SDK is given the attributes ready made.
//! - *request*: one over HTTP, to a handler that answers at once, until its answer was read. *nothing* is the handler; *SDK* a
//!   span of `tracing`, a counter and a histogram, by hand, none of which knows the tenant; *tenantkit* has a span that knows
//!   it, kept by the sampler, and `RequestLayer` on both sides of where the tenant becomes known, with who is heavy, the
//!   tenant's own latencies and the last refusals.
//! - *top*: one request, counted by two measures, of 256 tenants that are counted; the rival is an entry of a `HashMap` for
//!   each measure under one lock, which has no bound.
//! - *sampler*: one decision on a root; the SDK's decides by the trace's id alone.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{
    collections::HashMap,
    convert::Infallible,
    hint::black_box,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use http::{Request, Response};
use http_body::Body;
use opentelemetry::{
    KeyValue,
    metrics::MeterProvider as _,
    trace::{Span as _, SpanKind, TraceId, Tracer as _, TracerProvider as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{InMemoryMetricExporter, SdkMeterProvider},
    trace::{Sampler, SdkTracerProvider, ShouldSample, Span, SpanData, SpanProcessor},
};
use tenantkit_core::{
    SystemClock, TenantContext, TenantId, TenantRecord, Tier, TierSet, test_util::TestAuthority,
};
use tenantkit_limit::quota::Quota;
use tenantkit_otel::{
    TenantSpans, TenantTracer,
    http::RequestLayer,
    labels,
    latencies::TenantLatencies,
    metrics::TenantMetrics,
    refusals::LastRefusals,
    requests::RequestMetrics,
    sampler::TenantSampler,
    top::{TopTenants, Used},
};
use tower_service::Service;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

criterion_group!(benches, span, tracing_span, measurement, request, top, sampler);
criterion_main!(benches);

labels! {
    /// How it ended.
    enum Outcome: "test.outcome" {
        /// Well.
        Served = "served",
        /// By a refusal.
        Refused = "refused",
    }

    /// Which way it went.
    enum Route: "http.route" {
        /// All.
        All = "/v1/documents",
        /// One.
        One = "/v1/documents/{id}",
    }
}

/// Drops every span.
#[derive(Debug)]
struct Drops;

impl SpanProcessor for Drops {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        black_box(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// As [`Way`] says.
fn providers() -> [SdkTracerProvider; 2] {
    [
        SdkTracerProvider::builder().with_span_processor(Drops).build(),
        SdkTracerProvider::builder().with_span_processor(TenantSpans::around(Drops)).build(),
    ]
}

fn group<'c>(criterion: &'c mut Criterion, name: &str) -> BenchmarkGroup<'c, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group
}

/// Measures both ways; and what the second takes more, by short turns, so that what else the machine does falls on both.
fn both(criterion: &mut Criterion, name: &str, mut run: impl FnMut(Way, u32)) {
    const TURN: u32 = 1_024;
    let mut timed = |way, times| {
        let began = Instant::now();
        run(way, times);
        began.elapsed()
    };
    let mut group = group(criterion, name);
    let times = |times: u64| u32::try_from(times).unwrap();
    group.bench_function("bare", |it| it.iter_custom(|n| timed(Way::Bare, times(n))));
    group.bench_function("tenantkit", |it| it.iter_custom(|n| timed(Way::Tenantkit, times(n))));
    group.finish();
    let nanoseconds = |it: Duration| it.as_secs_f64() * 1e9 / f64::from(TURN);
    let mut added: Vec<_> = (0..1_001)
        .map(|_| [Way::Bare, Way::Tenantkit].map(|way| nanoseconds(timed(way, TURN))))
        .map(|[bare, with]| with - bare)
        .collect();
    added.sort_by(f64::total_cmp);
    let [low, median, high] = [250, 500, 750].map(|at| added[at]);
    println!(
        "{name}: {median:.0} ns added (median of 1001 pairs of turns; quartiles {low:.0} and {high:.0})\n"
    );
}

#[derive(Clone, Copy)]
enum Way {
    Bare,
    Tenantkit,
}

fn span(criterion: &mut Criterion) {
    let acme = TestAuthority::new().context("acme");
    let tracers = providers().map(|provider| provider.tracer("bench"));
    both(criterion, "span", |way, times| {
        let tracer = &tracers[way as usize];
        acme.in_scope(|| {
            for _ in 0..times {
                let mut span = tracer.start("work");
                span.set_attribute(KeyValue::new("rows", 3));
                span.end();
            }
        })
        .unwrap();
    });
}

fn tracing_span(criterion: &mut Criterion) {
    let acme = TestAuthority::new().context("acme");
    let [bare, with] = providers().map(|provider| provider.tracer("bench"));
    let (bare, with) = (
        tracing_opentelemetry::layer().with_tracer(bare),
        tracing_opentelemetry::layer().with_tracer(TenantTracer::around(with)),
    );
    let subscribers = [
        tracing::Dispatch::new(Registry::default().with(bare)),
        tracing::Dispatch::new(Registry::default().with(with)),
    ];
    both(criterion, "tracing span", |way, times| {
        tracing::dispatcher::with_default(&subscribers[way as usize], || {
            acme.in_scope(|| {
                for _ in 0..times {
                    tracing::info_span!("work", rows = 3).in_scope(|| ());
                }
            })
            .unwrap();
        });
    });
}

fn measurement(criterion: &mut Criterion) {
    let provider =
        || SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default());
    let bare = provider().build();
    let metrics = TenantMetrics::declare(TierSet::METALS).start(provider()).unwrap();
    let (sdk, meter) = (bare.meter("bench"), metrics.meter("bench"));
    let bounds = [0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
    let gold = TierSet::METALS.get("gold").unwrap();
    let labels = || black_box((gold, Some(Route::One), Outcome::Refused));
    let attributes = [
        KeyValue::new("http.route", "/v1/documents/{id}"),
        KeyValue::new("tenant.tier", "gold"),
        KeyValue::new("test.outcome", "refused"),
    ];

    let mut counter = group(criterion, "counter");
    let theirs = sdk.u64_counter("bench.requests").build();
    counter.bench_function("SDK", |it| it.iter(|| theirs.add(1, black_box(&attributes))));
    let ours =
        meter.counter::<(Tier, Option<Route>, Outcome)>("bench.requests", "{request}", "").unwrap();
    counter.bench_function("tenantkit", |it| it.iter(|| ours.add(1, labels())));
    counter.finish();

    let mut histogram = group(criterion, "histogram");
    let theirs = sdk.f64_histogram("bench.duration").with_boundaries(bounds.to_vec()).build();
    histogram.bench_function("SDK", |it| it.iter(|| theirs.record(0.02, black_box(&attributes))));
    let ours = meter
        .histogram::<(Tier, Option<Route>, Outcome)>("bench.duration", "s", &bounds, "")
        .unwrap();
    histogram.bench_function("tenantkit", |it| it.iter(|| ours.record(0.02, labels())));
    let _ = (Outcome::Served, Route::All);
}

type Answering = std::future::Ready<Result<Response<String>, Infallible>>;

/// Answers at once.
#[derive(Clone)]
struct Handler;

impl Service<Request<()>> for Handler {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Answering {
        std::future::ready(Ok(Response::new("an answer".to_owned())))
    }
}

/// Asks, and reads the answer.
fn ask<S, B>(service: &mut S, request: Request<()>)
where
    S: Service<Request<()>, Response = Response<B>, Error = Infallible>,
    B: Body + Unpin,
{
    let mut cx = Context::from_waker(Waker::noop());
    let Poll::Ready(Ok(mut answer)) = pin!(service.call(request)).poll(&mut cx) else {
        unreachable!("it answers at once")
    };
    while let Poll::Ready(Some(Ok(frame))) = Pin::new(answer.body_mut()).poll_frame(&mut cx) {
        black_box(frame.is_data());
    }
}

fn request(criterion: &mut Criterion) {
    const ALL: Quota = Quota::per_second(10_000_000).burst(10_000_000).declare();

    let test = TestAuthority::new();
    let acme = test.context("acme");
    let asked = || {
        let mut request = Request::new(());
        request.extensions_mut().insert(acme.clone());
        request
    };
    let span = || tracing::info_span!("request", otel.name = "GET", otel.kind = "server");
    let mut group = group(criterion, "request");
    group.bench_function("nothing", |it| it.iter(|| ask(&mut Handler, black_box(asked()))));

    let readers =
        || SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default());
    let metrics = readers().build();
    let meter = metrics.meter("bench");
    let requests = meter.u64_counter("bench.requests").build();
    let duration = meter.f64_histogram("bench.duration").build();
    let attributes = [KeyValue::new("outcome", "served"), KeyValue::new("tier", "gold")];
    let provider = SdkTracerProvider::builder().with_span_processor(Drops).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("bench"));
    tracing::subscriber::with_default(Registry::default().with(layer), || {
        group.bench_function("SDK", |it| {
            it.iter(|| {
                let began = Instant::now();
                span().in_scope(|| ask(&mut Handler, black_box(asked())));
                requests.add(1, black_box(&attributes));
                duration.record(began.elapsed().as_secs_f64(), black_box(&attributes));
            });
        });
    });

    let metrics = TenantMetrics::declare(TierSet::METALS).start(readers()).unwrap();
    let requests = RequestMetrics::new(&metrics.meter("bench")).unwrap();
    let clock = Arc::new(SystemClock::new());
    let layer = RequestLayer::new(requests, clock.clone())
        .top(Arc::new(TopTenants::builder().build()))
        .latencies(Arc::new(TenantLatencies::new([*acme.tenant()], 20)))
        .refusals(LastRefusals::new(50, clock));
    // Once inside, and once outside, where nobody knows the tenant.
    let mut service = layer.layer(Known(layer.layer(Handler), acme.clone()));
    let provider = SdkTracerProvider::builder()
        .with_sampler(TenantSampler::builder(ALL).keeps_refusals().build().unwrap())
        .with_span_processor(TenantSpans::around(Drops).keeps_refusals())
        .build();
    let tracer = TenantTracer::around(provider.tracer("bench"));
    let spans = tracing_opentelemetry::layer().with_tracer(tracer);
    tracing::subscriber::with_default(Registry::default().with(spans), || {
        group.bench_function("tenantkit", |it| {
            it.iter(|| {
                acme.in_scope(|| span().in_scope(|| ask(&mut service, Request::new(())))).unwrap();
            });
        });
    });
}

/// Knows whose request it is.
struct Known<S>(S, TenantContext);

impl<S: Service<Request<()>>> Service<Request<()>> for Known<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<()>) -> S::Future {
        request.extensions_mut().insert(self.1.clone());
        self.0.call(request)
    }
}

/// Contexts of so many tenants, in an order in which a few are heavy.
fn tenants(many: usize) -> Vec<TenantContext> {
    let test = TestAuthority::new();
    let bronze = TierSet::METALS.get("bronze").unwrap();
    let contexts: Vec<_> = (0..many)
        .map(|number| {
            let name = format!("tenant-{number}");
            test.directory().set(TenantId::new(&name).unwrap(), TenantRecord::active(bronze));
            test.context(&name)
        })
        .collect();
    // The share of the n-th is about 1/n.
    let mut state = 42_u64;
    let order = (0..1 << 16).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let unit = (state >> 40) as f64 / (1_u64 << 24) as f64;
        contexts[((many as f64).powf(unit) as usize).min(many - 1)].clone()
    });
    order.collect()
}

fn top(criterion: &mut Criterion) {
    let mut group = group(criterion, "top");
    for many in [100, 10_000] {
        let order = tenants(many);
        let used = Used::request().took(Duration::from_micros(700));
        let top = TopTenants::builder().tenants(256).build();
        let mut next = order.iter().cycle();
        group.bench_function(format!("tenantkit/{many} tenants"), |it| {
            it.iter(|| top.record(next.next().unwrap(), used));
        });
        let map: Mutex<HashMap<TenantId, (u64, u64)>> = Mutex::default();
        let mut next = order.iter().cycle();
        group.bench_function(format!("unbounded map/{many} tenants"), |it| {
            it.iter(|| {
                let mut map = map.lock().unwrap();
                let counts = map.entry(*next.next().unwrap().tenant()).or_default();
                counts.0 += 1;
                counts.1 += black_box(700);
            });
        });
    }
}

fn sampler(criterion: &mut Criterion) {
    const RATE: Quota = Quota::per_second(5).burst(20).declare();

    let mut group = group(criterion, "sampler");
    let acme = TestAuthority::new().context("acme");
    let root = opentelemetry::Context::new();
    let decide = |sampler: &dyn ShouldSample| {
        sampler.should_sample(
            Some(&root),
            black_box(TraceId::from(7)),
            "work",
            &SpanKind::Server,
            &[],
            &[],
        )
    };
    let ratio = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(0.01)));
    group.bench_function("SDK", |it| it.iter(|| decide(&ratio)));
    let ours = TenantSampler::builder(RATE).build().unwrap();
    group.bench_function("tenantkit", |it| acme.in_scope(|| it.iter(|| decide(&ours))).unwrap());
}
