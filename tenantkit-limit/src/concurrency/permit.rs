//! [`Permit`]: what a piece of work holds while it is under way.

use std::{fmt, sync::Arc, time::Duration};

use tenantkit_core::TenantId;

use super::{Hold, Inner, cap::Resource, shared::Exact, table::Place};

/// A permit, held until it is dropped: also by a panic, and by a future that is cancelled.
///
/// It owns what it needs, so it can be moved into a response body and end with that, which is when
/// the work has ended; a handler's future is over before its body is sent.
#[must_use = "dropped at once, it limits nothing"]
pub struct Permit<K = TenantId> {
    hold: Arc<Hold<K>>,
    place: Place,
    resource: Resource,
    /// When the work began, where the limit learns from how long that takes.
    began: Option<Duration>,
}

/// How the work ended: what an adaptive limit learns from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// It was done, and how long it took tells of the load.
    Served,
    /// It failed of load: a timeout, or a dependency that refused.
    Overloaded,
    /// It tells nothing of the load: cancelled, or refused for another reason. A permit that is only
    /// dropped counts so.
    Ignored,
}

impl<K> Permit<K> {
    pub(super) fn new(hold: Arc<Hold<K>>, place: Place, resource: Resource) -> Self {
        let Inner { adaptive, clock, .. } = &*hold.inner;
        let began = adaptive.is_on().then(|| clock.monotonic());
        Self { hold, place, resource, began }
    }

    /// The resource that it is for.
    #[must_use]
    pub const fn resource(&self) -> Resource {
        self.resource
    }

    /// Gives the permit back, and tells an adaptive limit how the work ended. A fixed one has no use
    /// for it: there a drop does the same.
    pub fn finished(self, outcome: Outcome) {
        let Some(began) = self.began else { return };
        let Inner { shared, adaptive, clock } = &*self.hold.inner;
        let now = clock.monotonic();
        let took = now.saturating_sub(began);
        let in_use = shared.in_use();
        if adaptive.learn(now, took, in_use, outcome, |limit| shared.set_limit(limit)) {
            shared.give_out();
        }
    }
}

impl<K> Drop for Permit<K> {
    fn drop(&mut self) {
        let exact = if self.began.is_some() { Exact::Yes } else { Exact::No };
        self.hold.inner.shared.give_back(self.place, self.resource, exact);
    }
}

impl<K> fmt::Debug for Permit<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("resource", &self.resource).finish_non_exhaustive()
    }
}
