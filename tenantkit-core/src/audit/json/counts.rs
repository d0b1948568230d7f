//! [`Counts`]: how many events of each kind were not written one by one.

use std::mem;

use crate::{
    Reason, UnixTime,
    audit::{AuditAction, AuditEvent},
};

/// What is counted together: a reason, or everything that is no refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind(Option<Reason>);

impl Kind {
    pub(super) const COUNT: usize = Reason::ALL.len() + 1;

    pub(super) const fn of(event: &AuditEvent) -> Self {
        match event.action {
            AuditAction::Refused(refusal) => Self(Some(refusal.reason())),
            AuditAction::Dropped { reason, .. } => Self(reason),
            _ => Self(None),
        }
    }

    pub(super) const fn place(self) -> usize {
        match self.0 {
            Some(reason) => reason as usize,
            None => Reason::ALL.len(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Count {
    count: u64,
    last: UnixTime,
}

impl Count {
    const NONE: Self = Self { count: 0, last: UnixTime::EPOCH };
}

/// How many events of each kind were not written one by one.
#[derive(Debug, Clone)]
pub(super) struct Counts {
    of: [Count; Kind::COUNT],
    any: bool,
}

impl Counts {
    pub(super) const NONE: Self = Self { of: [Count::NONE; _], any: false };

    pub(super) const fn is_empty(&self) -> bool {
        !self.any
    }

    /// Counts an event. One that is itself a count counts for what it counted.
    pub(super) fn add(&mut self, event: &AuditEvent) {
        let count = match event.action {
            AuditAction::Dropped { count, .. } => count,
            _ => 1,
        };
        self.put(Kind::of(event).place(), Count { count, last: event.at });
    }

    pub(super) fn absorb(&mut self, other: &Self) {
        if other.any {
            for (at, count) in other.of.iter().enumerate() {
                self.put(at, *count);
            }
        }
    }

    pub(super) fn take(&mut self) -> Self {
        if self.any { mem::replace(self, Self::NONE) } else { Self::NONE }
    }

    /// The counts as events.
    pub(super) fn events(&self) -> impl Iterator<Item = AuditEvent> {
        let reasons = Reason::ALL.iter().copied().map(Some).chain([None]);
        self.of.iter().zip(reasons).filter(|(it, _)| it.count > 0).map(|(it, reason)| {
            let action = AuditAction::Dropped { reason, door: None, count: it.count };
            AuditEvent::new(it.last, action)
        })
    }

    fn put(&mut self, at: usize, more: Count) {
        let known = &mut self.of[at];
        known.count = known.count.saturating_add(more.count);
        known.last = known.last.max(more.last);
        self.any |= more.count > 0;
    }
}
