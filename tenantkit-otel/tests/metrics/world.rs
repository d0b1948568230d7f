//! Metrics that are kept in memory, and how to count their series.

use std::collections::BTreeMap;

use opentelemetry_sdk::metrics::{
    InMemoryMetricExporter, MeterProviderBuilder, SdkMeterProvider,
    data::{AggregatedMetrics, Metric, MetricData, ScopeMetrics},
};
use tenantkit_core::{Tier, TierSet};
use tenantkit_otel::{
    labels,
    metrics::{MetricsBuilder, TenantMetrics},
};

labels! {
    /// How it ended.
    pub(crate) enum Outcome: "test.outcome" {
        /// Well.
        Served = "served",
        /// By a refusal.
        Refused = "refused",
    }

    /// Which way it went.
    pub(crate) enum Route: "http.route" {
        /// All.
        All = "/v1/documents",
        /// One.
        One = "/v1/documents/{id}",
    }
}

pub(crate) struct World {
    pub(crate) metrics: TenantMetrics,
    exporter: InMemoryMetricExporter,
}

impl World {
    pub(crate) fn new(declared: MetricsBuilder) -> Self {
        let (provider, exporter) = provider();
        Self { metrics: declared.start(provider).unwrap(), exporter }
    }

    /// What is exported now.
    fn exported(&self) -> Vec<Exported> {
        self.exporter.reset();
        self.metrics.provider().force_flush().unwrap();
        let mut series = Vec::new();
        for resource in self.exporter.get_finished_metrics().unwrap() {
            for metric in resource.scope_metrics().flat_map(ScopeMetrics::metrics) {
                read(metric, &mut series);
            }
        }
        series.sort_by(|one, other| one.name.cmp(&other.name));
        series
    }

    pub(crate) fn series(&self) -> usize {
        self.exported().iter().map(|it| it.count).sum()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.exported().into_iter().map(|it| it.name).collect()
    }

    pub(crate) fn values(&self) -> BTreeMap<String, f64> {
        self.exported().into_iter().map(|it| (it.name, it.value)).collect()
    }
}

struct Exported {
    /// `name{key=value,..}`.
    name: String,
    /// How many series a store makes of it.
    count: usize,
    /// Of a histogram, the sum.
    value: f64,
}

pub(crate) fn provider() -> (MeterProviderBuilder, InMemoryMetricExporter) {
    let exporter = InMemoryMetricExporter::default();
    (SdkMeterProvider::builder().with_periodic_exporter(exporter.clone()), exporter)
}

pub(crate) fn tier(name: &str) -> Tier {
    TierSet::METALS.get(name).unwrap()
}

macro_rules! points {
    ($data:expr, $put:expr) => {
        match $data {
            MetricData::Gauge(it) => {
                it.data_points()
                    .for_each(|it| $put(it.attributes().collect(), 1, it.value() as f64));
            }
            MetricData::Sum(it) => {
                it.data_points()
                    .for_each(|it| $put(it.attributes().collect(), 1, it.value() as f64));
            }
            MetricData::Histogram(it) => it.data_points().for_each(|it| {
                // A store has the bucket above the last bound also where there is no bound.
                let buckets = it.bucket_counts().count().max(1);
                $put(it.attributes().collect(), buckets + 2, it.sum() as f64);
            }),
            MetricData::ExponentialHistogram(_) => panic!("nobody asked for one"),
        }
    };
}

fn read(metric: &Metric, series: &mut Vec<Exported>) {
    let mut put = |attributes: Vec<&opentelemetry::KeyValue>, count: usize, value: f64| {
        let mut texts: Vec<_> =
            attributes.iter().map(|it| format!("{}={}", it.key, it.value.as_str())).collect();
        texts.sort();
        let name = format!("{}{{{}}}", metric.name(), texts.join(","));
        series.push(Exported { name, count, value });
    };
    match metric.data() {
        AggregatedMetrics::F64(data) => points!(data, put),
        AggregatedMetrics::I64(data) => points!(data, put),
        AggregatedMetrics::U64(data) => points!(data, put),
    }
}
