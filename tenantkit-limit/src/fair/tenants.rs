//! [`Tenants`]: who is remembered, and how each stands.

use std::{
    hash::{BuildHasher, Hash},
    mem::offset_of,
    time::Duration,
};

use hashbrown::HashTable;

use super::{
    idle,
    pool::{Pool, Pooled},
    ready::Ready,
    tag::Tag,
    wheel,
};
use crate::rate::Keyed;

/// One tenant. What a push needs of it is in one line of the cache, and what else a pop does in the next.
#[repr(C, align(64))]
pub(super) struct Tenant<K> {
    /// The start tag of what it is served next; of one that has nothing, its finish tag.
    pub(super) tag: Tag,
    /// What could be handed out now.
    pub(super) ready: Ready,
    /// What it has in the queue and not in flight: ready, delayed, or behind another of its key.
    pub(super) waiting: u32,
    /// Whose share it has.
    pub(super) terms: u32,
    pub(super) stand: Stand,
    pub(super) class: u8,
    pub(super) is_held: bool,
    pub(super) in_flight: u32,
    /// How many handles there are, and one for as long as it is held back.
    pub(super) pins: u32,
    pub(super) cost_in_flight: u64,
    /// None where nobody is.
    pub(super) key: Option<K>,
    pub(super) held_until: Duration,
    hash: u64,
}

const _: () = assert!(offset_of!(Tenant<u64>, in_flight) == 64, "the second line begins with it");

/// Where a tenant is listed.
#[derive(Clone, Copy, Default)]
pub(super) enum Stand {
    /// Nowhere: it has nothing that could be handed out now, or as much in flight as it may have.
    #[default]
    Apart,
    /// Among those to be served.
    Wheel(wheel::Spot),
    /// Among those that have nothing.
    Idle(idle::Spot),
}

impl<K> Default for Tenant<K> {
    fn default() -> Self {
        Self {
            tag: Tag::default(),
            ready: Ready::default(),
            cost_in_flight: 0,
            in_flight: 0,
            waiting: 0,
            terms: 0,
            pins: 0,
            stand: Stand::Apart,
            class: 0,
            is_held: false,
            key: None,
            held_until: Duration::ZERO,
            hash: 0,
        }
    }
}

impl<K> Pooled for Tenant<K> {
    fn link(&mut self) -> &mut u32 {
        &mut self.pins
    }

    fn clear(&mut self) {
        self.key = None;
    }
}

impl<K: Eq> Tenant<K> {
    fn is(&self, hash: u64, key: &K) -> bool {
        self.hash == hash && self.key.as_ref() == Some(key)
    }
}

pub(super) struct Tenants<K> {
    pub(super) slots: Pool<Tenant<K>>,
    index: HashTable<u32>,
    hasher: Keyed,
}

impl<K: Hash + Eq + Clone> Tenants<K> {
    pub(super) fn new() -> Self {
        Self { slots: Pool::new(), index: HashTable::new(), hasher: Keyed::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn find(&self, key: &K) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |number| self.slots[*number].is(hash, key)).copied()
    }

    /// The tenant's number, which it gets if there may be one more.
    pub(super) fn find_or_insert(&mut self, key: &K, most: usize) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let Self { slots, index, .. } = self;
        let is = |number: &u32| slots[*number].is(hash, key);
        if let Some(found) = index.find(hash, is) {
            return Some(*found);
        }
        if slots.len() >= most {
            return None;
        }
        let key = Some(key.clone());
        let (number, slot) = slots.claim();
        *slot = Tenant { key, hash, ..Tenant::default() };
        index.insert_unique(hash, number, |number| slots[*number].hash);
        Some(number)
    }

    pub(super) fn remove(&mut self, number: u32) {
        let hash = self.slots[number].hash;
        self.slots.remove(number);
        if let Ok(entry) = self.index.find_entry(hash, |other| *other == number) {
            entry.remove();
        }
        if self.index.len() < self.index.capacity() / 8 {
            let slots = &self.slots;
            self.index.shrink_to(self.index.len() * 2, |number| slots[*number].hash);
        }
    }

    /// The key of one that is there.
    pub(super) fn key(&self, number: u32) -> Option<&K> {
        self.slots.get(number)?.key.as_ref()
    }
}
