//! [`State`]: all that a queue knows, behind its lock.

mod due;
mod line;
mod place;
mod serve;
mod shares;

use std::{collections::HashMap, hash::Hash, num::NonZeroU64, time::Duration};

pub(super) use self::shares::Shares;
use self::{due::Timers, line::Line};
use super::{
    Class, LeaseLost, Refused, Work,
    ages::Ages,
    idle::Idle,
    items::{Item, ItemState, Items, Queue},
    pool::Pool,
    tag::{Tag, Width},
    tenants::{Stand, Tenants},
    wheel::Wheel,
};
use crate::rate::Keyed;

pub(super) struct State<K, T> {
    tenants: Tenants<K>,
    items: Items<T>,
    wheel: Wheel,
    idle: Idle,
    /// What waits behind another of its key, by tenant and key. One that is empty says that there is one
    /// of the key which is not behind another.
    behind: HashMap<(u32, NonZeroU64), Queue, Keyed>,
    /// What is in flight, the lease that ends first in front: all leases are of one length.
    leased: Queue,
    timers: Timers,
    shares: Shares<K>,
    ages: Box<[Ages; Class::MAX]>,
    line: Line,
    /// The start tag of what was served last, or the highest so far.
    virtual_time: Tag,
    /// The highest tag that any tenant has had.
    highest: Tag,
    terms: Terms,
    waiting: usize,
    in_flight: usize,
    dead: u64,
    leases: u64,
    /// Since when nothing has waited or been in flight, while that is so.
    calm_since: Duration,
    now: Duration,
    is_closed: bool,
}

/// What holds for all tenants.
#[derive(Debug, Clone, Copy)]
pub(super) struct Terms {
    pub(super) width: Width,
    pub(super) max_waiting: usize,
    pub(super) max_tenants: usize,
    pub(super) lease: Duration,
    pub(super) forgive_after: Duration,
}

/// A lease, by its item's number and its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LeaseId {
    item: u32,
    number: u64,
}

/// What is leased.
pub(super) struct Popped<K, T> {
    pub(super) id: LeaseId,
    pub(super) key: K,
    pub(super) item: T,
    pub(super) cost: u32,
    pub(super) attempt: u32,
    pub(super) waited: Duration,
}

/// How a lease ends.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// It is done, and has cost this.
    Done { cost: Option<u32> },
    /// It never will be.
    Dead,
    /// Again, after a while.
    Later { delay: Duration },
    /// Again, and what was done is charged.
    Again,
    /// Nothing was done of it.
    Undone,
}

/// Which tenant is spoken of.
pub(super) enum Who<'k, K> {
    Key(&'k K, Class),
    Number(u32),
}

// Not derived, which would ask the same of `K`: it is a reference.
impl<K> Copy for Who<'_, K> {}

impl<K> Clone for Who<'_, K> {
    fn clone(&self) -> Self {
        *self
    }
}

/// How often an operation looks at what else there is to do.
const CHORES: usize = 2;

impl<K: Hash + Eq + Clone, T> State<K, T> {
    pub(super) fn new(terms: Terms, shares: Shares<K>) -> Self {
        Self {
            tenants: Tenants::new(),
            items: Pool::new(),
            wheel: Wheel::new(),
            idle: Idle::new(),
            behind: HashMap::with_hasher(Keyed::default()),
            leased: Queue::default(),
            timers: Timers::default(),
            shares,
            ages: Box::default(),
            line: Line::default(),
            virtual_time: Tag::default(),
            highest: Tag::default(),
            terms,
            waiting: 0,
            in_flight: 0,
            dead: 0,
            leases: 0,
            calm_since: Duration::ZERO,
            now: Duration::ZERO,
            is_closed: false,
        }
    }

    /// Takes an item, or says why not and leaves it.
    pub(super) fn push(
        &mut self,
        who: Who<'_, K>,
        work: Work<T>,
        now: Duration,
    ) -> Result<(), (Work<T>, Refused)> {
        let tenant = match self.admit(who) {
            Ok(tenant) => tenant,
            Err(refused) => return Err((work, refused)),
        };
        self.pass(now);
        let Work { item, cost, key } = work;
        let since = nanos(self.now);
        let slot = &mut self.tenants.slots[tenant];
        slot.waiting += 1;
        self.waiting += 1;
        self.ages[usize::from(slot.class)].insert(since);
        let (number, there) = self.items.claim();
        there.value = Some(item);
        there.key = key;
        there.since = since;
        there.cost = cost.get();
        there.tenant = tenant;
        there.attempts = 0;
        there.class = slot.class;
        there.state = ItemState::Ready;
        if key.is_none() {
            slot.ready.push_back(&mut self.items, number);
            // One more changes nothing for a tenant whose turn will come.
            if let Stand::Wheel(_) = slot.stand {
                return Ok(());
            }
            self.place(tenant);
        } else {
            self.line_up(number);
        }
        self.forget_some(CHORES);
        Ok(())
    }

    /// Ends a lease. Answers with the item, if it is out of the queue now.
    pub(super) fn end(
        &mut self,
        id: LeaseId,
        end: End,
        now: Duration,
    ) -> Result<Option<T>, LeaseLost> {
        self.pass(now);
        let number = self.held(id)?;
        let Item { tenant, cost, weight, key, since, class, .. } = self.items[number];
        self.items.unlink(&mut self.leased, number);
        let slot = &mut self.tenants.slots[tenant];
        slot.in_flight -= 1;
        slot.cost_in_flight -= u64::from(cost);
        self.in_flight -= 1;
        match end {
            End::Done { cost: Some(actual) } => self.correct(tenant, weight, cost, actual),
            End::Undone => self.correct(tenant, weight, cost, 0),
            _ => {}
        }
        let gone = match end {
            End::Done { .. } | End::Dead => {
                self.dead += u64::from(matches!(end, End::Dead));
                let item = self.items[number].value.take();
                self.items.remove(number);
                self.next_of_key(tenant, key);
                item
            }
            End::Later { delay } => {
                self.wait_again(tenant);
                self.delay(number, delay);
                None
            }
            End::Again | End::Undone => {
                let is_undone = matches!(end, End::Undone);
                self.items[number].attempts -= u32::from(is_undone);
                self.wait_again(tenant);
                self.ages[usize::from(class)].insert(since);
                self.items[number].state = ItemState::Ready;
                self.tenants.slots[tenant].ready.push_front(&mut self.items, number);
                None
            }
        };
        self.place(tenant);
        self.calm();
        Ok(gone)
    }

    /// Makes a lease last as long again as a new one.
    pub(super) fn renew(&mut self, id: LeaseId, now: Duration) -> Result<(), LeaseLost> {
        self.pass(now);
        let number = self.held(id)?;
        self.items.unlink(&mut self.leased, number);
        self.items.push_back(&mut self.leased, number);
        self.items[number].due = nanos(self.now.saturating_add(self.terms.lease));
        Ok(())
    }

    /// Takes out what waits and is chosen.
    pub(super) fn take(&mut self, mut is_chosen: impl FnMut(&K, &T) -> bool) -> Vec<(K, T)> {
        // Foreign code first: if it panics, nothing was taken.
        let chosen = self.items.numbers().filter_map(|number| {
            let Item { value, state, tenant, .. } = self.items.get(number)?;
            let (key, value) = (self.tenants.key(*tenant)?, value.as_ref()?);
            let is_it = *state != ItemState::Leased && is_chosen(key, value);
            is_it.then(|| (number, key.clone()))
        });
        let chosen: Vec<_> = chosen.collect();
        let taken =
            chosen.into_iter().filter_map(|(number, key)| Some((key, self.remove(number)?)));
        let taken = taken.collect();
        self.forget_delays();
        self.calm();
        taken
    }

    pub(super) fn close(&mut self) {
        self.is_closed = true;
    }

    /// Closed, and nothing is left.
    pub(super) const fn is_over(&self) -> bool {
        self.is_closed && self.waiting == 0 && self.in_flight == 0
    }

    pub(super) const fn counts(&self) -> (usize, usize, u64) {
        (self.waiting, self.in_flight, self.dead)
    }

    pub(super) fn tenants(&self) -> usize {
        self.tenants.len()
    }

    pub(super) fn longest_wait(&self, class: Class, now: Duration) -> Option<Duration> {
        self.ages[class.number()].longest(now.max(self.now))
    }

    /// The tenant that something is pushed for, if that may be.
    fn admit(&mut self, who: Who<'_, K>) -> Result<u32, Refused> {
        if self.is_closed {
            return Err(Refused::Closed);
        }
        if self.waiting >= self.terms.max_waiting {
            return Err(Refused::QueueFull);
        }
        let tenant = match who {
            Who::Key(key, class) => self.enrol(key, class)?,
            Who::Number(tenant) => tenant,
        };
        let slot = &self.tenants.slots[tenant];
        if slot.waiting >= self.shares.of(slot.terms).share.max_waiting {
            self.place(tenant);
            return Err(Refused::TenantFull);
        }
        Ok(tenant)
    }

    /// Puts a new item, or one whose delay is over, among the tenant's ready ones, or behind its key.
    fn line_up(&mut self, number: u32) {
        let Item { tenant, key, .. } = self.items[number];
        if let Some(key) = key {
            if let Some(behind) = self.behind.get_mut(&(tenant, key)) {
                self.items[number].state = ItemState::Behind;
                self.items.push_back(behind, number);
                return;
            }
            self.behind.insert((tenant, key), Queue::default());
        }
        self.ready(number);
    }

    /// Whatever is before it of its key is done.
    fn ready(&mut self, number: u32) {
        let item = &mut self.items[number];
        item.state = ItemState::Ready;
        let tenant = item.tenant;
        self.tenants.slots[tenant].ready.push_back(&mut self.items, number);
        self.place(tenant);
    }

    /// One of a key is out of the queue: the next may go.
    fn next_of_key(&mut self, tenant: u32, key: Option<NonZeroU64>) {
        let Some(key) = key else { return };
        let Some(behind) = self.behind.get_mut(&(tenant, key)) else { return };
        let Some(next) = behind.front() else {
            self.behind.remove(&(tenant, key));
            if self.behind.len() < self.behind.capacity() / 8 {
                self.behind.shrink_to(self.behind.len() * 2);
            }
            return;
        };
        self.items.unlink(behind, next);
        self.ready(next);
    }

    fn wait_again(&mut self, tenant: u32) {
        self.tenants.slots[tenant].waiting += 1;
        self.waiting += 1;
    }

    /// Takes out an item that is not in flight.
    fn remove(&mut self, number: u32) -> Option<T> {
        let Item { tenant, key, since, class, state, .. } = self.items[number];
        match state {
            ItemState::Ready => {
                self.tenants.slots[tenant].ready.remove(&mut self.items, number);
            }
            ItemState::Behind => {
                let behind = self.behind.get_mut(&(tenant, key?))?;
                self.items.unlink(behind, number);
            }
            // Its timer finds nothing.
            ItemState::Delayed => {}
            ItemState::None | ItemState::Leased => return None,
        }
        if state != ItemState::Delayed {
            self.ages[usize::from(class)].remove(since);
        }
        let item = self.items[number].value.take();
        self.items.remove(number);
        self.tenants.slots[tenant].waiting -= 1;
        self.waiting -= 1;
        if state != ItemState::Behind {
            self.next_of_key(tenant, key);
        }
        self.place(tenant);
        item
    }

    /// The item of a lease that is not over.
    fn held(&self, id: LeaseId) -> Result<u32, LeaseLost> {
        let item = self.items.get(id.item).ok_or(LeaseLost)?;
        let is_held = item.state == ItemState::Leased && item.lease == id.number;
        is_held.then_some(id.item).ok_or(LeaseLost)
    }

    /// A clock that goes back is one that stands.
    fn pass(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    fn calm(&mut self) {
        if self.waiting == 0 && self.in_flight == 0 {
            self.calm_since = self.now;
        }
    }
}

pub(super) fn nanos(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(time.subsec_nanos()))
}
