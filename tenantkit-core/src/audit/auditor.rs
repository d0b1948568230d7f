//! [`Auditor`]: what stands between an authority and its sink.

use std::sync::Arc;

use super::{AuditAction, AuditEvent, AuditSink, Commit, NotCommitted};
use crate::{Clock, Refusal, TenantId, UnixTime};

/// What stands between an authority and its sink.
pub(crate) struct Auditor {
    sink: Arc<dyn AuditSink>,
}

impl Auditor {
    pub(crate) fn new(sink: Arc<dyn AuditSink>, _clock: &Arc<dyn Clock>) -> Self {
        Self { sink }
    }

    /// Records a refusal. `describe` is called only for those that are recorded one by one.
    pub(crate) fn refused(
        &self,
        refusal: Refusal,
        tenant: Option<&TenantId>,
        now: UnixTime,
        describe: impl FnOnce(AuditEvent) -> AuditEvent,
    ) {
        let event = AuditEvent::new(now, AuditAction::Refused(refusal)).on(tenant);
        self.sink.record(describe(event));
    }

    /// Records an event.
    pub(crate) fn record(&self, event: AuditEvent) {
        self.sink.record(event);
    }

    /// Makes an event durable.
    pub(crate) fn commit(&self, event: AuditEvent) -> Commit {
        self.sink.commit(event)
    }

    /// Makes durable that something was built that trusts more than a proof. Blocks.
    pub(crate) fn dangerous(&self, what: &'static str, now: UnixTime) -> Result<(), NotCommitted> {
        self.commit(AuditEvent::new(now, AuditAction::Dangerous(what))).wait()
    }
}
