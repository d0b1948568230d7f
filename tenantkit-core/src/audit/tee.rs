//! [`Tee`]: two sinks, of which one answers for commits.

use super::{AuditEvent, AuditSink, Commit};

/// Tells every event to two sinks. Commits are durable when the second says so; the first only reads
/// along.
///
/// ```
/// # #[cfg(feature = "tracing")] {
/// use tenantkit_core::audit::{JsonLinesSink, Tee, TracingSink};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("audit.jsonl");
/// let sink = Tee::new(TracingSink, JsonLinesSink::open(path)?);
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tee<A, D> {
    along: A,
    durable: D,
}

impl<A: AuditSink, D: AuditSink> Tee<A, D> {
    /// `along` records everything, commits as well; `durable` answers for commits.
    pub const fn new(along: A, durable: D) -> Self {
        Self { along, durable }
    }
}

impl<A: AuditSink, D: AuditSink> AuditSink for Tee<A, D> {
    fn record(&self, event: AuditEvent) {
        self.along.record(event.clone());
        self.durable.record(event);
    }

    fn commit(&self, event: AuditEvent) -> Commit {
        self.along.record(event.clone());
        self.durable.commit(event)
    }
}
