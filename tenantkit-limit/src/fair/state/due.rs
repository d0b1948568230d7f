//! What comes with time: leases that end, delays that are over, debts that are forgiven.

use std::{cmp::Reverse, collections::BinaryHeap, hash::Hash, time::Duration};

use super::{End, LeaseId, State, nanos};
use crate::fair::{
    items::{Item, ItemState},
    tag::Tag,
};

/// What is to be done when, the earliest first.
#[derive(Default)]
pub(super) struct Timers(BinaryHeap<Reverse<(Duration, Timer)>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    Item(u32),
    Tenant(u32),
}

/// How much is done at a time, before others may have the lock.
const AT_ONCE: usize = 64;

impl<K: Hash + Eq + Clone, T> State<K, T> {
    /// Does what is due, but not all of it at once. Answers how long it is until there is more.
    pub(crate) fn tick(&mut self, now: Duration) -> Option<Duration> {
        self.pass(now);
        self.meet(AT_ONCE);
        if self.is_forgiven() {
            let bucket = self.highest.bucket(self.terms.width) + 1;
            self.wheel.advance(bucket);
            self.virtual_time = self.virtual_time.max(Tag::start_of(bucket, self.terms.width));
            self.forget_some(AT_ONCE);
        }
        self.next_due().map(|due| due.saturating_sub(self.now))
    }

    pub(crate) fn is_due_before(&self, time: Duration) -> bool {
        self.next_due().is_some_and(|due| due < time)
    }

    /// Whether there is a lease or a delay that has ended.
    pub(super) fn is_due(&self) -> bool {
        self.next_end().is_some_and(|due| due <= self.now)
    }

    /// When there is something to do next.
    fn next_due(&self) -> Option<Duration> {
        let is_calm = self.waiting == 0 && self.in_flight == 0 && self.idle.len() > 0;
        let calm = is_calm.then(|| self.calm_since.saturating_add(self.terms.forgive_after));
        [self.next_end(), calm].into_iter().flatten().min()
    }

    /// When the next lease or delay ends.
    fn next_end(&self) -> Option<Duration> {
        let lease = self.leased.front().map(|it| Duration::from_nanos(self.items[it].due));
        let timer = self.timers.0.peek().map(|Reverse((due, _))| *due);
        [lease, timer].into_iter().flatten().min()
    }

    /// Ends leases and delays whose time has come.
    #[inline]
    pub(super) fn meet(&mut self, most: usize) {
        if self.leased.front().is_some() || !self.timers.0.is_empty() {
            self.meet_some(most);
        }
    }

    fn meet_some(&mut self, most: usize) {
        for _ in 0..most {
            let Some(number) = self.leased.front() else { break };
            let Item { due, lease, .. } = self.items[number];
            if due > nanos(self.now) {
                break;
            }
            let id = LeaseId { item: number, number: lease };
            // It is in flight, so that it can be ended.
            _ = self.end(id, End::Again, self.now);
        }
        for _ in 0..most {
            match self.timers.0.peek() {
                Some(Reverse((due, _))) if *due <= self.now => {}
                _ => break,
            }
            let Some(Reverse((due, timer))) = self.timers.0.pop() else { break };
            match timer {
                Timer::Item(number) => self.end_delay(number, due),
                Timer::Tenant(number) => self.end_hold(number),
            }
        }
        if self.timers.0.len() < self.timers.0.capacity() / 8 {
            self.timers.0.shrink_to(self.timers.0.len() * 2);
        }
    }

    /// Lets an item wait that is in no list.
    pub(super) fn delay(&mut self, number: u32, delay: Duration) {
        let due = self.now.saturating_add(delay);
        let item = &mut self.items[number];
        item.state = ItemState::Delayed;
        item.due = nanos(due);
        self.timers.0.push(Reverse((due, Timer::Item(number))));
    }

    /// Strikes off the timers of items that were taken out: nobody is woken for them, and a long delay of what is gone
    /// costs no memory.
    pub(super) fn forget_delays(&mut self) {
        let Self { timers, items, .. } = self;
        timers.0.retain(|Reverse((due, timer))| match timer {
            Timer::Item(number) => items.get(*number).is_some_and(|item| item.is_delayed(*due)),
            Timer::Tenant(_) => true,
        });
    }

    /// Hands out nothing of a tenant for a while. Said again, the later end holds.
    pub(crate) fn hold(&mut self, key: &K, delay: Duration, now: Duration) {
        self.pass(now);
        let Some(number) = self.tenants.find(key) else { return };
        let until = self.now.saturating_add(delay);
        let slot = &mut self.tenants.slots[number];
        if until <= slot.held_until {
            return;
        }
        slot.held_until = until;
        if !slot.is_held {
            slot.is_held = true;
            slot.pins += 1;
            self.timers.0.push(Reverse((until, Timer::Tenant(number))));
        }
        self.place(number);
    }

    fn end_delay(&mut self, number: u32, due: Duration) {
        if !self.items.get(number).is_some_and(|item| item.is_delayed(due)) {
            return;
        }
        let item = &mut self.items[number];
        // It did not wait for others meanwhile.
        item.since = nanos(due);
        let (since, class) = (item.since, item.class);
        self.ages[usize::from(class)].insert(since);
        // What was behind it of its key still is.
        self.ready(number);
    }

    fn end_hold(&mut self, number: u32) {
        let until = self.tenants.slots[number].held_until;
        if until > self.now {
            self.timers.0.push(Reverse((until, Timer::Tenant(number))));
            return;
        }
        let slot = &mut self.tenants.slots[number];
        slot.is_held = false;
        slot.pins -= 1;
        self.place(number);
    }

    /// Nothing has waited or been in flight for so long that no debt is worth remembering.
    fn is_forgiven(&self) -> bool {
        let is_calm = self.waiting == 0 && self.in_flight == 0 && self.idle.len() > 0;
        is_calm && self.now >= self.calm_since.saturating_add(self.terms.forgive_after)
    }
}
