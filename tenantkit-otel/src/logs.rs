//! [`TenantLogs`]: a log processor that says whose work each record is about.

use std::time::Duration;

use opentelemetry::{
    InstrumentationScope, StringValue,
    logs::{AnyValue, LogRecord as _, Logger as _, LoggerProvider as _},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider},
};

use crate::{
    Delivery,
    names::{TENANT_ID, TENANT_TIER, TRANSACTION_ID},
    owner,
};

/// A log processor that says of each record whose work it was made in. Give it to the provider before the
/// one that exports.
///
/// What the scope says wins, as with [`TenantSpans`](crate::TenantSpans).
///
/// ```
/// use opentelemetry::logs::{LogRecord as _, Logger as _, LoggerProvider as _};
/// use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
/// use tenantkit_otel::TenantLogs;
/// # use tenantkit_core::test_util::TestAuthority;
///
/// let exporter = InMemoryLogExporter::default();
/// let provider = SdkLoggerProvider::builder()
///     .with_log_processor(TenantLogs::new())
///     .with_simple_exporter(exporter.clone())
///     .build();
/// let logger = provider.logger("acmedocs");
///
/// # let tenant = TestAuthority::new().context("acme");
/// tenant.in_scope(|| logger.emit(logger.create_log_record()))?;
///
/// let logs = exporter.get_emitted_logs().unwrap();
/// assert_eq!(logs[0].record.attributes_iter().count(), 3);
/// # Ok::<(), tenantkit_core::Refusal>(())
/// ```
#[derive(Debug)]
pub struct TenantLogs {
    /// Makes empty records: of one that is made, an attribute cannot be removed.
    blank: SdkLogger,
    delivery: Delivery,
}

impl TenantLogs {
    /// The processor.
    #[must_use]
    pub fn new() -> Self {
        let blank = SdkLoggerProvider::builder().build().logger("tenantkit");
        Self { blank, delivery: Delivery::default() }
    }
}

impl TenantLogs {
    /// Counts what is handed on, beside what the exporter delivers.
    #[must_use]
    pub fn counting(self, delivery: &Delivery) -> Self {
        Self { delivery: delivery.clone(), ..self }
    }
}

impl Default for TenantLogs {
    fn default() -> Self {
        Self::new()
    }
}

impl LogProcessor for TenantLogs {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        self.delivery.count_made();
        let mut first = true;
        owner::tell_now(&mut |key: &'static str, value: StringValue| {
            if first && speaks_of_a_tenant(record) {
                *record = self.without_a_tenant(record);
            }
            first = false;
            record.add_attribute(key, AnyValue::String(value));
        });
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl TenantLogs {
    fn without_a_tenant(&self, record: &SdkLogRecord) -> SdkLogRecord {
        let mut copy = self.blank.create_log_record();
        if let Some(name) = record.event_name() {
            copy.set_event_name(name);
        }
        if let Some(target) = record.target() {
            copy.set_target(target.clone());
        }
        if let Some(at) = record.timestamp() {
            copy.set_timestamp(at);
        }
        if let Some(at) = record.observed_timestamp() {
            copy.set_observed_timestamp(at);
        }
        if let Some(text) = record.severity_text() {
            copy.set_severity_text(text);
        }
        if let Some(number) = record.severity_number() {
            copy.set_severity_number(number);
        }
        if let Some(body) = record.body() {
            copy.set_body(body.clone());
        }
        if let Some(trace) = record.trace_context() {
            copy.set_trace_context(trace.trace_id, trace.span_id, trace.trace_flags);
        }
        copy.add_attributes(
            record.attributes_iter().filter(|(key, _)| !is_ours(key.as_str())).cloned(),
        );
        copy
    }
}

fn speaks_of_a_tenant(record: &SdkLogRecord) -> bool {
    record.attributes_iter().any(|(key, _)| is_ours(key.as_str()))
}

fn is_ours(key: &str) -> bool {
    [TENANT_ID, TENANT_TIER, TRANSACTION_ID].contains(&key)
}
