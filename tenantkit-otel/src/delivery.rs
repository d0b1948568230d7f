//! [`Delivery`]: how much of what was made arrived.
//!
//! The SDK's batch processors drop what they have no room for, without a word but a line in their own log. What is
//! made and what is delivered are counted here, on both sides of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::logs::Severity;
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter},
    trace::{SpanData, SpanExporter},
};

use crate::{
    labels,
    metrics::{MetricsError, TenantMeter},
};

labels! {
    /// What is exported.
    enum Signal: "tenantkit.otel.signal" {
        /// Spans.
        Traces = "traces",
        /// Log records.
        Logs = "logs",
    }

    /// How far it came.
    enum Fate: "tenantkit.otel.fate" {
        /// It was handed on to be exported: all of them.
        Made = "made",
        /// The exporter delivered it.
        Delivered = "delivered",
        /// The exporter could not.
        Failed = "failed",
    }
}

/// How much of what was made arrived: of spans, or of log records. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Delivery(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    made: AtomicU64,
    delivered: AtomicU64,
    failed: AtomicU64,
}

impl Delivery {
    /// How many were handed on to be exported.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.0.made.load(Relaxed)
    }

    /// How many the exporter delivered.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.0.delivered.load(Relaxed)
    }

    /// How many the exporter tried to deliver, and could not.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.0.failed.load(Relaxed)
    }

    /// How many never got to the exporter: those that wait, at most as many as the batch processor has room for,
    /// and those that it dropped, because it had none.
    #[must_use]
    pub fn waiting_or_dropped(&self) -> u64 {
        // The exporter's counts first: what is made meanwhile must not make it negative.
        let arrived = self.delivered() + self.failed();
        self.made().saturating_sub(arrived)
    }

    /// Around an exporter, so that it counts what it delivers.
    ///
    /// ```
    /// use opentelemetry_sdk::trace::{BatchSpanProcessor, InMemorySpanExporter};
    /// use tenantkit_otel::{Delivery, TenantSpans};
    ///
    /// let delivery = Delivery::default();
    /// let exporter = delivery.of(InMemorySpanExporter::default());
    /// let batches = BatchSpanProcessor::builder(exporter).build();
    /// let spans = TenantSpans::around(batches).counting(&delivery);
    /// # let _ = spans;
    /// ```
    #[must_use]
    pub fn of<E>(&self, exporter: E) -> Counted<E> {
        Counted { exporter, delivery: self.clone() }
    }

    /// Tells how much of the spans and of the log records arrived, as a metric. What of them was made and neither delivered
    /// nor failed waits, or was dropped for want of room.
    ///
    /// # Errors
    ///
    /// When the budget has no room for six series, or the instrument is there already.
    pub fn observe(meter: &TenantMeter, spans: &Self, records: &Self) -> Result<(), MetricsError> {
        let of = [(spans.clone(), Signal::Traces), (records.clone(), Signal::Logs)];
        let what = "Spans and log records that were made to be exported, and what became of them.";
        type By = (Signal, Fate);
        meter.observe_counter::<By>("tenantkit.otel.records", "{record}", what, move |told| {
            for (delivery, signal) in &of {
                told.tell(delivery.made(), (*signal, Fate::Made));
                told.tell(delivery.delivered(), (*signal, Fate::Delivered));
                told.tell(delivery.failed(), (*signal, Fate::Failed));
            }
        })
    }

    pub(crate) fn count_made(&self) {
        self.0.made.fetch_add(1, Relaxed);
    }

    fn count(&self, records: usize, result: &OTelSdkResult) {
        let counter = if result.is_ok() { &self.0.delivered } else { &self.0.failed };
        counter.fetch_add(records as u64, Relaxed);
    }
}

/// An exporter that counts what it delivers; from [`Delivery::of`].
#[derive(Debug)]
pub struct Counted<E> {
    exporter: E,
    delivery: Delivery,
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        let result = self.exporter.export(batch).await;
        self.delivery.count(spans, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Counted<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let records = batch.iter().count();
        let result = self.exporter.export(batch).await;
        self.delivery.count(records, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.exporter.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
