//! Where a tenant is listed, and with which tag: the algorithm itself.

use std::hash::Hash;

use super::State;
use crate::fair::{
    Share, Weight,
    items::Items,
    tag::Rate,
    tenants::{Stand, Tenant},
};

impl<K: Hash + Eq + Clone, T> State<K, T> {
    /// Lists a tenant where it belongs by now. One that comes (or comes back, after it had nothing, or as
    /// much in flight as it may have) starts at the virtual time, or at its own tag if that is later.
    pub(super) fn place(&mut self, number: u32) {
        let slot = &self.tenants.slots[number];
        let is_eligible = is_eligible(slot, &self.shares.of(slot.terms).share, &self.items);
        match (slot.stand, is_eligible) {
            (Stand::Wheel(_), true) => {}
            (_, true) => {
                self.leave(number);
                let slot = &mut self.tenants.slots[number];
                slot.tag = slot.tag.max(self.virtual_time);
                self.enter(number);
            }
            (_, false) => self.rest(number),
        }
    }

    /// What a tenant was charged, at the weight that it had, is not what it has cost. At that weight it is corrected:
    /// at a lesser one, more would be given back than was taken.
    pub(super) fn correct(&mut self, number: u32, weight: Weight, charged: u32, actual: u32) {
        if charged == actual {
            return;
        }
        let slot = &self.tenants.slots[number];
        let difference = Rate::of(weight).charge(charged.abs_diff(actual));
        let tag = if actual > charged {
            slot.tag.later(difference)
        } else {
            slot.tag.earlier(difference)
        };
        self.highest = self.highest.max(tag);
        if let Stand::Wheel(_) = slot.stand {
            self.leave(number);
            self.tenants.slots[number].tag = tag;
            self.enter(number);
        } else {
            self.tenants.slots[number].tag = tag;
        }
    }

    /// Remembers a tenant for as long as it is not unpinned as often.
    pub(crate) fn pin_again(&mut self, number: u32) {
        self.tenants.slots[number].pins += 1;
        self.place(number);
    }

    pub(crate) fn unpin(&mut self, number: u32) {
        self.tenants.slots[number].pins -= 1;
        self.place(number);
    }

    /// Forgets some of those that have nothing, now that the virtual time has passed their tags.
    #[inline]
    pub(super) fn forget_some(&mut self, most: usize) {
        if self.idle.len() > 0 {
            self.forget_idle(most);
        }
    }

    fn forget_idle(&mut self, most: usize) {
        for _ in 0..most {
            let Some(number) = self.idle.pop_before(self.wheel.now()) else { return };
            self.tenants.slots[number].stand = Stand::Apart;
            self.place(number);
        }
    }

    fn enter(&mut self, number: u32) {
        let slot = &mut self.tenants.slots[number];
        let spot = self.wheel.insert(slot.tag.bucket(self.terms.width), number);
        slot.stand = Stand::Wheel(spot);
    }

    /// Has nothing that could be handed out. It is remembered while it has anything else, and until the
    /// virtual time has passed its tag.
    pub(super) fn rest(&mut self, number: u32) {
        let Tenant { waiting, in_flight, pins, tag, stand, .. } = &self.tenants.slots[number];
        let has_nothing = *waiting == 0 && *in_flight == 0 && *pins == 0;
        if has_nothing && *tag > self.virtual_time {
            if let Stand::Idle(_) = stand {
                return;
            }
            let bucket = tag.bucket(self.terms.width);
            self.leave(number);
            self.tenants.slots[number].stand =
                Stand::Idle(self.idle.insert(self.wheel.now(), bucket, number));
            return;
        }
        self.leave(number);
        if has_nothing {
            self.tenants.remove(number);
        }
    }

    /// Strikes a tenant off its list, which may move another in it.
    fn leave(&mut self, number: u32) {
        let slot = &mut self.tenants.slots[number];
        let stand = std::mem::take(&mut slot.stand);
        match stand {
            Stand::Apart => {}
            Stand::Wheel(spot) => {
                let bucket = slot.tag.bucket(self.terms.width);
                if let Some(moved) = self.wheel.remove(bucket, spot)
                    && let Stand::Wheel(other) = &mut self.tenants.slots[moved].stand
                {
                    other.place = spot.place;
                }
            }
            Stand::Idle(spot) => {
                if let Some(moved) = self.idle.remove(spot)
                    && let Stand::Idle(other) = &mut self.tenants.slots[moved].stand
                {
                    other.place = spot.place;
                }
            }
        }
    }
}

/// Whether a tenant has something that may be handed out.
#[inline]
pub(super) fn is_eligible<K, T>(slot: &Tenant<K>, share: &Share, items: &Items<T>) -> bool {
    let Some(next) = slot.ready.front() else { return false };
    if slot.is_held {
        return false;
    }
    if slot.in_flight == 0 {
        return share.max_in_flight > 0;
    }
    let fits = || {
        let cost = slot.cost_in_flight.saturating_add(u64::from(items[next].cost));
        cost <= share.max_cost_in_flight
    };
    slot.in_flight < share.max_in_flight && (share.max_cost_in_flight == u64::MAX || fits())
}
