//! [`Exports`]: the process's traces and logs, on their way to a collector; and [`subscribe`], which puts them behind
//! `tracing`.

use std::{fmt, time::Duration};

use opentelemetry::{
    global, logs::LoggerProvider as _, propagation::TextMapCompositePropagator,
    trace::TracerProvider as _,
};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig as _,
    WithHttpConfig as _,
};
use opentelemetry_sdk::{
    Resource,
    logs::{BatchLogProcessor, SdkLogger, SdkLoggerProvider},
    propagation::TraceContextPropagator,
    trace::{BatchSpanProcessor, SdkTracerProvider},
};
use tenantkit::{
    limit::quota::Quota,
    otel::{
        AuditLogs, Delivery, TenantLogs, TenantSpans, TenantTracer, TenantlessBaggage,
        sampler::{TenantSampler, TenantSamplerBuilder},
    },
};
use tracing_subscriber::{
    EnvFilter, Layer as _,
    filter::{LevelFilter, Targets},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

use super::{TelemetryError, on_runtime::OnRuntime};
use crate::config::{Config, Protocol, Telemetry};

/// How long an export may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Traces and logs on their way to a collector. Clones are handles to the same.
#[derive(Clone)]
pub struct Exports {
    traces: SdkTracerProvider,
    logs: SdkLoggerProvider,
    spans: Delivery,
    records: Delivery,
}

impl Exports {
    /// As the configuration says; `None` where there is no collector. Needs a runtime of Tokio.
    ///
    /// # Errors
    ///
    /// When the collector's address is none.
    pub fn of(config: &Config) -> Result<Option<Self>, TelemetryError> {
        let Some(telemetry) = &config.telemetry else { return Ok(None) };
        let (Some(spans), Some(records)) = (span_exporter(telemetry)?, log_exporter(telemetry)?)
        else {
            return Ok(None);
        };
        let (of_spans, of_records) = (Delivery::default(), Delivery::default());

        let burst = telemetry.traces_per_second.get().saturating_mul(4);
        let rate = Quota::per_second(telemetry.traces_per_second.get()).burst(burst).build();
        let sampler = TenantSampler::builder(rate.map_err(|_| RATE)?).keeps_refusals();
        let sampler = telemetry.pinned()?.into_iter().fold(sampler, TenantSamplerBuilder::pin);
        let batches = BatchSpanProcessor::builder(of_spans.of(spans)).build();
        let spans = TenantSpans::around(batches).keeps_refusals().counting(&of_spans);
        let traces = SdkTracerProvider::builder()
            .with_resource(resource("acmedocs"))
            .with_sampler(sampler.build().map_err(|_| RATE)?)
            .with_span_processor(spans)
            .build();

        let logs = SdkLoggerProvider::builder()
            .with_resource(resource("acmedocs"))
            .with_log_processor(TenantLogs::new().counting(&of_records))
            .with_log_processor(BatchLogProcessor::builder(of_records.of(records)).build())
            .build();
        Ok(Some(Self { traces, logs, spans: of_spans, records: of_records }))
    }

    /// Of spans and of log records, how much arrived.
    #[must_use]
    pub const fn delivered(&self) -> [&Delivery; 2] {
        [&self.spans, &self.records]
    }

    /// For what is no event of `tracing`.
    #[must_use]
    pub fn logger(&self) -> SdkLogger {
        self.logs.logger("acmedocs")
    }

    /// For audit events.
    #[must_use]
    pub fn audit(&self) -> AuditLogs {
        AuditLogs::new(&self.logs)
    }

    /// Hands over what waits, and ends. Blocks until the collector has it, 5 s at most for each.
    pub fn stop(&self) {
        // Whoever is told of it has ended as well.
        let ended = [
            self.traces.shutdown_with_timeout(PATIENCE),
            self.logs.shutdown_with_timeout(PATIENCE),
        ];
        for error in ended.into_iter().filter_map(Result::err) {
            eprintln!("acmedocs: telemetry: {error}");
        }
        for (what, delivery) in [("spans", &self.spans), ("log records", &self.records)] {
            let lost = delivery.failed() + delivery.waiting_or_dropped();
            if lost > 0 {
                eprintln!("acmedocs: telemetry: {lost} of {} {what} were lost", delivery.made());
            }
        }
    }
}

impl fmt::Debug for Exports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exports").field("spans", &self.spans).finish_non_exhaustive()
    }
}

/// Makes what is told to `tracing` lines on standard error, as `RUST_LOG` says; and spans and log records of what
/// matters, where there is a collector. Traces go from service to service.
///
/// # Panics
///
/// When there is a subscriber already.
pub fn subscribe(exports: Option<&Exports>) {
    global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(TenantlessBaggage::new()),
    ]));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let spans = exports.map(|exports| {
        tracing_opentelemetry::layer()
            .with_tracer(TenantTracer::around(exports.traces.tracer("acmedocs")))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(what_matters())
    });
    let records = exports
        .map(|exports| OpenTelemetryTracingBridge::new(&exports.logs).with_filter(what_matters()));
    tracing_subscriber::registry()
        .with(lines.with_filter(EnvFilter::from_default_env()))
        .with(spans)
        .with(records)
        .init();
}

/// Not what the exporters say of themselves, of which there would be no end.
fn what_matters() -> Targets {
    let silent = ["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "opentelemetry-otlp"];
    let silent = silent.into_iter().chain(["h2", "hyper", "hyper_util", "tonic", "tower"]);
    let targets =
        Targets::new().with_default(LevelFilter::INFO).with_target("sqlx", LevelFilter::WARN);
    silent.fold(targets, |targets, target| targets.with_target(target, LevelFilter::OFF))
}

pub(super) fn resource(service: &'static str) -> Resource {
    Resource::builder().with_service_name(service).build()
}

pub(super) fn metrics(telemetry: &Telemetry) -> Result<Option<MetricExporter>, ExporterBuildError> {
    let Some(url) = &telemetry.collector else { return Ok(None) };
    let builder = MetricExporter::builder();
    let exporter = match telemetry.protocol {
        Protocol::Grpc => builder.with_tonic().with_endpoint(url).with_timeout(PATIENCE).build(),
        Protocol::Http => builder
            .with_http()
            .with_http_client(OnRuntime::new())
            .with_endpoint(path(url, "metrics"))
            .build(),
    };
    exporter.map(Some)
}

fn span_exporter(telemetry: &Telemetry) -> Result<Option<SpanExporter>, ExporterBuildError> {
    let Some(url) = &telemetry.collector else { return Ok(None) };
    let builder = SpanExporter::builder();
    let exporter = match telemetry.protocol {
        Protocol::Grpc => builder.with_tonic().with_endpoint(url).with_timeout(PATIENCE).build(),
        Protocol::Http => builder
            .with_http()
            .with_http_client(OnRuntime::new())
            .with_endpoint(path(url, "traces"))
            .build(),
    };
    exporter.map(Some)
}

fn log_exporter(telemetry: &Telemetry) -> Result<Option<LogExporter>, ExporterBuildError> {
    let Some(url) = &telemetry.collector else { return Ok(None) };
    let builder = LogExporter::builder();
    let exporter = match telemetry.protocol {
        Protocol::Grpc => builder.with_tonic().with_endpoint(url).with_timeout(PATIENCE).build(),
        Protocol::Http => builder
            .with_http()
            .with_http_client(OnRuntime::new())
            .with_endpoint(path(url, "logs"))
            .build(),
    };
    exporter.map(Some)
}

fn path(url: &str, signal: &str) -> String {
    format!("{}/v1/{signal}", url.trim_end_matches('/'))
}

const RATE: crate::config::ConfigError = crate::config::ConfigError::Telemetry {
    key: "traces_per_second",
    may_be: "a rate that can be counted",
};
