//! [`Tenants`]: who is remembered, and how each stands.

use std::{
    hash::{BuildHasher, Hash},
    time::Duration,
};

use hashbrown::{HashTable, hash_table::Entry};

use super::{
    idle,
    items::Queue,
    pool::{Pool, Pooled},
    tag::Tag,
    wheel,
};
use crate::rate::Keyed;

/// One tenant, in a line of the cache.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Tenant {
    /// The start tag of what it is served next; of one that has nothing, its finish tag.
    pub(super) tag: Tag,
    /// What could be handed out now.
    pub(super) ready: Queue,
    pub(super) cost_in_flight: u64,
    pub(super) in_flight: u32,
    /// What it has in the queue and not in flight: ready, delayed, or behind another of its key.
    pub(super) waiting: u32,
    /// Whose share it has.
    pub(super) terms: u32,
    /// How many handles there are, and one for as long as it is held back.
    pub(super) pins: u32,
    pub(super) stand: Stand,
    pub(super) class: u8,
    pub(super) is_held: bool,
}

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

const _: () = assert!(size_of::<Tenant>() == 64, "a tenant is a line of the cache");

impl Pooled for Tenant {
    fn link(&mut self) -> &mut u32 {
        &mut self.pins
    }
}

/// Who a tenant is, and what is seldom looked at.
struct Name<K> {
    key: Option<K>,
    hash: u64,
    held_until: Duration,
    link: u32,
}

impl<K> Default for Name<K> {
    fn default() -> Self {
        Self { key: None, hash: 0, held_until: Duration::ZERO, link: 0 }
    }
}

impl<K> Pooled for Name<K> {
    fn link(&mut self) -> &mut u32 {
        &mut self.link
    }
}

pub(super) struct Tenants<K> {
    pub(super) slots: Pool<Tenant>,
    names: Pool<Name<K>>,
    index: HashTable<u32>,
    hasher: Keyed,
}

impl<K: Hash + Eq + Clone> Tenants<K> {
    pub(super) fn new() -> Self {
        Self {
            slots: Pool::new(),
            names: Pool::new(),
            index: HashTable::new(),
            hasher: Keyed::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn find(&self, key: &K) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        self.index.find(hash, |number| self.names[*number].is(hash, key)).copied()
    }

    /// The tenant's number, which it gets if there may be one more.
    pub(super) fn find_or_insert(&mut self, key: &K, most: usize) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let Self { slots, names, index, .. } = self;
        let is = |number: &u32| names[*number].is(hash, key);
        let rehash = |number: &u32| names[*number].hash;
        let entry = match index.entry(hash, is, rehash) {
            Entry::Occupied(found) => return Some(*found.get()),
            Entry::Vacant(entry) => entry,
        };
        if slots.len() >= most {
            return None;
        }
        let name = Name { key: Some(key.clone()), hash, ..Name::default() };
        let number = slots.insert(Tenant::default());
        entry.insert(number);
        // The two pools give and take the same numbers in the same order.
        let named = names.insert(name);
        debug_assert_eq!(named, number, "a tenant and its name have one number");
        Some(number)
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.slots.remove(number);
        let name = self.names.remove(number);
        if let Ok(entry) = self.index.find_entry(name.hash, |other| *other == number) {
            entry.remove();
        }
        if self.index.len() < self.index.capacity() / 8 {
            let names = &self.names;
            self.index.shrink_to(self.index.len() * 2, |number| names[*number].hash);
        }
    }

    /// The key of one that is there.
    pub(super) fn key(&self, number: u32) -> Option<&K> {
        self.names.get(number)?.key.as_ref()
    }

    pub(super) fn held_until(&self, number: u32) -> Duration {
        self.names[number].held_until
    }

    pub(super) fn hold(&mut self, number: u32, until: Duration) {
        self.names[number].held_until = until;
    }
}

impl<K: Eq> Name<K> {
    fn is(&self, hash: u64, key: &K) -> bool {
        self.hash == hash && self.key.as_ref() == Some(key)
    }
}
