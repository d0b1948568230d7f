//! [`AuditLogs`]: audit events as log records, a stream of their own.

use std::{fmt, net::SocketAddr};

use opentelemetry::logs::{LogRecord, LoggerProvider, Severity};
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use tenantkit_core::{
    AuditAction, AuditEvent, AuditSink, Commit, Door, Reason, Source, audit::NotCommitted,
};

/// Tells each audit event to OpenTelemetry, as a record of the event `tenantkit.audit` in the instrumentation scope
/// [`AuditLogs::SCOPE`]: refusals and what is dangerous as warnings, the rest as information. Its attributes are named
/// `tenantkit.audit.`, and then as the fields of [`JsonLinesSink`](tenantkit_core::audit::JsonLinesSink).
///
/// What is exported is not durable, so [`commit`](AuditSink::commit) tells the event and answers [`NotCommitted`]:
/// with this sink alone nothing is granted. [`Tee`](tenantkit_core::audit::Tee) puts it in front of one that is durable.
///
/// ```
/// use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
/// use tenantkit_core::{AuditAction, AuditEvent, AuditSink as _, UnixTime};
/// use tenantkit_otel::AuditLogs;
///
/// let exporter = InMemoryLogExporter::default();
/// let provider = SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build();
/// let sink = AuditLogs::new(&provider); // or Tee::new(AuditLogs::new(&provider), JsonLinesSink::open(path)?)
/// sink.record(AuditEvent::new(UnixTime::EPOCH, AuditAction::Granted));
/// assert_eq!(exporter.get_emitted_logs().unwrap()[0].record.event_name(), Some("tenantkit.audit"));
/// ```
pub struct AuditLogs(SdkLogger);

impl AuditLogs {
    /// The instrumentation scope of its records, by which a collector can send them elsewhere.
    pub const SCOPE: &str = "tenantkit.audit";

    /// A sink that tells the provider.
    #[must_use]
    pub fn new(provider: &SdkLoggerProvider) -> Self {
        Self(provider.logger(Self::SCOPE))
    }
}

impl fmt::Debug for AuditLogs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLogs").finish_non_exhaustive()
    }
}

impl AuditSink for AuditLogs {
    fn record(&self, event: AuditEvent) {
        use opentelemetry::logs::Logger as _;

        let mut record = self.0.create_log_record();
        record.set_event_name("tenantkit.audit");
        let (severity, text) = match event.action {
            AuditAction::Granted => (Severity::Info, "INFO"),
            _ => (Severity::Warn, "WARN"),
        };
        record.set_severity_number(severity);
        record.set_severity_text(text);
        record.set_body(event.action.as_str().into());
        tell(&event, &mut record);
        self.0.emit(record);
    }

    fn commit(&self, event: AuditEvent) -> Commit {
        self.record(event);
        Commit::ready(Err(NotCommitted::new()))
    }
}

fn tell(event: &AuditEvent, record: &mut impl LogRecord) {
    let mut put = |name: &'static str, value: Option<String>| {
        if let Some(value) = value {
            record.add_attribute(name, value);
        }
    };
    let (reason, door, count, what) = parts(&event.action);
    let (subject, actor) = (event.subject.as_ref(), event.actor.as_ref());
    put("tenantkit.audit.action", Some(event.action.as_str().to_owned()));
    put("tenantkit.audit.code", reason.map(|it| it.code().as_str().to_owned()));
    put("tenantkit.audit.reason", reason.map(|it| it.as_str().to_owned()));
    put("tenantkit.audit.door", door.map(|it| it.as_str().to_owned()));
    put("tenantkit.audit.count", count.map(|it| it.to_string()));
    put("tenantkit.audit.what", what.map(str::to_owned));
    put("tenantkit.audit.tenant", event.tenant.map(|it| it.as_str().to_owned()));
    put("tenantkit.audit.subject.iss", subject.map(|it| it.issuer().to_string()));
    put("tenantkit.audit.subject.sub", subject.map(|it| it.sub().to_string()));
    put("tenantkit.audit.actor.iss", actor.map(|it| it.issuer().to_string()));
    put("tenantkit.audit.actor.sub", actor.map(|it| it.sub().to_string()));
    put("tenantkit.audit.workload", event.workload.as_ref().map(ToString::to_string));
    put("tenantkit.audit.transaction", event.transaction.as_ref().map(ToString::to_string));
    put("tenantkit.audit.source", event.source.map(|it| Source::as_str(it).to_owned()));
    put("tenantkit.audit.claim", event.claim.map(str::to_owned));
    put("tenantkit.audit.peer", event.peer.as_ref().map(SocketAddr::to_string));
    put("tenantkit.audit.capability", event.capability.map(str::to_owned));
    put("tenantkit.audit.why", event.why.as_ref().map(ToString::to_string));
    put("tenantkit.audit.expires", event.expires.map(|it| it.to_string()));
}

type Parts = (Option<Reason>, Option<Door>, Option<u64>, Option<&'static str>);

const fn parts(action: &AuditAction) -> Parts {
    match action {
        AuditAction::Refused(refusal) => (Some(refusal.reason()), Some(refusal.door()), None, None),
        AuditAction::Dangerous(what) => (None, None, None, Some(what)),
        AuditAction::Dropped { reason, door, count } => (*reason, *door, Some(*count), None),
        // A grant, and what is told of by its name alone.
        _ => (None, None, None, None),
    }
}
