//! A handler whose answers are told, between the layers that count.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body, Frame};
use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, PeriodicReader, SdkMeterProvider,
    data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics},
};
use tenantkit_core::{TenantContext, TierSet, test_util::TestAuthority};
use tenantkit_otel::{
    board::TierBoard,
    http::{CountedBody, RequestLayer},
    latencies::TenantLatencies,
    metrics::TenantMetrics,
    refusals::LastRefusals,
    requests::RequestMetrics,
    top::TopTenants,
};
use tower_service::Service;

pub(crate) struct World {
    pub(crate) test: TestAuthority,
    pub(crate) top: Arc<TopTenants>,
    pub(crate) latencies: Arc<TenantLatencies>,
    pub(crate) refusals: LastRefusals,
    pub(crate) tiers: TierBoard,
    pub(crate) layer: RequestLayer,
    metrics: TenantMetrics,
    exporter: InMemoryMetricExporter,
}

impl World {
    pub(crate) fn new() -> Self {
        let test = TestAuthority::new();
        let (exporter, tiers) = (InMemoryMetricExporter::default(), TierBoard::new());
        let provider = SdkMeterProvider::builder()
            .with_periodic_exporter(exporter.clone())
            .with_reader(PeriodicReader::builder(tiers.clone()).build());
        let metrics = TenantMetrics::declare(TierSet::METALS).start(provider).unwrap();
        let requests = RequestMetrics::new(&metrics.meter("test")).unwrap();
        let top = Arc::new(TopTenants::builder().clock(test.clock().clone()).build());
        let latencies = Arc::new(TenantLatencies::new([*test.context("acme").tenant()], 2));
        let refusals = LastRefusals::new(3, Arc::new(test.clock().clone()));
        let layer = RequestLayer::new(requests, Arc::new(test.clock().clone()))
            .top(Arc::clone(&top))
            .latencies(Arc::clone(&latencies))
            .refusals(refusals.clone());
        Self { test, top, latencies, refusals, tiers, layer, metrics, exporter }
    }

    pub(crate) fn acme(&self) -> TenantContext {
        self.test.context("acme")
    }

    pub(crate) fn advance(&self, millis: u64) {
        self.test.clock().advance(Duration::from_millis(millis));
    }

    /// Calls a handler that answers so, inside the layer, as that tenant.
    pub(crate) fn call(
        &self,
        tenant: Option<TenantContext>,
        answer: Response<Frames>,
    ) -> Response<CountedBody<Frames>> {
        let mut request = Request::new(());
        if let Some(tenant) = tenant {
            request.extensions_mut().insert(tenant);
        }
        let mut service = self.layer.layer(Handler(Some(answer)));
        tenantkit_core::test_util::block_on(service.call(request)).unwrap()
    }

    /// Of each metric how many there were, by labels: `name{..}`.
    pub(crate) fn counts(&self) -> BTreeMap<String, u64> {
        self.exporter.reset();
        self.metrics.provider().force_flush().unwrap();
        let mut counts = BTreeMap::new();
        let all = self.exporter.get_finished_metrics().unwrap();
        let scopes = all.iter().flat_map(ResourceMetrics::scope_metrics);
        for metric in scopes.flat_map(ScopeMetrics::metrics) {
            let mut put = |labels: Vec<String>, count: u64| {
                if count > 0 {
                    counts.insert(format!("{}{{{}}}", metric.name(), labels.join(",")), count);
                }
            };
            match metric.data() {
                AggregatedMetrics::F64(MetricData::Histogram(of)) => {
                    of.data_points().for_each(|it| {
                        put(it.attributes().map(|it| it.value.to_string()).collect(), it.count());
                    });
                }
                AggregatedMetrics::U64(MetricData::Sum(of)) => of.data_points().for_each(|it| {
                    put(it.attributes().map(|it| it.value.to_string()).collect(), it.value());
                }),
                _ => {}
            }
        }
        counts
    }
}

/// Answers once.
#[derive(Debug)]
struct Handler(Option<Response<Frames>>);

impl Service<Request<()>> for Handler {
    type Response = Response<Frames>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Frames>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        std::future::ready(Ok(self.0.take().unwrap()))
    }
}

/// A body of these frames. What fails is `None`.
#[derive(Debug, Default)]
pub(crate) struct Frames(VecDeque<Option<Frame<Bytes>>>);

impl Frames {
    pub(crate) fn of(texts: &[&'static str]) -> Self {
        Self(texts.iter().map(|it| Some(Frame::data(Bytes::from_static(it.as_bytes())))).collect())
    }

    pub(crate) fn trailers(mut self, status: &'static str) -> Self {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from_static(status));
        self.0.push_back(Some(Frame::trailers(trailers)));
        self
    }

    pub(crate) fn breaks(mut self) -> Self {
        self.0.push_back(None);
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front().map(|frame| frame.ok_or("it broke")))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads so many frames.
pub(crate) fn read<B: Body + Unpin>(body: &mut B, frames: usize) {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    for _ in 0..frames {
        let _ = Pin::new(&mut *body).poll_frame(&mut cx);
    }
}
