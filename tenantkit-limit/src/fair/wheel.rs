//! [`Wheel`]: who is served next. Tenants by the bucket of their start tag.
//!
//! The buckets near the virtual time are a ring, in which everything is found in constant time. What is
//! beyond it is in an ordered map by bucket, so that a cost of any size has its exact bucket, nothing is ever
//! moved from level to level, and the most that an operation does is to find a place in that map.

use std::collections::BTreeMap;

use super::{
    chunks::{Chunks, List, Place},
    ring::{BUCKETS, Ring},
};

pub(super) struct Wheel {
    chunks: Chunks,
    near: Ring,
    far: BTreeMap<u64, List>,
    /// The bucket of the virtual time. Nothing is before it.
    now: u64,
}

/// Who is served next.
#[derive(Clone, Copy)]
pub(super) struct Front {
    pub(super) tenant: u32,
    /// Who is likely to be served after that.
    pub(super) after: [Option<u32>; 2],
    bucket: u64,
    is_far: bool,
}

/// Where a tenant stands in the wheel.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spot {
    pub(super) place: Place,
    pub(super) is_far: bool,
}

impl Wheel {
    pub(super) fn new() -> Self {
        Self { chunks: Chunks::new(), near: Ring::new(), far: BTreeMap::new(), now: 0 }
    }

    pub(super) const fn now(&self) -> u64 {
        self.now
    }

    pub(super) fn is_empty(&self) -> bool {
        self.near.first_from(self.now).is_none() && self.far.is_empty()
    }

    pub(super) fn insert(&mut self, bucket: u64, tenant: u32) -> Spot {
        let bucket = bucket.max(self.now);
        if bucket - self.now < BUCKETS {
            let place = self.near.push(&mut self.chunks, bucket, tenant);
            return Spot { place, is_far: false };
        }
        let list = self.far.entry(bucket).or_insert(List::EMPTY);
        Spot { place: self.chunks.push(list, tenant), is_far: true }
    }

    /// Takes out a tenant that was inserted with this bucket. Answers which other has now its place.
    pub(super) fn remove(&mut self, bucket: u64, spot: Spot) -> Option<u32> {
        // One that was inserted behind the virtual time stands at it, which cannot have moved since.
        let bucket = bucket.max(self.now);
        if !spot.is_far {
            return self.near.remove(&mut self.chunks, bucket, spot.place);
        }
        let list = self.far.get_mut(&bucket)?;
        let moved = self.chunks.remove(list, spot.place);
        if list.is_empty() {
            self.far.remove(&bucket);
        }
        moved
    }

    /// Who is served next, without taking it out, and who is likely to be after it.
    pub(super) fn front(&self) -> Option<Front> {
        let (bucket, is_far) = self.first()?;
        let list = if is_far { *self.far.first_key_value()?.1 } else { self.near.list(bucket) };
        let (tenant, after) = self.chunks.front(list)?;
        Some(Front { tenant, after, bucket, is_far })
    }

    /// Takes out who is served next. The virtual time is then in its bucket.
    pub(super) fn pop(&mut self, front: &Front) -> Option<u32> {
        let Front { bucket, is_far, .. } = *front;
        self.now = bucket;
        if !is_far {
            return self.near.pop(&mut self.chunks, bucket);
        }
        let mut entry = self.far.first_entry()?;
        let tenant = self.chunks.pop(entry.get_mut());
        if entry.get().is_empty() {
            entry.remove();
        }
        tenant
    }

    /// Lets the virtual time go on, with nobody in the wheel.
    pub(super) fn advance(&mut self, bucket: u64) {
        if self.is_empty() {
            self.now = self.now.max(bucket);
        }
    }

    /// The first bucket that is not empty, and whether it is that of the far ones.
    fn first(&self) -> Option<(u64, bool)> {
        let near = self.near.first_from(self.now);
        let far = if self.far.is_empty() { None } else { self.far.first_key_value() };
        match (near, far) {
            (Some(near), Some((far, _))) if *far < near => Some((*far, true)),
            (Some(near), _) => Some((near, false)),
            (None, far) => far.map(|(far, _)| (*far, true)),
        }
    }
}
