//! [`Shares`]: who gets how much, while it changes.

use std::{collections::HashMap, hash::Hash};

use super::State;
use crate::{
    fair::{Class, Refused, Share, TooManyShares, tag::Rate},
    rate::Keyed,
};

/// A share, and what a cost of one charges who has it.
pub(super) struct Part {
    pub(super) rate: Rate,
    pub(super) share: Share,
}

impl Part {
    const fn of(share: Share) -> Self {
        Self { rate: Rate::of(share.weight), share }
    }
}

/// Shares by number: those of the classes first, then those of tenants that have their own.
pub(crate) struct Shares<K> {
    all: Vec<Part>,
    own: HashMap<K, u32, Keyed>,
    free: Vec<u32>,
}

impl<K> Shares<K> {
    pub(crate) fn new(classes: &[Share; Class::MAX]) -> Self {
        Self {
            all: classes.iter().map(|share| Part::of(*share)).collect(),
            own: HashMap::with_hasher(Keyed::default()),
            free: Vec::new(),
        }
    }

    #[inline]
    pub(super) fn of(&self, number: u32) -> &Part {
        &self.all[number as usize]
    }

    fn set(&mut self, number: u32, share: Share) {
        self.all[number as usize] = Part::of(share);
    }

    fn add(&mut self, share: Share) -> u32 {
        let number = self.free.pop().unwrap_or_else(|| {
            self.all.push(Part::of(share));
            // As many as tenants at most, whose numbers fit.
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        });
        self.set(number, share);
        number
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a class has a number below 17")]
impl<K: Hash + Eq + Clone, T> State<K, T> {
    /// The tenant's number, which has this class from now on.
    pub(crate) fn enrol(&mut self, key: &K, class: Class) -> Result<u32, Refused> {
        let found = self.tenants.find_or_insert(key, self.terms.max_tenants);
        let number = found.ok_or(Refused::TooManyTenants)?;
        let slot = &mut self.tenants.slots[number];
        let class = class.number() as u8;
        let is_new = slot.waiting == 0 && slot.in_flight == 0;
        if !is_new && slot.class == class {
            return Ok(number);
        }
        slot.class = class;
        let own = if self.shares.own.is_empty() { None } else { self.shares.own.get(key) };
        slot.terms = own.copied().unwrap_or_else(|| u32::from(class));
        if !is_new {
            // It may have another cap.
            self.place(number);
        }
        Ok(number)
    }

    pub(crate) fn set_class(&mut self, class: Class, share: Share) {
        self.shares.set(class.number() as u32, share);
        self.look_again(|slot_class| usize::from(slot_class) == class.number());
    }

    pub(crate) fn set_own(&mut self, key: &K, share: Option<Share>) -> Result<(), TooManyShares> {
        let present = self.shares.own.get(key).copied();
        let number = match (present, share) {
            (None, None) => return Ok(()),
            (Some(number), Some(share)) => {
                self.shares.set(number, share);
                Some(number)
            }
            (None, Some(share)) => {
                if self.shares.own.len() >= self.terms.max_tenants {
                    return Err(TooManyShares);
                }
                let number = self.shares.add(share);
                self.shares.own.insert(key.clone(), number);
                Some(number)
            }
            (Some(number), None) => {
                self.shares.own.remove(key);
                self.shares.free.push(number);
                None
            }
        };
        if let Some(tenant) = self.tenants.find(key) {
            let slot = &mut self.tenants.slots[tenant];
            slot.terms = number.unwrap_or_else(|| u32::from(slot.class));
            self.place(tenant);
        }
        Ok(())
    }

    /// A cap may have changed: who may be served, is not who might.
    fn look_again(&mut self, is_of: impl Fn(u8) -> bool) {
        for number in self.tenants.slots.numbers() {
            // Placing one may forget it and free its page.
            let slot = self.tenants.slots.get(number);
            if self.tenants.key(number).is_some() && slot.is_some_and(|slot| is_of(slot.class)) {
                self.place(number);
            }
        }
    }
}
