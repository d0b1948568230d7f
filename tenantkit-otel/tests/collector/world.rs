//! A service that tells a collector everything, and what the collector then has.

use std::time::{Duration, Instant};

use opentelemetry::{logs::LoggerProvider as _, trace::TracerProvider as _};
use opentelemetry_otlp::{LogExporter, MetricExporter, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    logs::{BatchLogProcessor, SdkLogger, SdkLoggerProvider},
    metrics::SdkMeterProvider,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};
use tenantkit_core::TierSet;
use tenantkit_otel::{Delivery, TenantLogs, TenantSpans, metrics::TenantMetrics};

pub(crate) struct Service {
    pub(crate) tracer: SdkTracer,
    pub(crate) logger: SdkLogger,
    pub(crate) metrics: TenantMetrics,
    pub(crate) spans: Delivery,
    pub(crate) logs: Delivery,
    traces: SdkTracerProvider,
    records: SdkLoggerProvider,
}

impl Service {
    /// With room for so many spans that wait. It needs a runtime of Tokio.
    pub(crate) fn new(collector: &str, room: usize) -> Self {
        let patience = Duration::from_secs(2);
        let (spans, logs) = (Delivery::default(), Delivery::default());

        let exporter = SpanExporter::builder().with_tonic().with_endpoint(collector);
        let exporter = spans.of(exporter.with_timeout(patience).build().unwrap());
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(room)
            .with_scheduled_delay(Duration::from_millis(100))
            .build();
        let batches = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
        let traces = SdkTracerProvider::builder()
            .with_span_processor(TenantSpans::around(batches).counting(&spans))
            .build();

        let exporter = LogExporter::builder().with_tonic().with_endpoint(collector);
        let exporter = logs.of(exporter.with_timeout(patience).build().unwrap());
        let config = opentelemetry_sdk::logs::BatchConfigBuilder::default()
            .with_max_queue_size(room)
            .with_scheduled_delay(Duration::from_millis(100))
            .build();
        let records = SdkLoggerProvider::builder()
            .with_log_processor(TenantLogs::new().counting(&logs))
            .with_log_processor(
                BatchLogProcessor::builder(exporter).with_batch_config(config).build(),
            )
            .build();

        let exporter = MetricExporter::builder().with_tonic().with_endpoint(collector);
        let exporter = exporter.with_timeout(patience).build().unwrap();
        let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter);
        let metrics = TenantMetrics::declare(TierSet::METALS).start(provider).unwrap();

        let (tracer, logger) = (traces.tracer("acmedocs"), records.logger("acmedocs"));
        Self { tracer, logger, metrics, spans, logs, traces, records }
    }

    pub(crate) fn flush(&self) {
        self.traces.force_flush().unwrap();
        self.records.force_flush().unwrap();
        self.metrics.provider().force_flush().unwrap();
    }
}

/// Waits until it is so, for what another process does in its own time.
#[track_caller]
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
