//! Log records, made directly and through `tracing`.

use opentelemetry::logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _, Severity};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLogRecord, SdkLoggerProvider};
use tenantkit_core::{TenantContext, test_util::TestAuthority};
use tenantkit_otel::TenantLogs;
use tracing_subscriber::{Registry, layer::SubscriberExt as _};

fn provider() -> (SdkLoggerProvider, InMemoryLogExporter) {
    let exporter = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder()
        .with_log_processor(TenantLogs::new())
        .with_simple_exporter(exporter.clone())
        .build();
    (provider, exporter)
}

fn texts(record: &SdkLogRecord, key: &str) -> Vec<String> {
    let of = record.attributes_iter().filter(|(it, _)| it.as_str() == key);
    of.map(|(_, value)| match value {
        AnyValue::String(text) => text.to_string(),
        other => format!("{other:?}"),
    })
    .collect()
}

#[track_caller]
fn assert_tenant(record: &SdkLogRecord, tenant: &TenantContext) {
    assert_eq!(texts(record, "tenant.id"), [tenant.tenant().as_str()]);
    assert_eq!(texts(record, "tenant.tier"), [tenant.tier().as_str()]);
    assert_eq!(texts(record, "tenantkit.transaction.id"), [tenant.transaction().as_str()]);
}

#[test]
fn a_record_has_the_tenant_in_whose_scope_it_was_made() {
    let (provider, exporter) = provider();
    let (test, logger) = (TestAuthority::new(), provider.logger("test"));
    let (acme, globex) = (test.context("acme"), test.context("globex"));
    for tenant in [&acme, &globex] {
        tenant.in_scope(|| logger.emit(logger.create_log_record())).unwrap();
    }
    logger.emit(logger.create_log_record());
    let logs = exporter.get_emitted_logs().unwrap();
    assert_tenant(&logs[0].record, &acme);
    assert_tenant(&logs[1].record, &globex);
    assert_eq!(logs[2].record.attributes_iter().count(), 0);
}

#[test]
fn what_the_scope_says_wins_and_nothing_else_is_lost() {
    let (provider, exporter) = provider();
    let (acme, logger) = (TestAuthority::new().context("acme"), provider.logger("test"));
    let mut record = logger.create_log_record();
    record.set_event_name("name");
    record.set_target("target");
    record.set_severity_number(Severity::Warn);
    record.set_severity_text("WARN");
    record.set_timestamp(std::time::UNIX_EPOCH);
    record.set_observed_timestamp(std::time::UNIX_EPOCH);
    record.set_body("body".into());
    record.set_trace_context(7.into(), 8.into(), None);
    record.add_attribute("tenant.id", "globex");
    record.add_attribute("rows", 3);
    let before = record.clone();
    acme.in_scope(|| logger.emit(record)).unwrap();

    let after = &exporter.get_emitted_logs().unwrap()[0].record;
    assert_tenant(after, &acme);
    assert_eq!(after.event_name(), before.event_name());
    assert_eq!(after.target(), before.target());
    assert_eq!(after.severity_number(), before.severity_number());
    assert_eq!(after.severity_text(), before.severity_text());
    assert_eq!(after.timestamp(), before.timestamp());
    assert_eq!(after.observed_timestamp(), before.observed_timestamp());
    assert_eq!(after.body(), before.body());
    assert_eq!(after.trace_context(), before.trace_context());
    assert_eq!(texts(after, "rows"), ["Int(3)"]);
}

#[test]
fn what_is_told_to_tracing_becomes_a_record_with_its_tenant() {
    let (provider, exporter) = provider();
    let acme = TestAuthority::new().context("acme");
    let subscriber = Registry::default().with(OpenTelemetryTracingBridge::new(&provider));
    tracing::subscriber::with_default(subscriber, || {
        acme.in_scope(|| tracing::info!("told")).unwrap();
        tracing::info!("by nobody");
    });
    let logs = exporter.get_emitted_logs().unwrap();
    assert_tenant(&logs[0].record, &acme);
    assert_eq!(texts(&logs[1].record, "tenant.id"), [""; 0]);
}
