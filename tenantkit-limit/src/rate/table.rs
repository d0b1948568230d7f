//! One shard's table: open addressing, with each key and its word in one place.
//!
//! A check of a million keys waits for memory and for nothing else, so the table is laid out for the number of
//! places that it touches: the slot that the hash points to, and its neighbours in the same line of a
//! cache or the next. Keys are compared whole, there. Nothing is ever removed from a table or reused in
//! it, so that there is nothing to confuse: what is to be forgotten is left out when the shard is rebuilt
//! (`shard.rs`).
//!
//! A key is written once, into the first free slot from where its hash points to, by the first of those
//! who try. So before a key there is never a gap, and a search may end at the first one. Only those who
//! want the very slot that is being written wait for that, which is a copy of a key; nobody who looks for
//! a key that is there does. A key counts from the moment its word is not 0.

use std::sync::{Arc, atomic::Ordering};

use super::{
    layout::FROZEN,
    sync::{AtomicU32, KeyCell, Word},
};

/// The largest number of keys, which bounds what a rebuild moves and how far a search goes, also when
/// somebody finds keys whose hashes collide.
pub(crate) const MAX_KEYS: usize = 8_192;

/// A table of fixed capacity. Cheap to clone: a clone is the same table.
#[derive(Debug)]
pub(crate) struct Table<K> {
    pairs: Arc<[Pair<K>]>,
    terms: Arc<Terms>,
}

#[derive(Debug)]
struct Terms {
    written: AtomicU32,
    capacity: usize,
    floor: u64,
}

/// Two slots, aligned so that a small one never lies across two lines of a cache.
#[derive(Debug)]
#[repr(align(32))]
struct Pair<K>([Slot<K>; 2]);

/// A key and its word.
#[derive(Debug)]
pub(crate) struct Slot<K> {
    pub(crate) word: Word,
    key: KeyCell<K>,
}

/// There is no slot left.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl<K> Clone for Table<K> {
    fn clone(&self) -> Self {
        Self { pairs: Arc::clone(&self.pairs), terms: Arc::clone(&self.terms) }
    }
}

impl<K: Eq + Clone> Table<K> {
    /// A table for `capacity` keys, at most [`MAX_KEYS`], of which these are there, each with its hash.
    /// `floor` is the latest TAT of any key that was forgotten on the way to it.
    pub(crate) fn new(capacity: usize, floor: u64, mut stands: Vec<(u64, K, u128)>) -> Self {
        // In the order of their places nobody is far from where its hash points to: whoever came late has
        // not to stay behind all the others (Robin Hood hashing: Celis, 1986).
        stands.sort_unstable_by_key(|(hash, ..)| place(*hash));
        // Five of six slots are used when it is full.
        let pairs = (capacity + capacity.div_ceil(5)).div_ceil(2);
        let mut slots: Arc<[_]> = (0..pairs).map(|_| Pair::default()).collect();
        let free = Arc::get_mut(&mut slots).expect("nobody else has what is new");
        let mut written = 0;
        for (hash, key, word) in stands {
            let start = start(hash, pairs);
            let mut probed = (start..pairs).chain(0..start).flat_map(|at| [(at, 0), (at, 1)]);
            // There is a free one for each of `capacity`.
            if let Some((at, of)) = probed.find(|(at, of)| free[*at].0[*of].key.is_free()) {
                free[at].0[of] = Slot { word: Word::new(word), key: KeyCell::of(key) };
                written += 1;
            }
        }
        let terms = Terms { written: AtomicU32::new(written), capacity, floor };
        Self { pairs: slots, terms: Arc::new(terms) }
    }

    /// The key's slot.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<&Slot<K>> {
        let start = start(hash, self.pairs.len());
        let mut at = start;
        loop {
            for slot in &self.pairs.get(at)?.0 {
                if slot.key.is(key)? {
                    return Some(slot);
                }
            }
            at = if at + 1 == self.pairs.len() { 0 } else { at + 1 };
            if at == start {
                return None;
            }
        }
    }

    /// The key's slot, into which it is written when it is not there.
    pub(crate) fn place(&self, hash: u64, key: &K) -> Result<&Slot<K>, NoRoom> {
        let terms = &self.terms;
        for slot in self.probed(hash) {
            let found = slot.key.is(key).map_or_else(
                || {
                    if terms.written.load(Ordering::Relaxed) as usize >= terms.capacity {
                        return Err(NoRoom);
                    }
                    Ok(slot.key.write(key, || {
                        terms.written.fetch_add(1, Ordering::Relaxed);
                    }))
                },
                Ok,
            )?;
            if found {
                return Ok(slot);
            }
        }
        Err(NoRoom)
    }

    /// Stops every word, and tells what stands: the keys that count, with hash and word. Repeating it
    /// tells the same.
    pub(crate) fn freeze(&self, hash_of: impl Fn(&K) -> u64) -> Vec<(u64, K, u128)> {
        let mut stands = Vec::with_capacity(self.capacity());
        for slot in self.slots() {
            let word = slot.word.set_bits(FROZEN) & !FROZEN;
            if word != 0
                && let Some(key) = slot.key.get()
            {
                stands.push((hash_of(&key), key, word));
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
        self.terms.capacity
    }

    /// The latest TAT of any key that was forgotten on the way to this table.
    pub(crate) fn floor(&self) -> u64 {
        self.terms.floor
    }

    /// Whether they are the same one.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.terms, &other.terms)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot<K>> {
        self.pairs.iter().flat_map(|pair| &pair.0)
    }

    /// Every slot once, from where the hash points to.
    fn probed(&self, hash: u64) -> impl Iterator<Item = &Slot<K>> {
        let (before, from) = self.pairs.split_at(start(hash, self.pairs.len()));
        from.iter().chain(before).flat_map(|pair| &pair.0)
    }
}

impl<K: Eq + Clone> Default for Pair<K> {
    fn default() -> Self {
        Self([(); 2].map(|()| Slot { word: Word::default(), key: KeyCell::new() }))
    }
}

/// The pair at which a search begins.
#[inline]
fn start(hash: u64, pairs: usize) -> usize {
    ((place(hash) * pairs as u64) >> 32) as usize
}

/// Where in a table of any size, in 2^32nds of it: the upper bits choose the shard.
#[inline]
fn place(hash: u64) -> u64 {
    hash & 0xffff_ffff
}
