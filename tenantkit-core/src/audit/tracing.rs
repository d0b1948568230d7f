//! [`TracingSink`]: audit events as `tracing` events.

use ::tracing::Level;

use super::{AuditAction, AuditEvent, AuditSink, Commit, NotCommitted};
use crate::{Door, Reason, Source};

/// Emits each audit event as a `tracing` event at the target `tenantkit::audit`: refusals and what is
/// dangerous as warnings, the rest as information. The fields are those of
/// [`JsonLinesSink`](super::JsonLinesSink), with `subject.iss` for an object's, and without `at`.
///
/// No subscriber promises that an event is durable, so [`commit`](AuditSink::commit) emits the event
/// and answers [`NotCommitted`]: with this sink alone nothing is granted. [`Tee`](super::Tee) puts it
/// in front of one that is durable.
#[derive(Debug, Clone, Copy)]
pub struct TracingSink;

macro_rules! emit {
    ($level:expr, $event:expr) => {{
        let event: &AuditEvent = $event;
        let (subject, actor) = (event.subject.as_ref(), event.actor.as_ref());
        let parts = Parts::of(event);
        ::tracing::event!(
            target: "tenantkit::audit",
            $level,
            action = event.action.as_str(),
            code = parts.reason.map(|reason| reason.code().as_str()),
            reason = parts.reason.map(Reason::as_str),
            door = parts.door.map(Door::as_str),
            count = parts.count,
            what = parts.what,
            tenant = event.tenant.as_deref(),
            subject.iss = subject.map(|it| it.issuer().as_str()),
            subject.sub = subject.map(|it| it.sub().as_str()),
            actor.iss = actor.map(|it| it.issuer().as_str()),
            actor.sub = actor.map(|it| it.sub().as_str()),
            workload = event.workload.as_deref(),
            transaction = event.transaction.as_deref(),
            source = event.source.map(Source::as_str),
            claim = event.claim,
            peer = event.peer.map(display),
            capability = event.capability,
            why = event.why.as_ref().map(debug),
            expires = event.expires.map(display),
        );
    }};
}

impl AuditSink for TracingSink {
    fn record(&self, event: AuditEvent) {
        match event.action {
            AuditAction::Granted => emit!(Level::INFO, &event),
            _ => emit!(Level::WARN, &event),
        }
    }

    fn commit(&self, event: AuditEvent) -> Commit {
        self.record(event);
        Commit::ready(Err(NotCommitted))
    }
}

#[derive(Default)]
struct Parts {
    reason: Option<Reason>,
    door: Option<Door>,
    count: Option<u64>,
    what: Option<&'static str>,
}

impl Parts {
    fn of(event: &AuditEvent) -> Self {
        match event.action {
            AuditAction::Refused(refusal) => Self {
                reason: Some(refusal.reason()),
                door: Some(refusal.door()),
                ..Self::default()
            },
            AuditAction::Granted => Self::default(),
            AuditAction::Dangerous(what) => Self { what: Some(what), ..Self::default() },
            AuditAction::Dropped { reason, door, count } => {
                Self { reason, door, count: Some(count), ..Self::default() }
            }
        }
    }
}
