//! One shard's table: an index of 32-bit slots into a dense list of entries.
//!
//! An entry is a key, written once, and a word, moved by compare-and-swap; an index slot is 16 bits of
//! the key's hash and the entry's number. Keys are compared whole: the bits only save comparisons.
//! Nothing is ever removed from a table or reused in it, so that there is nothing to confuse: what is
//! to be forgotten is left out when the shard is rebuilt (`shard.rs`).
//!
//! A key is added by reserving an entry, writing the key, and publishing its number in the first free
//! slot of its probe sequence; of two that add the same key the second to publish finds the first's
//! and leaves its own entry empty. An entry counts from the moment its word is not 0.

use super::{
    layout::FROZEN,
    sync::{AtomicU32, KeyCell, Word},
};
use std::sync::atomic::Ordering;

/// The largest number of entries, which bounds what a rebuild moves and how far a probe goes, also
/// when somebody finds keys whose hashes collide.
pub(crate) const MAX_ENTRIES: usize = 4_096;

/// A table of fixed capacity.
#[derive(Debug)]
pub(crate) struct Table<K> {
    index: Box<[AtomicU32]>,
    entries: Box<[Entry<K>]>,
    reserved: AtomicU32,
    /// The latest TAT of any entry that was forgotten on the way to this table.
    pub(crate) floor: u64,
}

/// A key and its word.
#[derive(Debug)]
pub(crate) struct Entry<K> {
    // The key is first asked for, and then the word beside it, which is on its way by then.
    key: KeyCell<K>,
    pub(crate) word: Word,
}

/// There is no entry left.
#[derive(Debug)]
pub(crate) struct NoRoom;

impl<K: Eq + Clone> Table<K> {
    /// A table for `capacity` entries, at most [`MAX_ENTRIES`].
    pub(crate) fn new(capacity: usize, floor: u64) -> Self {
        let slots = capacity + capacity / 4;
        Self {
            index: (0..slots).map(|_| AtomicU32::new(0)).collect(),
            entries: (0..capacity)
                .map(|_| Entry { key: KeyCell::new(), word: Word::default() })
                .collect(),
            reserved: AtomicU32::new(0),
            floor,
        }
    }

    /// The key's entry.
    pub(crate) fn find(&self, hash: u64, key: &K) -> Option<&Entry<K>> {
        for at in self.probes(hash) {
            let slot = self.index[at].load(Ordering::Acquire);
            if slot == 0 {
                return None;
            }
            if let Some(entry) = self.matching(slot, hash, key) {
                return Some(entry);
            }
        }
        None
    }

    /// The key's entry, which is added when it is not there.
    pub(crate) fn place(&self, hash: u64, key: &K) -> Result<&Entry<K>, NoRoom> {
        if let Some(entry) = self.find(hash, key) {
            return Ok(entry);
        }
        // Asked first, so that a full table's counter does not run away.
        if self.reserved.load(Ordering::Relaxed) as usize >= self.entries.len() {
            return Err(NoRoom);
        }
        let number = self.reserved.fetch_add(1, Ordering::Relaxed);
        let entry = self.entries.get(number as usize).ok_or(NoRoom)?;
        entry.key.set(key.clone());
        let mine = tag(hash) | (number + 1);
        for at in self.probes(hash) {
            match self.index[at].compare_exchange(0, mine, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(entry),
                Err(slot) => {
                    if let Some(entry) = self.matching(slot, hash, key) {
                        return Ok(entry);
                    }
                }
            }
        }
        Err(NoRoom)
    }

    /// Stops every word, and tells what stands: the keys and words of the entries that count.
    /// Repeating it tells the same.
    pub(crate) fn freeze(&self) -> Vec<(K, u128)> {
        let mut stands = Vec::with_capacity(self.entries.len());
        for entry in &self.entries {
            let word = entry.word.set_bits(FROZEN) & !FROZEN;
            if word != 0
                && let Some(key) = entry.key.get()
            {
                stands.push((key, word));
            }
        }
        stands
    }

    /// The words, as they are.
    pub(crate) fn words(&self) -> impl Iterator<Item = u128> {
        self.entries.iter().map(|entry| entry.word.load() & !FROZEN).filter(|word| *word != 0)
    }

    /// How many entries it can have.
    pub(crate) fn capacity(&self) -> usize {
        self.entries.len()
    }

    fn matching(&self, slot: u32, hash: u64, key: &K) -> Option<&Entry<K>> {
        if (slot ^ tag(hash)) >> 16 != 0 {
            return None;
        }
        let number = (slot & 0xffff).checked_sub(1)?;
        self.entries.get(number as usize).filter(|entry| entry.key.is(key))
    }

    /// Every slot once, from where the hash points to.
    fn probes(&self, hash: u64) -> impl Iterator<Item = usize> + use<K> {
        let slots = self.index.len();
        // The middle bits: the upper choose the shard, the lower are the tag.
        let start = (((hash >> 16) & 0xffff_ffff) * slots as u64) >> 32;
        let start = start as usize;
        (start..slots).chain(0..start)
    }
}

/// The lower bits of the hash, in the upper half of a slot.
#[expect(clippy::cast_possible_truncation, reason = "meant")]
fn tag(hash: u64) -> u32 {
    (hash as u32) << 16
}
