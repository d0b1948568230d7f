//! [`Auditor`]: what stands between an authority and its sink.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use super::{
    AuditAction, AuditEvent, AuditSink, Commit, NotCommitted,
    sampler::{Dropped, Sampler},
};
use crate::{Clock, Refusal, TenantId, UnixTime};

/// Records a bounded number of refusals a reason, tenant and window, and how many more there were. It
/// calls the sink outside every lock, so a sink may itself refuse, log and audit.
pub(crate) struct Auditor {
    sink: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
    sampler: Sampler,
}

/// How many refusals of one reason and tenant are recorded one by one in a window.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sampling {
    pub(crate) at_most: NonZeroU32,
    pub(crate) window: Duration,
}

impl Auditor {
    pub(crate) fn new(
        sink: Arc<dyn AuditSink>,
        clock: Arc<dyn Clock>,
        Sampling { at_most, window }: Sampling,
    ) -> Self {
        Self { sink, clock, sampler: Sampler::new(at_most, window) }
    }

    /// Records a refusal. `describe` is called only for those that are recorded one by one.
    pub(crate) fn refused(
        &self,
        refusal: Refusal,
        tenant: Option<&TenantId>,
        describe: impl FnOnce(AuditEvent) -> AuditEvent,
    ) {
        let verdict = self.sampler.admit(refusal, tenant, self.clock.monotonic());
        self.tell(verdict.dropped);
        if verdict.record {
            let event = AuditEvent::new(self.clock.now(), AuditAction::Refused(refusal));
            self.sink.record(describe(event.on(tenant)));
        }
    }

    /// Records an event. A refusal is sampled like those that were refused here.
    pub(crate) fn record(&self, event: AuditEvent) {
        if let AuditAction::Refused(refusal) = event.action {
            let tenant = event.tenant;
            return self.refused(refusal, tenant.as_ref(), |_| event);
        }
        self.tell_ended();
        self.sink.record(event);
    }

    /// Makes an event durable.
    pub(crate) fn commit(&self, event: AuditEvent) -> Commit {
        self.tell_ended();
        self.sink.commit(event)
    }

    /// Makes durable that something was built that trusts more than a proof. Blocks.
    pub(crate) fn dangerous(&self, what: &'static str, now: UnixTime) -> Result<(), NotCommitted> {
        self.commit(AuditEvent::new(now, AuditAction::Dangerous(what))).wait()
    }

    /// Records what was dropped until now.
    pub(crate) fn flush(&self) {
        self.tell(self.sampler.flush(self.clock.monotonic()));
    }

    fn tell_ended(&self) {
        self.tell(self.sampler.ended(self.clock.monotonic()));
    }

    fn tell(&self, dropped: Vec<Dropped>) {
        for Dropped { reason, door, tenant, count } in dropped {
            let action = AuditAction::Dropped { reason: Some(reason), door, count };
            let event = AuditEvent::new(self.clock.now(), action);
            self.sink.record(event.on(tenant.as_ref()));
        }
    }
}

impl Drop for Auditor {
    /// A flood that nothing followed is told all the same.
    fn drop(&mut self) {
        self.flush();
    }
}
