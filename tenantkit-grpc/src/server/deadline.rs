//! [`Deadline`]: when a body in flight is cut.

use std::task::{Context, Poll};

use tenantkit_core::{AuditAction, AuditEvent, Door, Reason, Refusal, TenantContext, UnixTime};

/// When a body in flight is cut: its context's expiry plus the authority's grace, by the authority's
/// clock. No frame passes after it.
///
/// It is looked at before each frame. A body that is idle is not polled, and so stays open for as
/// long as it is idle; with the feature `tokio`, on a tokio runtime, a timer wakes it.
pub(super) struct Deadline {
    context: TenantContext,
    at: UnixTime,
    #[cfg(feature = "tokio")]
    timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl Deadline {
    pub(super) fn of(context: &TenantContext) -> Self {
        Self {
            context: context.clone(),
            at: context.expires().saturating_add(context.authority().grace()),
            #[cfg(feature = "tokio")]
            timer: None,
        }
    }

    /// Ready with why, when it is over.
    pub(super) fn poll(&self) -> Poll<Refusal> {
        let now = self.context.authority().now();
        if now < self.at {
            return Poll::Pending;
        }
        let refusal = Refusal::new(Reason::Expired, Door::Request);
        let event = AuditEvent::new(now, AuditAction::Refused(refusal)).of(&self.context);
        self.context.authority().record(event);
        Poll::Ready(refusal)
    }

    /// Wakes the task when it is over. Called only when the body has nothing to give, so that a body
    /// that is ready at once never has a timer.
    #[cfg(feature = "tokio")]
    pub(super) fn wake_when_over(&mut self, cx: &mut Context<'_>) {
        // Elsewhere than on tokio there is no timer to set.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        loop {
            let timer = self.timer.get_or_insert_with(|| {
                // One millisecond more than is left: clocks are read in whole ones. A day at most,
                // because the two clocks may drift apart; then it is looked at again.
                let left = self.at.since(self.context.authority().now());
                let left = left.saturating_add(std::time::Duration::from_millis(1));
                Box::pin(tokio::time::sleep(left.min(std::time::Duration::from_secs(86_400))))
            });
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.timer = None;
            if self.context.authority().now() >= self.at {
                return cx.waker().wake_by_ref();
            }
        }
    }

    #[cfg(not(feature = "tokio"))]
    pub(super) fn wake_when_over(&mut self, _: &mut Context<'_>) {}
}
