//! One shard's table: open addressing in groups of eight, with a byte of each key's hash in a list of
//! its own.
//!
//! The bytes of a group are compared at once, so that a check rarely has to guess where to go on, and the
//! bytes of a million keys fit into a processor's nearer caches: in the farther memory a check touches one
//! place, the slot with the key, written once, and beside it its word, moved by compare-and-swap. Keys are
//! compared whole; the bytes only save comparisons. Nothing is ever removed from a table or reused in it,
//! so that there is nothing to confuse: what is to be forgotten is left out when the shard is rebuilt
//! (`shard.rs`).
//!
//! A key is written into the first free slot of its groups by the first of those who try, and then its
//! byte is published. Whoever comes upon a key without a byte publishes it before going on, so that
//! before a published byte there is never a gap and a search may end at the first one. Only those who
//! want the very slot that is being written wait for that, which is a copy of a key; nobody who looks for
//! a key that is there does. A key counts from the moment its word is not 0.

use std::sync::atomic::Ordering;

use super::{
    layout::FROZEN,
    sync::{AtomicU32, AtomicU64, KeyCell, Word},
};

/// The largest number of keys, which bounds what a rebuild moves and how far a search goes, also when
/// somebody finds keys whose hashes collide.
pub(crate) const MAX_KEYS: usize = 8_192;
const LANES: usize = 8;

/// A table of fixed capacity.
#[derive(Debug)]
pub(crate) struct Table<K> {
    /// A byte for each slot of a group, the first slot's lowest; 0 where there is no key.
    tags: Box<[AtomicU64]>,
    groups: Box<[Group<K>]>,
    written: AtomicU32,
    capacity: usize,
    /// The latest TAT of any key that was forgotten on the way to this table.
    pub(crate) floor: u64,
}

/// Eight slots, aligned so that a small one never lies across two lines of a cache.
#[derive(Debug)]
#[repr(align(64))]
struct Group<K>([Slot<K>; LANES]);

/// A key and its word.
#[derive(Debug)]
pub(crate) struct Slot<K> {
    pub(crate) word: Word,
    key: KeyCell<K>,
}

/// There is no slot left.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl<K: Eq + Clone> Table<K> {
    /// A table for `capacity` keys, at most [`MAX_KEYS`].
    pub(crate) fn new(capacity: usize, floor: u64) -> Self {
        // Eight of nine slots are used when it is full.
        let groups = (capacity + capacity.div_ceil(8)).div_ceil(LANES);
        let slot = |_| Slot { word: Word::default(), key: KeyCell::new() };
        Self {
            tags: (0..groups).map(|_| AtomicU64::new(0)).collect(),
            groups: (0..groups).map(|_| Group(std::array::from_fn(slot))).collect(),
            written: AtomicU32::new(0),
            capacity,
            floor,
        }
    }

    /// The key's slot.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<&Slot<K>> {
        // Most are in the first group that the hash points to.
        let at = self.start(hash);
        let tags = self.tags.get(at)?.load(Ordering::Acquire);
        match self.groups.get(at)?.find(tags, hash, key) {
            Some(slot) => Some(slot),
            None if free_lane(tags).is_some() => None,
            None => self.find_further(hash, key),
        }
    }

    #[inline(never)]
    fn find_further(&self, hash: u64, key: &K) -> Option<&Slot<K>> {
        for at in self.probes(hash).skip(1) {
            let tags = self.tags[at].load(Ordering::Acquire);
            if let Some(slot) = self.groups[at].find(tags, hash, key) {
                return Some(slot);
            }
            if free_lane(tags).is_some() {
                return None;
            }
        }
        None
    }

    /// The key's slot, into which it is written when it is not there. `hash_of` is the hash of another
    /// key.
    pub(crate) fn place(
        &self,
        hash: u64,
        key: &K,
        hash_of: impl Fn(&K) -> u64,
    ) -> Result<&Slot<K>, NoRoom> {
        for at in self.probes(hash) {
            let group = &self.groups[at];
            loop {
                let tags = self.tags[at].load(Ordering::Acquire);
                if let Some(slot) = group.find(tags, hash, key) {
                    return Ok(slot);
                }
                let Some(lane) = free_lane(tags) else { break };
                if self.written.load(Ordering::Relaxed) as usize >= self.capacity {
                    return Err(NoRoom);
                }
                let slot = &group.0[lane];
                let there = slot.key.write(key, || {
                    self.written.fetch_add(1, Ordering::Relaxed);
                });
                let publish = |hash| {
                    self.tags[at].fetch_or(tag(hash) << (8 * lane), Ordering::AcqRel);
                };
                if there == *key {
                    publish(hash);
                    return Ok(slot);
                }
                publish(hash_of(&there));
            }
        }
        Err(NoRoom)
    }

    /// Stops every word, and tells what stands: the keys that count, and their words. Repeating it
    /// tells the same.
    pub(crate) fn freeze(&self) -> Vec<(K, u128)> {
        let mut stands = Vec::with_capacity(self.capacity);
        for slot in self.slots() {
            let word = slot.word.set_bits(FROZEN) & !FROZEN;
            if word != 0
                && let Some(key) = slot.key.get()
            {
                stands.push((key, word));
            }
        }
        stands
    }

    /// The words, as they are.
    pub(crate) fn words(&self) -> impl Iterator<Item = u128> {
        self.slots().map(|slot| slot.word.load() & !FROZEN).filter(|word| *word != 0)
    }

    /// How many keys it can have.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    fn slots(&self) -> impl Iterator<Item = &Slot<K>> {
        self.groups.iter().flat_map(|group| &group.0)
    }

    /// The number of every group once, from where the hash points to.
    fn probes(&self, hash: u64) -> impl Iterator<Item = usize> + use<K> {
        let start = self.start(hash);
        (start..self.groups.len()).chain(0..start)
    }

    #[inline]
    fn start(&self, hash: u64) -> usize {
        // The lower half: the upper bits choose the shard and the tag.
        (((hash & 0xffff_ffff) * self.groups.len() as u64) >> 32) as usize
    }
}

impl<K: Eq + Clone> Group<K> {
    #[inline]
    fn find(&self, tags: u64, hash: u64, key: &K) -> Option<&Slot<K>> {
        let mut matches = zero_bytes(tags ^ (tag(hash) * ONES));
        while matches != 0 {
            let slot = &self.0[matches.trailing_zeros() as usize / 8];
            if slot.key.is(key) {
                return Some(slot);
            }
            matches &= matches - 1;
        }
        None
    }
}

const ONES: u64 = 0x0101_0101_0101_0101;

/// The top bit of each byte that is 0, and perhaps of some above one that is.
fn zero_bytes(bytes: u64) -> u64 {
    bytes.wrapping_sub(ONES) & !bytes & (ONES << 7)
}

/// The first slot of a group without a byte. They are taken in order.
fn free_lane(tags: u64) -> Option<usize> {
    let free = tags.leading_zeros() as usize / 8;
    (free > 0).then_some(LANES - free)
}

/// A byte of the hash that chose neither the shard nor the place, and is not 0.
fn tag(hash: u64) -> u64 {
    (hash >> 32 & 0xff).max(1)
}
