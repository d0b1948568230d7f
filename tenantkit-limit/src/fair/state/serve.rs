//! Handing out what is next.

use std::{hash::Hash, time::Duration};

use super::{CHORES, LeaseId, Popped, State, nanos};
use crate::fair::{items::ItemState, wheel::Front};

impl<K: Hash + Eq + Clone, T> State<K, T> {
    /// Leases the next item.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Popped<K, T>>
    where
        T: Clone,
    {
        let (front, number) = self.front(now)?;
        let tenant = front.tenant;
        // Foreign code first: it may panic.
        let key = self.tenants.key(tenant)?.clone();
        let item = self.items[number].value.clone()?;
        let (cost, since) = self.serve(&front, number);

        let weight = self.shares.of(self.tenants.slots[tenant].terms).weight;
        self.leases += 1;
        let leased = &mut self.items[number];
        leased.state = ItemState::Leased;
        leased.lease = self.leases;
        leased.weight = weight;
        leased.due = nanos(self.now.saturating_add(self.terms.lease));
        leased.attempts = leased.attempts.saturating_add(1);
        let attempt = leased.attempts;
        self.items.push_back(&mut self.leased, number);
        let slot = &mut self.tenants.slots[tenant];
        slot.in_flight += 1;
        slot.cost_in_flight += u64::from(cost);
        self.in_flight += 1;

        self.stay(tenant);
        self.forget_some(CHORES);
        let waited = self.now.saturating_sub(Duration::from_nanos(since));
        let id = LeaseId { item: number, number: self.leases };
        Some(Popped { id, key, item, cost, attempt, waited })
    }

    /// Gives the next item away.
    pub(crate) fn give(&mut self, now: Duration) -> Option<(K, T)> {
        let (front, number) = self.front(now)?;
        let tenant = front.tenant;
        let key = self.tenants.key(tenant)?.clone();
        self.serve(&front, number);
        let given = &mut self.items[number];
        let (item, key_of_it) = (given.value.take(), given.key);
        self.items.remove(number);
        self.stay(tenant);
        self.next_of_key(tenant, key_of_it);
        self.forget_some(CHORES);
        self.calm();
        Some((key, item?))
    }

    /// The next tenant and its next item, which are there: who is in the wheel has something ready.
    fn front(&mut self, now: Duration) -> Option<(Front, u32)> {
        self.pass(now);
        self.meet(CHORES);
        let front = loop {
            match self.wheel.front() {
                Some(front) => break front,
                // There may be something yet among what is due.
                None if self.is_due() => self.meet(CHORES),
                None => return None,
            }
        };
        Some((front, self.tenants.slots[front.tenant].ready.front()?))
    }

    /// Tells the cache what later pops will need, so that none of them waits for it: of the tenant in four pops its
    /// place and its key, and of the one in two, which is there by now, its next item, and its last, to which a push may
    /// link another.
    #[inline]
    fn look_ahead(&self, front: &Front) {
        let [near, far] = front.after;
        if let Some(far) = far {
            self.tenants.slots.expect(far, |slot| slot);
            self.tenants.slots.expect(far, |slot| &slot.key);
        }
        if let Some(near) = near {
            let ready = self.tenants.slots[near].ready;
            ready
                .front()
                .into_iter()
                .chain(ready.back())
                .for_each(|it| self.items.expect(it, |it| it));
        }
    }

    /// Takes the tenant that is next from the wheel and an item from its ready ones, and charges it.
    fn serve(&mut self, front: &Front, number: u32) -> (u32, u64) {
        self.look_ahead(front);
        self.wheel.pop(front);
        let slot = &mut self.tenants.slots[front.tenant];
        self.items.unlink(&mut slot.ready, number);
        let item = &self.items[number];
        let (cost, since) = (item.cost, item.since);
        self.ages[usize::from(item.class)].remove(since);
        slot.waiting -= 1;
        self.waiting -= 1;
        self.virtual_time = self.virtual_time.max(slot.tag);
        slot.tag += self.shares.rate(slot.terms).charge(cost);
        self.highest = self.highest.max(slot.tag);
        (cost, since)
    }
}
