//! [`Ring`]: lists in a circle, and a map of those that are not empty.

use super::{
    chunks::{Chunks, List, Place},
    tag::Bucket,
};

/// How many lists a ring has.
pub(super) const BUCKETS: Bucket = LISTS as Bucket;
const LISTS: usize = 4096;
const WORDS: usize = LISTS / 64;

/// Buckets by number, of which [`BUCKETS`] in a row have a list at a time.
pub(super) struct Ring {
    lists: Box<[List]>,
    filled: [u64; WORDS],
    /// Which words of `filled` have a bit.
    words: u64,
}

impl Ring {
    pub(super) fn new() -> Self {
        Self { lists: vec![List::EMPTY; LISTS].into_boxed_slice(), filled: [0; WORDS], words: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, chunks: &mut Chunks, bucket: Bucket, entry: u32) -> Place {
        let (at, word, bit) = split(bucket);
        self.filled[word] |= bit;
        self.words |= 1 << word;
        chunks.push(&mut self.lists[at], entry)
    }

    #[inline]
    pub(super) fn list(&self, bucket: Bucket) -> List {
        self.lists[split(bucket).0]
    }

    #[inline]
    pub(super) fn pop(&mut self, chunks: &mut Chunks, bucket: Bucket) -> Option<u32> {
        let entry = chunks.pop(&mut self.lists[split(bucket).0]);
        self.note(bucket);
        entry
    }

    pub(super) fn remove(
        &mut self,
        chunks: &mut Chunks,
        bucket: Bucket,
        place: Place,
    ) -> Option<u32> {
        let moved = chunks.remove(&mut self.lists[split(bucket).0], place);
        self.note(bucket);
        moved
    }

    /// The first bucket from this one on that has something.
    #[inline]
    pub(super) fn first_from(&self, bucket: Bucket) -> Option<Bucket> {
        let (at, word, bit) = split(bucket);
        let here = self.filled[word] & !(bit - 1);
        let found = if here != 0 {
            word * 64 + here.trailing_zeros() as usize
        } else {
            // The words after this one, else those before it and what of it is behind.
            let after = self.words & !(u64::MAX >> (63 - word));
            let words = if after == 0 { self.words } else { after };
            if words == 0 {
                return None;
            }
            let word = words.trailing_zeros() as usize;
            word * 64 + self.filled[word].trailing_zeros() as usize
        };
        let ahead = found.wrapping_sub(at) % LISTS;
        Some(bucket + ahead as Bucket)
    }

    #[inline]
    fn note(&mut self, bucket: Bucket) {
        let (at, word, bit) = split(bucket);
        if self.lists[at].is_empty() {
            self.filled[word] &= !bit;
            if self.filled[word] == 0 {
                self.words &= !(1 << word);
            }
        }
    }
}

/// Its list, and its bit in the map.
const fn split(bucket: Bucket) -> (usize, usize, u64) {
    let at = (bucket % BUCKETS) as usize;
    (at, at / 64, 1 << (at % 64))
}
