//! [`Waiting`]: who waits, in which order.
//!
//! Within a tenant and resource the first that came is first. Among tenants it goes round: one permit
//! each, first the tenants that are below their guarantee. A tenant that could not use a permit that
//! is left in common, because it has all it may have, stands in no ring and delays nobody.

use std::{collections::VecDeque, task::Waker};

use super::{
    cap::{Cap, Resource},
    sharing::{Sharing, Standing},
    slab::{Link, Linked, List, Slab},
    table::{Place, Table},
    word::{Blocked, Word},
};

#[derive(Debug)]
pub(super) struct Waiting {
    tenants: Slab<TenantQueue>,
    waiters: Slab<Waiter>,
    /// Tenants to whom it would matter that a permit is left, below their guarantee and above.
    below: List,
    above: List,
    bounds: Bounds,
}

/// How many may wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) per_tenant: usize,
    pub(super) in_all: usize,
}

#[derive(Debug)]
struct TenantQueue {
    place: Place,
    /// One for each resource that is waited for; the next to be served is first.
    lanes: Vec<Lane>,
    ring: Option<Standing>,
    link: Link,
}

#[derive(Debug)]
struct Lane {
    /// As the last who came to wait was told it.
    cap: Cap,
    order: List,
}

#[derive(Debug)]
struct Waiter {
    tenant: u32,
    place: Place,
    resource: Resource,
    state: State,
    link: Link,
}

#[derive(Debug)]
enum State {
    Waits(Waker),
    /// The permit is taken in its name.
    Granted,
}

impl Linked for TenantQueue {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

impl Linked for Waiter {
    fn link(&mut self) -> &mut Link {
        &mut self.link
    }
}

/// What the waiters' order works on.
#[derive(Debug)]
pub(super) struct Common<'c, K> {
    pub(super) table: &'c Table<K>,
    pub(super) word: &'c Word,
    pub(super) sharing: Sharing,
}

impl<K> Common<'_, K> {
    /// Takes a permit by `take`, which is refused only when none is spare either. It is called under the
    /// lock of those who wait.
    pub(super) fn take_for_certain<T>(
        &self,
        take: impl Fn() -> Result<T, Blocked>,
    ) -> Result<T, Blocked> {
        loop {
            match take() {
                Err(Blocked::Common(_, seen)) if seen.has_spares() => {
                    _ = self.table.recall(self.word);
                }
                result => return result,
            }
        }
    }

    fn take_at(&self, place: Place, cap: Cap) -> Result<(), Blocked> {
        self.take_for_certain(|| self.table.take_at(place, cap, self.word, self.sharing))
    }
}

/// How a newcomer would stand in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Line {
    /// How many of its tenant wait for the same resource.
    pub(crate) own: u32,
    /// How many are served before it, at most, of all tenants and resources.
    pub(crate) ahead: u32,
}

/// What becomes of a waiter that gives up.
#[derive(Debug)]
pub(super) enum GaveUp {
    /// It had its permit already, at this place, to be given back.
    Granted(Place, Resource),
    /// It waited; its waker is to be dropped outside the lock.
    Waiting(#[expect(dead_code, reason = "only dropped")] Waker),
}

/// Whom to wake, in this order, when it is dropped.
#[derive(Debug, Default)]
#[must_use = "to be dropped outside the lock"]
pub(super) struct Wakers(VecDeque<Waker>);

impl Drop for Wakers {
    fn drop(&mut self) {
        struct Rest<'w>(&'w mut VecDeque<Waker>);
        impl Drop for Rest<'_> {
            // Reached with wakers left only when waking one of them panicked.
            fn drop(&mut self) {
                self.0.drain(..).for_each(Waker::wake);
            }
        }
        let rest = Rest(&mut self.0);
        while let Some(waker) = rest.0.pop_front() {
            waker.wake();
        }
    }
}

impl Waiting {
    pub(super) const fn new(bounds: Bounds) -> Self {
        let (below, above) = (List::new(), List::new());
        Self { tenants: Slab::new(), waiters: Slab::new(), below, above, bounds }
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// How a newcomer of the tenant at `queue`, or of one that does not wait, would stand.
    pub(super) fn line(&self, queue: Option<u32>, resource: Resource) -> Line {
        let tenant = queue.map(|queue| &self.tenants[queue]);
        let is_it = |lane: &&Lane| lane.cap.resource() == resource;
        let lane = tenant.and_then(|tenant| tenant.lanes.iter().find(is_it));
        let own = tenant.map_or(0, TenantQueue::waiters);
        // The others have a turn each before each of the tenant's own, and before this one.
        let others = self.tenants.len() - usize::from(tenant.is_some());
        let ahead = own.saturating_add(others.saturating_mul(own + 1)).min(self.waiters.len());
        Line {
            own: lane.map_or(0, |lane| lane.order.len()),
            ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
        }
    }

    /// Puts a new waiter behind those of its tenant. It hands the waker back when too many wait.
    pub(super) fn enqueue<K: Eq + std::hash::Hash + Clone>(
        &mut self,
        common: &Common<'_, K>,
        key: &K,
        cap: Cap,
        waker: Waker,
    ) -> Result<u32, Waker> {
        if self.waiters.len() >= self.bounds.in_all || self.bounds.per_tenant == 0 {
            return Err(waker);
        }
        let mut at = None;
        let tenants = &mut self.tenants;
        let most = self.bounds.per_tenant;
        let tenant = common.table.waits(key, cap.resource(), |place, queue| {
            at = Some(place);
            match queue {
                Some(queue) if tenants[queue].waiters() >= most => None,
                Some(queue) => Some(queue),
                None => Some(tenants.insert(TenantQueue::new(place))),
            }
        });
        // A tenant may wait already and have all the waiters it may have: then it stays where it is.
        let (Some(tenant), Some(place)) = (tenant, at) else { return Err(waker) };
        let waiter = self.waiters.insert(Waiter {
            tenant,
            place,
            resource: cap.resource(),
            state: State::Waits(waker),
            link: Link::default(),
        });
        let queue = &mut self.tenants[tenant];
        let lane = queue.lane(cap);
        queue.lanes[lane].order.push(&mut self.waiters, waiter);
        self.enter_ring(common, tenant);
        Ok(waiter)
    }

    /// Looks whether the waiter has its permit, and takes it away if so. The waker that comes back is
    /// to be dropped outside the lock.
    pub(super) fn poll(&mut self, waiter: u32, waker: Waker) -> (Option<Place>, Waker) {
        match &mut self.waiters[waiter].state {
            State::Waits(old) => (None, std::mem::replace(old, waker)),
            State::Granted => (self.waiters.remove(waiter).map(|waiter| waiter.place), waker),
        }
    }

    /// Takes away a waiter that gives up. Where it had its permit already, the place and resource of
    /// that are told, to be given back; where not, its waker, to be dropped outside the lock.
    pub(super) fn give_up<K>(&mut self, common: &Common<'_, K>, waiter: u32) -> GaveUp {
        let &Waiter { tenant, place, resource, .. } = &self.waiters[waiter];
        if matches!(self.waiters[waiter].state, State::Waits(_)) {
            self.unlink(common, tenant, resource, waiter);
        }
        match self.waiters.remove(waiter).map(|waiter| waiter.state) {
            Some(State::Waits(waker)) => GaveUp::Waiting(waker),
            _ => GaveUp::Granted(place, resource),
        }
    }

    /// Notes that a tenant may have use for a permit again.
    pub(super) fn stir<K>(&mut self, common: &Common<'_, K>, tenant: u32) {
        // The tenant may have left since, and another stand there: then that one is looked at once
        // for nothing.
        if self.tenants.get_mut(tenant).is_some() {
            self.enter_ring(common, tenant);
        }
    }

    /// Notes that all tenants may have use for a permit again, because the limit has changed.
    pub(super) fn stir_all<K>(&mut self, common: &Common<'_, K>) {
        for tenant in self.tenants.keys() {
            self.enter_ring(common, tenant);
        }
    }

    /// Gives out what can be given, in turn, and returns whom to wake, outside the lock.
    pub(super) fn settle<K>(&mut self, common: &Common<'_, K>) -> Wakers {
        let mut wakers = Wakers::default();
        loop {
            let (tenant, ring) = match (self.below.first(), self.above.first()) {
                (Some(tenant), _) => (tenant, Standing::Below),
                (None, Some(tenant)) => (tenant, Standing::Above),
                (None, None) => return wakers,
            };
            match self.serve(common, tenant) {
                Ok(waiter) => {
                    let granted =
                        std::mem::replace(&mut self.waiters[waiter].state, State::Granted);
                    if let State::Waits(waker) = granted {
                        wakers.0.push_back(waker);
                    }
                    let resource = self.waiters[waiter].resource;
                    // The next of the tenant comes when all others had their turn.
                    self.leave_ring(common.word, tenant);
                    self.enter_ring(common, tenant);
                    self.unlink(common, tenant, resource, waiter);
                }
                Err(Blocked::Own) => self.leave_ring(common.word, tenant),
                Err(Blocked::Common(standing, _)) if standing == ring => return wakers,
                Err(Blocked::Common(standing, _)) => {
                    self.leave_ring(common.word, tenant);
                    self.enter(common.word, tenant, standing);
                }
            }
        }
    }

    /// Takes a permit for the tenant's next waiter.
    fn serve<K>(&mut self, common: &Common<'_, K>, tenant: u32) -> Result<u32, Blocked> {
        let queue = &mut self.tenants[tenant];
        for at in 0..queue.lanes.len() {
            let Some(waiter) = queue.lanes[at].order.first() else { continue };
            let cap = queue.lanes[at].cap;
            match common.take_at(queue.place, cap) {
                Ok(()) => {
                    // So that the tenant's resources take turns too.
                    queue.lanes[..].rotate_left(at + 1);
                    return Ok(waiter);
                }
                Err(Blocked::Own) => {}
                Err(blocked) => return Err(blocked),
            }
        }
        Err(Blocked::Own)
    }

    /// Takes a waiter out of its lane, and the lane and the tenant with the last.
    fn unlink<K>(&mut self, common: &Common<'_, K>, tenant: u32, resource: Resource, waiter: u32) {
        let queue = &mut self.tenants[tenant];
        let place = queue.place;
        let is_it = |lane: &Lane| lane.cap.resource() == resource;
        if let Some(at) = queue.lanes.iter().position(is_it) {
            queue.lanes[at].order.unlink(&mut self.waiters, waiter);
            if queue.lanes[at].order.is_empty() {
                queue.lanes.remove(at);
                common.table.waits_no_more(place, resource);
            }
        }
        if self.tenants[tenant].lanes.is_empty() {
            self.leave_ring(common.word, tenant);
            self.tenants.remove(tenant);
            common.table.leaves_queue(place);
        }
    }

    /// Puts the tenant last in the ring where it belongs, unless it is in that.
    fn enter_ring<K>(&mut self, common: &Common<'_, K>, tenant: u32) {
        let queue = &self.tenants[tenant];
        let standing = common.sharing.standing(common.table.held_at(queue.place));
        if queue.ring != Some(standing) {
            self.leave_ring(common.word, tenant);
            self.enter(common.word, tenant, standing);
        }
    }

    fn enter(&mut self, word: &Word, tenant: u32, standing: Standing) {
        let ring = match standing {
            Standing::Below => &mut self.below,
            Standing::Above => &mut self.above,
        };
        let first = ring.is_empty();
        ring.push(&mut self.tenants, tenant);
        self.tenants[tenant].ring = Some(standing);
        if first {
            word.set_waiting(standing, true);
        }
    }

    fn leave_ring(&mut self, word: &Word, tenant: u32) {
        let Some(standing) = self.tenants[tenant].ring.take() else { return };
        let ring = match standing {
            Standing::Below => &mut self.below,
            Standing::Above => &mut self.above,
        };
        ring.unlink(&mut self.tenants, tenant);
        if ring.is_empty() {
            word.set_waiting(standing, false);
        }
    }
}

impl TenantQueue {
    const fn new(place: Place) -> Self {
        Self { place, lanes: Vec::new(), ring: None, link: Link::NONE }
    }

    fn waiters(&self) -> usize {
        self.lanes.iter().map(|lane| lane.order.len() as usize).sum()
    }

    /// Where the lane of the cap's resource is, which has that cap from now on.
    fn lane(&mut self, cap: Cap) -> usize {
        let is_it = |lane: &Lane| lane.cap.resource() == cap.resource();
        if let Some(at) = self.lanes.iter().position(is_it) {
            self.lanes[at].cap = cap;
            return at;
        }
        self.lanes.push(Lane { cap, order: List::new() });
        self.lanes.len() - 1
    }
}
