//! [`Windows`]: the one under way and the last that is over.

use std::{mem, time::Duration};

use tenantkit_core::{TenantId, UnixTime};

use super::{Measure, Snapshot, Used, snapshot::Ranking, space_saving::SpaceSaving};

#[derive(Debug)]
pub(super) struct Windows {
    length: Duration,
    current: Window,
    last: Window,
    has_last: bool,
}

#[derive(Debug)]
struct Window {
    began: Duration,
    at: UnixTime,
    counts: [SpaceSaving; Measure::ALL.len()],
}

impl Window {
    fn new(tenants: usize, began: Duration, at: UnixTime) -> Self {
        Self { began, at, counts: Measure::ALL.map(|_| SpaceSaving::new(tenants)) }
    }

    fn snapshot(&self, lasted: Duration, is_over: bool) -> Snapshot {
        let rankings = Measure::ALL.iter().zip(&self.counts);
        Snapshot {
            from: self.at,
            lasted,
            is_over,
            rankings: rankings.map(|(measure, counts)| Ranking::of(*measure, counts)).collect(),
        }
    }
}

impl Windows {
    pub(super) fn new(tenants: usize, length: Duration, now: Duration, at: UnixTime) -> Self {
        let window = || Window::new(tenants, now, at);
        Self { length, current: window(), last: window(), has_last: false }
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        now.saturating_sub(self.current.began) >= self.length
    }

    /// Begins the window that `now` is in. The one before it is the last, which is empty where nobody asked for
    /// longer than a window.
    pub(super) fn turn(&mut self, now: Duration, at: UnixTime) {
        let since = now.saturating_sub(self.current.began);
        let windows = since.as_nanos() / self.length.as_nanos().max(1);
        let into = since.as_nanos() % self.length.as_nanos().max(1);
        let into = Duration::from_nanos(u64::try_from(into).unwrap_or(0));
        let began = now.saturating_sub(into);
        mem::swap(&mut self.current, &mut self.last);
        if windows > 1 {
            self.begin_last(
                began.saturating_sub(self.length),
                at.saturating_sub(into + self.length),
            );
        }
        self.has_last = true;
        self.current.counts.iter_mut().for_each(SpaceSaving::clear);
        (self.current.began, self.current.at) = (began, at.saturating_sub(into));
    }

    fn begin_last(&mut self, began: Duration, at: UnixTime) {
        self.last.counts.iter_mut().for_each(SpaceSaving::clear);
        (self.last.began, self.last.at) = (began, at);
    }

    pub(super) fn count(&mut self, hash: u64, tenant: &TenantId, used: Used) {
        for (counts, amount) in self.current.counts.iter_mut().zip(used.amounts()) {
            counts.count(hash, tenant, amount);
        }
    }

    pub(super) fn current(&self, now: Duration) -> Snapshot {
        self.current.snapshot(now.saturating_sub(self.current.began), false)
    }

    pub(super) fn last(&self) -> Option<Snapshot> {
        self.has_last.then(|| self.last.snapshot(self.length, true))
    }
}
