//! [`TierBoard`]: what [`RequestMetrics`](crate::requests::RequestMetrics) told last, by tier.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::KeyValue;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    metrics::{
        Temporality,
        data::{AggregatedMetrics, HistogramDataPoint, MetricData, ResourceMetrics, ScopeMetrics},
        exporter::PushMetricExporter,
    },
};
use serde::Serialize;

use crate::names::TENANT_TIER;

/// What was told last, by tier. An exporter: give a clone of it to a reader. It costs nothing for a request, and what
/// it keeps does not grow with tenants.
#[derive(Debug, Clone, Default)]
pub struct TierBoard(Arc<Mutex<Vec<TierRow>>>);

/// One tier, from the start. Serializes to JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TierRow {
    /// Which.
    pub tier: String,
    /// Requests that were served.
    pub served: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Requests whose caller hung up.
    pub dropped: u64,
    /// How long 99% of those served took at most, in seconds: the upper bound of a bucket. `None` where there are
    /// none, or it is above the last bound.
    pub p99_s: Option<f64>,
    /// How long that waits which waits longest in a queue, in seconds. `None` where nobody tells.
    pub longest_wait_s: Option<f64>,
}

impl TierBoard {
    /// Without any row, until it is told.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The tiers in which something was told, by name.
    #[must_use]
    pub fn rows(&self) -> Vec<TierRow> {
        // Whole after a panic: it is replaced as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl PushMetricExporter for TierBoard {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        let mut rows = BTreeMap::new();
        for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
            match (metric.name(), metric.data()) {
                (
                    "tenantkit.request.duration",
                    AggregatedMetrics::F64(MetricData::Histogram(of)),
                ) => of.data_points().for_each(|point| durations(&mut rows, point)),
                (
                    "tenantkit.queue.longest_wait" | "tenantkit.consumer.longest_wait",
                    AggregatedMetrics::F64(MetricData::Gauge(of)),
                ) => {
                    for point in of.data_points() {
                        let row = row(&mut rows, point.attributes());
                        row.longest_wait_s =
                            Some(row.longest_wait_s.unwrap_or_default().max(point.value()));
                    }
                }
                _ => {}
            }
        }
        let is_told =
            |row: &TierRow| *row != TierRow { tier: row.tier.clone(), ..TierRow::default() };
        let rows = rows.into_values().filter(is_told).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = rows;
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}

fn durations(rows: &mut BTreeMap<String, TierRow>, point: &HistogramDataPoint<f64>) {
    let row = row(rows, point.attributes());
    match text(point.attributes(), "tenantkit.outcome").as_str() {
        "served" => {
            row.served = point.count();
            row.p99_s = quantile(point, 0.99);
        }
        "refused" => row.refused = point.count(),
        "failed" => row.failed = point.count(),
        "dropped" => row.dropped = point.count(),
        _ => {}
    }
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank among fewer than 2^52"
)]
fn quantile(point: &HistogramDataPoint<f64>, share: f64) -> Option<f64> {
    let rank = (point.count() as f64 * share).ceil() as u64;
    let mut seen = 0;
    let mut buckets = point.bounds().zip(point.bucket_counts());
    let reached = buckets.find(|(_, count)| {
        seen += count;
        seen >= rank.max(1)
    });
    reached.map(|(bound, _)| bound)
}

fn row<'r, 'k>(
    rows: &'r mut BTreeMap<String, TierRow>,
    attributes: impl Iterator<Item = &'k KeyValue>,
) -> &'r mut TierRow {
    let tier = text(attributes, TENANT_TIER);
    rows.entry(tier.clone()).or_insert_with(|| TierRow { tier, ..TierRow::default() })
}

fn text<'k>(mut attributes: impl Iterator<Item = &'k KeyValue>, key: &str) -> String {
    let found = attributes.find(|it| it.key.as_str() == key);
    found.map_or_else(String::new, |it| it.value.as_str().into_owned())
}
