//! [`Watch`]: one call, until it is known how it ended.

use std::thread;

use tenantkit_core::TenantId;
use tenantkit_limit::breaker::Call;

use super::{Ending, Verdict, breaker::Judge};
use crate::limit::Deadline;

/// What a breaker is told, at most once. Dropped before there was an answer, it tells that the call was
/// too slow, if it was, and else nothing.
pub(super) struct Watch {
    call: Option<Call<TenantId>>,
    judge: Judge,
    patience: Option<Deadline>,
}

impl Watch {
    pub(super) fn over(call: Call<TenantId>, judge: Judge, patience: Option<Deadline>) -> Self {
        Self { call: Some(call), judge, patience }
    }

    /// There is an answer: from now on it takes the time that it takes.
    pub(super) const fn answered(&mut self) {
        self.patience = None;
    }

    pub(super) fn verdict(&self, ending: &Ending<'_>) -> Verdict {
        (self.judge)(ending)
    }

    pub(super) fn ended(&mut self, ending: &Ending<'_>) {
        let verdict = self.verdict(ending);
        self.tell(verdict);
    }

    pub(super) fn tell(&mut self, verdict: Verdict) {
        let Some(call) = self.call.take() else { return };
        match verdict {
            Verdict::Succeeded => call.succeeded(),
            Verdict::Failed => call.failed(),
            Verdict::SaysNothing => drop(call),
        }
    }

    /// Whether it has told.
    pub(super) const fn is_over(&self) -> bool {
        self.call.is_none()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let gave_up = self.patience.is_some_and(|patience| patience.remaining().is_zero());
        // In a panic the call speaks for itself, and nobody else's code is run.
        if gave_up && !self.is_over() && !thread::panicking() {
            self.ended(&Ending::TooSlow);
        }
    }
}
