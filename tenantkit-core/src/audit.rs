//! What an auditor reads: who did what, to which tenant, by which proof.
//!
//! There are two verbs. [`AuditSink::record`] never blocks and may be sampled; what was dropped is
//! itself recorded. [`AuditSink::commit`] is durable, or the work is refused.
//!
//! An authority samples refusals before they reach the sink: of each reason and known tenant the
//! first 20 in 10 s are recorded one by one
//! ([`AuthorityBuilder::sample_refusals`](crate::AuthorityBuilder::sample_refusals)), and how many
//! more there were follows when the window has ended. Of those without a known tenant, which anybody
//! can cause, it is one more a window after the first. So a flood by one tenant, or of one reason,
//! neither fills a disk nor hides what another did.

mod auditor;
mod commit;
mod event;
pub mod json;
mod sampler;
mod tee;
#[cfg(feature = "tracing")]
mod tracing;

pub(crate) use auditor::{Auditor, Sampling};
pub use commit::{Commit, CommitHandle, NotCommitted};
pub use event::{AuditAction, AuditEvent};
pub use json::{JsonLinesOptions, JsonLinesSink};
pub use tee::Tee;
#[cfg(feature = "tracing")]
pub use tracing::TracingSink;

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
