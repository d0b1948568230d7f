//! [`Table`]: what each tenant holds. A tenant is in it only while it holds or waits for something.
//!
//! One that comes and goes alone would be put in and taken out each time: so in each shard the last one
//! that left stays until another leaves.
//!
//! Shards of a hash table, each behind its own lock, which is held for some nanoseconds and never
//! while a waker or any other code of a user runs, but for the key's own hash and equality.

use std::hash::{BuildHasher, Hash};

use hashbrown::HashTable;

use super::{
    cap::{Cap, Resource},
    sharing::Sharing,
    slab::Slab,
    sync::{Keyed, Mutex, MutexGuard},
    word::{Blocked, Spares, Turn, View, Word},
};

#[derive(Debug)]
pub(super) struct Table<K> {
    shards: Box<[Shard<K>]>,
    /// Keyed for the process, so that nobody can choose ids that meet in one place.
    hasher: Keyed,
}

/// Padded, so that two tenants' locks share no line of the cache, nor the pair that is fetched at once.
#[derive(Debug)]
#[repr(align(128))]
struct Shard<K>(Mutex<Tenants<K>>);

#[derive(Debug)]
struct Tenants<K> {
    index: HashTable<u32>,
    entries: Slab<Entry<K>>,
    /// The one in the index that neither holds nor waits.
    left: Option<u32>,
    spares: Spares,
}

#[derive(Debug)]
struct Entry<K> {
    key: K,
    hash: u64,
    held: u32,
    by_resource: [u32; Resource::MAX],
    /// A bit for each resource that somebody of the tenant waits for.
    waits_for: u8,
    /// Where those of the tenant stand who wait.
    queue: Option<u32>,
}

/// Where a tenant is in the table. It stays there while it holds or waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    shard: u32,
    at: u32,
}

/// What became of a permit that was given back.
#[derive(Debug, Clone, Copy)]
pub(super) struct GivenBack {
    /// Where those of the tenant stand who wait.
    pub(super) queue: Option<u32>,
    /// It is in the shard, and still in the word.
    pub(super) spared: bool,
}

impl Place {
    /// The number of its shard.
    pub(super) const fn shard(self) -> usize {
        self.shard as usize
    }
}

impl<K> Table<K> {
    /// `shards` is a power of two.
    pub(super) fn new(shards: usize) -> Self {
        let shard = |_| Shard(Mutex::new(Tenants::new()));
        Self { shards: (0..shards).map(shard).collect(), hasher: Keyed::default() }
    }

    /// Takes a permit for the tenant at `place`, which is first of those who wait.
    pub(super) fn take_at(
        &self,
        place: Place,
        cap: Cap,
        word: &Word,
        sharing: Sharing,
    ) -> Result<(), Blocked> {
        self.lock(place.shard).take(place.at, cap, Turn::Waiter, word, sharing)
    }

    /// Gives back what was taken, and keeps it in the shard if `spare` says so.
    pub(super) fn give_back(
        &self,
        place: Place,
        resource: Resource,
        spare: impl FnOnce(&mut Spares) -> bool,
    ) -> GivenBack {
        let mut tenants = self.lock(place.shard);
        let entry = &mut tenants.entries[place.at];
        entry.held -= 1;
        entry.by_resource[resource.number()] -= 1;
        let queue = entry.queue;
        if entry.held == 0 && queue.is_none() {
            tenants.leave(place.at);
        }
        GivenBack { queue, spared: spare(&mut tenants.spares) }
    }

    /// Takes all spares out of the word's count, and tells what stands there then. Only one recalls at a
    /// time: who has the lock of those who wait.
    pub(super) fn recall(&self, word: &Word) -> View {
        let seen = word.view();
        if !seen.has_spares() {
            return seen;
        }
        word.begin_recall();
        for shard in &self.shards {
            let spares = lock(&shard.0).spares.take_all();
            word.recall(&spares);
        }
        word.end_recall()
    }

    /// How much the tenant holds in all.
    pub(super) fn held_at(&self, place: Place) -> u32 {
        self.lock(place.shard).entries[place.at].held
    }

    /// Notes that nobody of the tenant waits for `resource` any more.
    pub(super) fn waits_no_more(&self, place: Place, resource: Resource) {
        self.lock(place.shard).entries[place.at].waits_for &= !resource.bit();
    }

    /// Notes that nobody of the tenant waits for anything any more.
    pub(super) fn leaves_queue(&self, place: Place) {
        let mut tenants = self.lock(place.shard);
        let entry = &mut tenants.entries[place.at];
        (entry.waits_for, entry.queue) = (0, None);
        if entry.held == 0 {
            tenants.leave(place.at);
        }
    }

    /// How many tenants hold or wait for something.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(&shard.0).len()).sum()
    }

    fn lock(&self, shard: u32) -> MutexGuard<'_, Tenants<K>> {
        lock(&self.shards[shard as usize].0)
    }

    /// The upper half, because a shard's own table uses the lower bits and the topmost.
    fn shard_of(&self, hash: u64) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "the mask is small")]
        let shard = (hash >> 32) as u32 & (self.shards.len() as u32 - 1);
        shard
    }
}

impl<K: Eq + Hash + Clone> Table<K> {
    /// Takes a permit for a newcomer.
    pub(super) fn take(
        &self,
        key: &K,
        cap: Cap,
        word: &Word,
        sharing: Sharing,
    ) -> Result<Place, Blocked> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard_of(hash);
        let mut tenants = self.lock(shard);
        let at = match tenants.find(hash, key) {
            Some(at) => {
                tenants.take(at, cap, Turn::Newcomer, word, sharing)?;
                at
            }
            None => {
                if cap.permits() == 0 {
                    return Err(Blocked::Own);
                }
                word.take(0, Turn::Newcomer, sharing, &mut tenants.spares)?;
                let mut entry = Entry::new(key.clone(), hash);
                entry.held = 1;
                entry.by_resource[cap.resource().number()] = 1;
                tenants.insert(entry)
            }
        };
        Ok(Place { shard, at })
    }

    /// Notes that somebody of the tenant waits for `resource`. `queue` is told the tenant's place and
    /// where those of it stand who wait already, and says where they stand; with `None` the tenant
    /// stays as it was.
    pub(super) fn waits(
        &self,
        key: &K,
        resource: Resource,
        queue: impl FnOnce(Place, Option<u32>) -> Option<u32>,
    ) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard_of(hash);
        let mut tenants = self.lock(shard);
        let at = match tenants.find(hash, key) {
            Some(at) => at,
            None => tenants.insert(Entry::new(key.clone(), hash)),
        };
        let entry = &mut tenants.entries[at];
        let queued = queue(Place { shard, at }, entry.queue);
        if queued.is_some() {
            entry.queue = queued;
            entry.waits_for |= resource.bit();
            tenants.stay(at);
        } else if entry.held == 0 && entry.queue.is_none() {
            tenants.leave(at);
        }
        queued
    }

    /// What the tenant holds of `resource`, and whether somebody of it waits for that.
    pub(super) fn own(&self, key: &K, resource: Resource) -> (u32, bool) {
        let hash = self.hasher.hash_one(key);
        let tenants = self.lock(self.shard_of(hash));
        tenants.find(hash, key).map_or((0, false), |at| {
            let entry = &tenants.entries[at];
            (entry.by_resource[resource.number()], entry.waits_for & resource.bit() != 0)
        })
    }

    /// Where those of the tenant stand who wait.
    pub(super) fn queue(&self, key: &K) -> Option<u32> {
        let hash = self.hasher.hash_one(key);
        let tenants = self.lock(self.shard_of(hash));
        tenants.find(hash, key).and_then(|at| tenants.entries[at].queue)
    }
}

impl<K> Tenants<K> {
    const fn new() -> Self {
        Self { index: HashTable::new(), entries: Slab::new(), left: None, spares: Spares::NONE }
    }

    /// How many hold or wait.
    fn len(&self) -> usize {
        self.entries.len() - usize::from(self.left.is_some())
    }

    fn take(
        &mut self,
        at: u32,
        cap: Cap,
        turn: Turn,
        word: &Word,
        sharing: Sharing,
    ) -> Result<(), Blocked> {
        self.entries[at].take(cap, turn, word, sharing, &mut self.spares)?;
        self.stay(at);
        Ok(())
    }

    /// Notes that the tenant holds or waits.
    fn stay(&mut self, at: u32) {
        if self.left == Some(at) {
            self.left = None;
        }
    }

    /// Notes that the tenant neither holds nor waits any more.
    fn leave(&mut self, at: u32) {
        if let Some(before) = self.left.replace(at)
            && before != at
        {
            self.forget(before);
        }
    }

    fn insert(&mut self, entry: Entry<K>) -> u32 {
        let hash = entry.hash;
        let at = self.entries.insert(entry);
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |at| entries[*at].hash);
        at
    }

    fn forget(&mut self, at: u32) {
        let Some(entry) = self.entries.remove(at) else { return };
        if let Ok(found) = self.index.find_entry(entry.hash, |found| *found == at) {
            found.remove();
        }
    }
}

impl<K: Eq> Tenants<K> {
    fn find(&self, hash: u64, key: &K) -> Option<u32> {
        // Who comes and goes alone is found without a look into the index.
        let is_it = |at: &u32| self.entries[*at].hash == hash && self.entries[*at].key == *key;
        if let Some(at) = self.left.filter(is_it) {
            return Some(at);
        }
        self.index.find(hash, |at| self.entries[*at].key == *key).copied()
    }
}

impl<K> Entry<K> {
    const fn new(key: K, hash: u64) -> Self {
        Self { key, hash, held: 0, by_resource: [0; Resource::MAX], waits_for: 0, queue: None }
    }

    fn take(
        &mut self,
        cap: Cap,
        turn: Turn,
        word: &Word,
        sharing: Sharing,
        spares: &mut Spares,
    ) -> Result<(), Blocked> {
        let of_resource = &mut self.by_resource[cap.resource().number()];
        let behind = turn == Turn::Newcomer && self.waits_for & cap.resource().bit() != 0;
        if behind || *of_resource >= cap.permits() {
            return Err(Blocked::Own);
        }
        word.take(self.held, turn, sharing, spares)?;
        *of_resource += 1;
        self.held += 1;
        Ok(())
    }
}

/// A panic of a key's hash or equality comes before anything is changed, so that what is behind a
/// poisoned lock is whole.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
