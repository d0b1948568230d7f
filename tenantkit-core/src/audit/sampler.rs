//! [`Sampler`]: which refusals are recorded one by one, and how many are only counted.

use std::{
    collections::{HashMap, hash_map::Entry},
    mem,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{Door, Reason, Refusal, TenantId};

/// The most pairs of a reason and a tenant that are kept apart in one window.
pub(super) const MAX_KEYS: usize = 4096;

/// The most counts that are told at once, so that no request pays for the end of a flood of many tenants.
pub(super) const MAX_TOLD: usize = 64;

/// Lets a bounded number of refusals of each reason and known tenant through in a window, and
/// counts the rest. Refusals without a known tenant have a budget a reason, which comes back by one a
/// window only: anybody can cause them, for as long as they like. Once [`MAX_KEYS`] pairs
/// are known, those of further tenants share one more budget a reason, so that a flood of many tenants
/// is bounded as well.
pub(super) struct Sampler {
    at_most: NonZeroU32,
    window: Duration,
    state: Mutex<State>,
}

struct State {
    window: Window,
    /// What earlier windows left, and nobody has been told.
    untold: Vec<Dropped>,
}

struct Window {
    ends: Duration,
    unverified: Buckets,
    by_tenant: HashMap<(Reason, TenantId), Bucket>,
    overflow: Buckets,
    /// Whether anything is counted, so that a quiet window costs no look at its buckets.
    counted: bool,
}

/// One a reason, at the place of the reason.
type Buckets = [Bucket; Reason::ALL.len()];

#[derive(Clone, Copy, Default)]
struct Bucket {
    recorded: u32,
    dropped: u64,
    door: Doors,
}

/// The door of the dropped, while there is only one.
#[derive(Clone, Copy, Default)]
enum Doors {
    #[default]
    None,
    One(Door),
    Several,
}

/// So many refusals that were not recorded one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dropped {
    pub(super) reason: Reason,
    pub(super) door: Option<Door>,
    pub(super) tenant: Option<TenantId>,
    pub(super) count: u64,
}

/// What to do with a refusal, and what of an earlier window is to be recorded before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) record: bool,
    pub(super) dropped: Vec<Dropped>,
}

impl Sampler {
    pub(super) fn new(at_most: NonZeroU32, window: Duration) -> Self {
        let state = State { window: Window::until(Duration::ZERO), untold: Vec::new() };
        Self { at_most, window, state: Mutex::new(state) }
    }

    /// Judges one refusal. `now` is monotonic. One that is only counted costs no allocation.
    pub(super) fn admit(
        &self,
        refusal: Refusal,
        tenant: Option<&TenantId>,
        now: Duration,
    ) -> Verdict {
        let mut state = self.lock();
        let untold = mem::take(&mut state.untold);
        let window = &mut state.window;
        let ended = window.end(now, self.window);
        let bucket = window.bucket(refusal.reason(), tenant);
        let record = bucket.recorded < self.at_most.get();
        if record {
            bucket.recorded += 1;
        } else {
            bucket.dropped += 1;
            bucket.door = bucket.door.and(refusal.door());
            window.counted = true;
        }
        drop(state);
        Verdict { record, dropped: self.tell(untold, ended) }
    }

    /// What an earlier window left, when it has ended.
    pub(super) fn ended(&self, now: Duration) -> Vec<Dropped> {
        let mut state = self.lock();
        let untold = mem::take(&mut state.untold);
        let ended = state.window.end(now, self.window);
        drop(state);
        self.tell(untold, ended)
    }

    /// Everything that is counted by now. The budgets of the window stay as they are.
    pub(super) fn flush(&self, now: Duration) -> Vec<Dropped> {
        let mut state = self.lock();
        let mut dropped = mem::take(&mut state.untold);
        let window = &mut state.window;
        dropped.extend(counts(window.end(now, self.window)));
        if mem::take(&mut window.counted) {
            for (reason, tenant, bucket) in window.buckets_mut() {
                dropped.extend(bucket.take().map(|it| it.of(reason, tenant)));
            }
        }
        dropped
    }

    /// Adds what a window left, and keeps for later what is too much for now.
    fn tell(&self, mut untold: Vec<Dropped>, ended: Option<Window>) -> Vec<Dropped> {
        untold.extend(counts(ended));
        if untold.len() <= MAX_TOLD {
            return untold;
        }
        let told = untold.split_off(untold.len() - MAX_TOLD);
        self.lock().untold.append(&mut untold);
        told
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock (out of memory) leaves counts that are still counts.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    fn until(ends: Duration) -> Self {
        Self {
            ends,
            unverified: [Bucket::default(); _],
            by_tenant: HashMap::new(),
            overflow: [Bucket::default(); _],
            counted: false,
        }
    }

    /// Starts another window when this one is over. The old one is looked through outside the lock,
    /// and only when there is something in it to tell.
    fn end(&mut self, now: Duration, window: Duration) -> Option<Self> {
        if now < self.ends {
            return None;
        }
        let over = 1 + (now - self.ends).as_nanos() / window.as_nanos().max(1);
        let over = u32::try_from(over).unwrap_or(u32::MAX);
        let unverified = self
            .unverified
            .map(|it| Bucket { recorded: it.recorded.saturating_sub(over), ..Bucket::default() });
        let ends = now.saturating_add(window);
        if self.counted {
            return Some(mem::replace(self, Self { unverified, ..Self::until(ends) }));
        }
        self.ends = ends;
        self.unverified = unverified;
        self.by_tenant.clear();
        self.overflow = [Bucket::default(); _];
        None
    }

    fn bucket(&mut self, reason: Reason, tenant: Option<&TenantId>) -> &mut Bucket {
        let Some(tenant) = tenant else {
            return &mut self.unverified[reason as usize];
        };
        let full = self.by_tenant.len() >= MAX_KEYS;
        match self.by_tenant.entry((reason, *tenant)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(_) if full => &mut self.overflow[reason as usize],
            Entry::Vacant(room) => room.insert(Bucket::default()),
        }
    }

    fn buckets_mut(&mut self) -> impl Iterator<Item = (Reason, Option<TenantId>, &mut Bucket)> {
        let by_tenant = self.by_tenant.iter_mut();
        let by_tenant = by_tenant.map(|((reason, tenant), it)| (*reason, Some(*tenant), it));
        let without = |buckets| {
            Reason::ALL.iter().zip(buckets).map(|(reason, bucket)| (*reason, None, bucket))
        };
        without(&mut self.unverified).chain(by_tenant).chain(without(&mut self.overflow))
    }
}

impl Bucket {
    /// What was dropped and not told yet.
    fn take(&mut self) -> Option<Self> {
        let told = Self { recorded: self.recorded, ..Self::default() };
        Some(mem::replace(self, told)).filter(|it| it.dropped > 0)
    }

    fn of(self, reason: Reason, tenant: Option<TenantId>) -> Dropped {
        let door = match self.door {
            Doors::One(door) => Some(door),
            Doors::None | Doors::Several => None,
        };
        Dropped { reason, door, tenant, count: self.dropped }
    }
}

impl Doors {
    fn and(self, door: Door) -> Self {
        match self {
            Self::None => Self::One(door),
            Self::One(known) if known == door => self,
            Self::One(_) | Self::Several => Self::Several,
        }
    }
}

fn counts(ended: Option<Window>) -> Vec<Dropped> {
    let Some(mut window) = ended else { return Vec::new() };
    window
        .buckets_mut()
        .filter_map(|(reason, tenant, bucket)| Some(bucket.take()?.of(reason, tenant)))
        .collect()
}

#[cfg(test)]
mod tests;
