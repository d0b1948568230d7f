//! [`Tenants`]: who is remembered, and how each stands.

use std::{
    hash::{BuildHasher, Hash},
    time::Duration,
};

use hashbrown::{HashTable, hash_table::Entry};

use super::{idle, items::Queue, pool::Pool, tag::Tag, wheel};
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

/// What is seldom looked at.
struct Name<K> {
    key: K,
    hash: u64,
    held_until: Duration,
}

pub(super) struct Tenants<K> {
    pub(super) slots: Pool<Tenant>,
    names: Pool<Option<Name<K>>>,
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
        self.index.find(hash, |number| self.is(*number, hash, key)).copied()
    }

    /// The tenant's number, which it gets if there may be one more.
    pub(super) fn find_or_insert(&mut self, key: &K, most: usize) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let Self { slots, names, index, .. } = self;
        let is = |number: &u32| {
            names[*number].as_ref().is_some_and(|name| name.hash == hash && name.key == *key)
        };
        let rehash = |number: &u32| names[*number].as_ref().map_or(0, |name| name.hash);
        let entry = match index.entry(hash, is, rehash) {
            Entry::Occupied(found) => return Some(*found.get()),
            Entry::Vacant(entry) => entry,
        };
        if slots.len() >= most {
            return None;
        }
        let name = Name { key: key.clone(), hash, held_until: Duration::ZERO };
        let number = slots.insert(Tenant::default());
        entry.insert(number);
        // The two pools give and take the same numbers in the same order.
        let named = names.insert(Some(name));
        debug_assert_eq!(named, number, "a tenant and its name have one number");
        Some(number)
    }

    pub(super) fn remove(&mut self, number: u32) {
        self.slots.remove(number);
        let Some(name) = self.names.remove(number) else { return };
        if let Ok(entry) = self.index.find_entry(name.hash, |other| *other == number) {
            entry.remove();
        }
        if self.index.len() < self.index.capacity() / 8 {
            let names = &self.names;
            let rehash = |number: &u32| names[*number].as_ref().map_or(0, |name| name.hash);
            self.index.shrink_to(self.index.len() * 2, rehash);
        }
    }

    /// The key of one that is there.
    pub(super) fn key(&self, number: u32) -> Option<&K> {
        self.names.get(number)?.as_ref().map(|name| &name.key)
    }

    pub(super) fn held_until(&self, number: u32) -> Duration {
        self.names[number].as_ref().map_or(Duration::ZERO, |name| name.held_until)
    }

    pub(super) fn hold(&mut self, number: u32, until: Duration) {
        if let Some(name) = &mut self.names[number] {
            name.held_until = until;
        }
    }

    fn is(&self, number: u32, hash: u64, key: &K) -> bool {
        self.names[number].as_ref().is_some_and(|name| name.hash == hash && name.key == *key)
    }
}
