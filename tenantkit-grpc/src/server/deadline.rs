//! [`Deadline`]: when a body in flight is cut.

use std::{task::Poll, time::Duration};

use tenantkit_core::{AuditAction, AuditEvent, Door, Reason, Refusal, TenantContext, UnixTime};

/// At most this often the directory is asked about a body that is polled.
const LOOK: Duration = Duration::from_secs(1);

/// When a body in flight is cut: the authority's grace after its context has expired, or after its
/// tenant was first seen not to be let in any more. By the authority's clock. No frame passes after
/// it.
///
/// This only tells; a [`Flight`](super::flight::Flight) or an [`Alarm`](super::alarm::Alarm) looks.
pub(super) struct Deadline {
    context: TenantContext,
    at: UnixTime,
    looked: Option<UnixTime>,
    /// Why a door would refuse the tenant, and when that is over.
    refused: Option<(Reason, UnixTime)>,
}

impl Deadline {
    pub(super) fn of(context: &TenantContext) -> Self {
        Self {
            context: context.clone(),
            at: context.expires().saturating_add(context.authority().grace()),
            looked: None,
            refused: None,
        }
    }

    /// Ready with why, when it is over. That is audited, so it is asked no more then.
    pub(super) fn poll(&mut self) -> Poll<Refusal> {
        let now = self.context.authority().now();
        self.look(now);
        let reason = match self.refused {
            _ if now >= self.at => Reason::Expired,
            Some((reason, at)) if now >= at => reason,
            _ => return Poll::Pending,
        };
        let refusal = Refusal::new(reason, Door::Request);
        let event = AuditEvent::new(now, AuditAction::Refused(refusal)).of(&self.context);
        self.context.authority().record(event);
        Poll::Ready(refusal)
    }

    /// Asks the directory, if it was not asked just now.
    fn look(&mut self, now: UnixTime) {
        // A clock that was set back has looked in the future, and does not wait for that.
        let just_now = |looked| looked <= now && now.since(looked) < LOOK;
        // The door has asked already, and may have let in what answers at once.
        if just_now(*self.looked.get_or_insert(now)) {
            return;
        }
        self.looked = Some(now);
        let authority = self.context.authority();
        self.refused = authority.still_acts(&self.context).err().map(|reason| {
            // The grace is one, from the first refusal on, whatever the reasons.
            let at = self.refused.map(|(_, at)| at);
            (reason, at.unwrap_or_else(|| now.saturating_add(authority.grace())))
        });
    }

    /// How long nobody needs to look.
    #[cfg(feature = "tokio")]
    pub(super) fn rest(&self) -> Duration {
        let authority = self.context.authority();
        let at = self.refused.map_or(self.at, |(_, at)| at.min(self.at));
        // One millisecond more than is left: clocks are read in whole ones.
        let left = at.since(authority.now()).saturating_add(Duration::from_millis(1));
        // A suspension is seen after a part of the grace; more than `LOOK`, so that the directory is
        // asked each time.
        left.min((authority.grace() / 4).clamp(2 * LOOK, 10 * LOOK))
    }
}
