//! Handing out what is next.

use std::{hash::Hash, time::Duration};

use super::{CHORES, LeaseId, Popped, State, nanos, place::is_eligible, shares::Part};
use crate::fair::{
    items::{Item, ItemState},
    tag::Tag,
    tenants::{Stand, Tenant},
    wheel::Front,
};

/// So many tenants are all in the cache, and need not be expected.
const NEAR: usize = 4_096;

impl<K: Hash + Eq + Clone, T> State<K, T> {
    /// Leases the next item.
    pub(crate) fn pop(&mut self, now: Duration) -> Option<Popped<K, T>>
    where
        T: Clone,
    {
        let front = self.front(now)?;
        let slot = &mut self.tenants.slots[front.tenant];
        let number = slot.ready.front()?;
        let item = &mut self.items[number];
        // Foreign code first: it may panic.
        let (key, value) = (slot.key.clone()?, item.value.clone()?);

        let part = self.shares.of(slot.terms);
        let start = charge(slot, item.cost, part);
        self.leases += 1;
        item.state = ItemState::Leased;
        item.lease = self.leases;
        item.weight = part.share.weight;
        item.due = nanos(self.now.saturating_add(self.terms.lease));
        item.attempts = item.attempts.saturating_add(1);
        let Item { cost, attempts: attempt, since, class, .. } = *item;
        slot.ready.pop(&self.items);
        self.items.push_back(&mut self.leased, number);
        slot.in_flight += 1;
        slot.cost_in_flight += u64::from(cost);
        self.in_flight += 1;

        self.go_on(&front, start, (class, since));
        let waited = self.now.saturating_sub(Duration::from_nanos(since));
        let id = LeaseId { item: number, number: self.leases };
        Some(Popped { id, key, item: value, cost, attempt, waited })
    }

    /// Gives the next item away.
    pub(crate) fn give(&mut self, now: Duration) -> Option<(K, T)> {
        let front = self.front(now)?;
        let slot = &mut self.tenants.slots[front.tenant];
        let number = slot.ready.front()?;
        let item = &mut self.items[number];
        let key = slot.key.clone()?;

        let start = charge(slot, item.cost, self.shares.of(slot.terms));
        let value = item.value.take();
        let Item { key: key_of_it, since, class, .. } = *item;
        slot.ready.pop(&self.items);
        self.items.remove(number);
        self.go_on(&front, start, (class, since));
        if key_of_it.is_some() {
            self.next_of_key(front.tenant, key_of_it);
        }
        self.calm();
        Some((key, value?))
    }

    /// Who is next, which has something ready as all in the wheel have.
    #[inline]
    fn front(&mut self, now: Duration) -> Option<Front> {
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
        if self.tenants.slots.len() > NEAR {
            self.look_ahead(&front);
        }
        Some(front)
    }

    /// Tells the cache what later pops will need, so that none of them waits for it: of the tenant in four pops its
    /// place and its key, and of the one in two, which is there by now, its next item, and that which comes into the
    /// place of another then.
    fn look_ahead(&self, front: &Front) {
        let [near, far] = self.wheel.after(front);
        if let Some(far) = far {
            self.tenants.slots.expect(far, |slot| slot);
            self.tenants.slots.expect(far, |slot| &slot.key);
        }
        if let Some(near) = near {
            let ready = &self.tenants.slots[near].ready;
            ready
                .front()
                .into_iter()
                .chain(ready.linked())
                .for_each(|it| self.items.expect(it, |it| it));
        }
    }

    /// Lists the tenant that was next anew, after it was charged. It goes on from its own tag, also where a refund has
    /// left that behind the virtual time.
    #[inline]
    fn go_on(&mut self, front: &Front, start: Tag, (class, since): (u8, u64)) {
        self.ages[usize::from(class)].remove(since);
        self.waiting -= 1;
        self.wheel.pop(front);
        let slot = &mut self.tenants.slots[front.tenant];
        self.virtual_time = self.virtual_time.max(start);
        self.highest = self.highest.max(slot.tag);
        if is_eligible(slot, &self.shares.of(slot.terms).share, &self.items) {
            let spot = self.wheel.insert(slot.tag.bucket(self.terms.width), front.tenant);
            slot.stand = Stand::Wheel(spot);
        } else {
            slot.stand = Stand::Apart;
            self.rest(front.tenant);
        }
        self.forget_some(CHORES);
    }
}

/// Charges a tenant for its next item. Answers with its start tag.
#[inline]
fn charge<K>(slot: &mut Tenant<K>, cost: u32, part: &Part) -> Tag {
    slot.waiting -= 1;
    let start = slot.tag;
    slot.tag += part.rate.charge(cost);
    start
}
