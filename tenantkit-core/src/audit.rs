//! What an auditor reads: who did what, to which tenant, by which proof.
//!
//! There are two verbs. [`AuditSink::record`] never blocks and may be sampled; what was dropped is
//! itself recorded. [`AuditSink::commit`] is durable, or the work is refused.

mod auditor;
mod commit;
mod event;

pub(crate) use auditor::Auditor;
pub use commit::{Commit, CommitHandle, NotCommitted};
pub use event::{AuditAction, AuditEvent};

use std::{fmt, sync::Arc};

/// Where audit events go.
pub trait AuditSink: fmt::Debug + Send + Sync + 'static {
    /// Takes an event. It never blocks; an event that it cannot take is counted, and the count is
    /// itself recorded later.
    fn record(&self, event: AuditEvent);

    /// Takes an event that must be durable before the work goes on.
    fn commit(&self, event: AuditEvent) -> Commit;
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn record(&self, event: AuditEvent) {
        (**self).record(event);
    }

    fn commit(&self, event: AuditEvent) -> Commit {
        (**self).commit(event)
    }
}
