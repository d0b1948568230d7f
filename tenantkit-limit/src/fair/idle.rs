//! [`Idle`]: tenants that have nothing, and are remembered until the virtual time has passed their finish tag.

use super::{
    chunks::{Chunks, Place},
    ring::{BUCKETS, Ring},
};

pub(super) struct Idle {
    chunks: Chunks,
    ring: Ring,
    /// The first bucket that has not been looked through.
    next: u64,
    len: usize,
}

/// Where an idle tenant stands.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spot {
    pub(super) place: Place,
    /// The bucket's place in the ring.
    at: u16,
}

impl Idle {
    pub(super) fn new() -> Self {
        Self { chunks: Chunks::new(), ring: Ring::new(), next: 0, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// One whose tag is further away than the ring reaches is looked at earlier, and comes again.
    pub(super) fn insert(&mut self, now: u64, bucket: u64, tenant: u32) -> Spot {
        if self.len == 0 {
            self.next = self.next.max(now);
        }
        let bucket = bucket.clamp(self.next, self.next + BUCKETS - 1);
        self.len += 1;
        let at = (bucket % BUCKETS) as u16;
        Spot { place: self.ring.push(&mut self.chunks, bucket, tenant), at }
    }

    /// Answers which other has now its place.
    pub(super) fn remove(&mut self, spot: Spot) -> Option<u32> {
        self.len -= 1;
        self.ring.remove(&mut self.chunks, u64::from(spot.at), spot.place)
    }

    /// One whose bucket is before this one, taken out.
    pub(super) fn pop_before(&mut self, now: u64) -> Option<u32> {
        let found = self.ring.first_from(self.next)?;
        self.next = self.next.max(found.min(now));
        if found >= now {
            return None;
        }
        self.len -= 1;
        self.ring.pop(&mut self.chunks, found)
    }
}
