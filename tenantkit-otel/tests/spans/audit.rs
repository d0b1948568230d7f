//! Audit events as log records, a stream of their own.

use std::sync::Arc;

use opentelemetry::logs::AnyValue;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLogRecord, SdkLoggerProvider};
use tenantkit_core::{
    Grant, Inbound, RefusalCode, Subject, TierSet,
    audit::Tee,
    test_util::{MemorySink, TestAuthority},
};
use tenantkit_otel::AuditLogs;

fn text<'r>(record: &'r SdkLogRecord, key: &str) -> Option<&'r str> {
    record.attributes_iter().find(|(it, _)| it.as_str() == key).map(|(_, value)| match value {
        AnyValue::String(text) => text.as_str(),
        _ => "",
    })
}

fn grant() -> Grant {
    let who = Subject::new("https://id.example".parse().unwrap(), "ada".parse().unwrap());
    Grant::new(who, "a ticket".parse().unwrap(), std::time::Duration::from_secs(60))
}

#[tokio::test]
async fn what_is_audited_is_told_in_its_own_scope() {
    let exporter = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build();
    let sink = Tee::new(AuditLogs::new(&provider), Arc::new(MemorySink::default()));
    let test = TestAuthority::with(TierSet::METALS, |builder| builder.audit(sink));
    let support = test.authority().cross_tenant(TestAuthority::CROSS, grant()).await.unwrap();
    support.act_as("acme".parse().unwrap()).await.unwrap();
    let nothing = http::HeaderMap::new();
    let listener = test.authority().listener().admit(TestAuthority::SOURCE);
    listener.identify(Inbound::new(&nothing)).unwrap_err();

    let logs = exporter.get_emitted_logs().unwrap();
    assert!(logs.iter().all(|it| it.instrumentation.name() == AuditLogs::SCOPE));
    let [granted, used, refused] = &logs[..] else { panic!("three events: {logs:?}") };
    assert_eq!(text(&granted.record, "tenantkit.audit.why"), Some("a ticket"));
    assert_eq!(text(&granted.record, "tenantkit.audit.actor.sub"), Some("ada"));
    assert_eq!(text(&used.record, "tenantkit.audit.tenant"), Some("acme"));
    assert_eq!(text(&refused.record, "tenantkit.audit.code"), Some("no-tenant"));
    assert_eq!(refused.record.severity_text(), Some("WARN"));
}

#[tokio::test]
async fn alone_it_grants_nothing() {
    let provider = SdkLoggerProvider::builder().build();
    let sink = AuditLogs::new(&provider);
    let test = TestAuthority::with(TierSet::METALS, |builder| builder.audit(sink));
    let refused = test.authority().cross_tenant(TestAuthority::CROSS, grant()).await.unwrap_err();
    assert_eq!(refused.code(), RefusalCode::Overloaded);
}
