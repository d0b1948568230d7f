//! [`Idle`]: tenants that have nothing, and are remembered until the virtual time has passed their finish tag.

use super::{
    chunks::{Chunks, Place},
    ring::{BUCKETS, Ring},
    tag::Bucket,
};

pub(super) struct Idle {
    chunks: Chunks,
    ring: Ring,
    /// The first bucket that has not been looked through.
    next: Bucket,
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
    pub(super) fn insert(&mut self, now: Bucket, bucket: Bucket, tenant: u32) -> Spot {
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
        self.ring.remove(&mut self.chunks, spot.at.into(), spot.place)
    }

    /// One whose bucket is before this one, taken out.
    pub(super) fn pop_before(&mut self, now: Bucket) -> Option<u32> {
        let found = self.ring.first_from(self.next)?;
        self.next = self.next.max(found.min(now));
        if found >= now {
            return None;
        }
        self.len -= 1;
        self.ring.pop(&mut self.chunks, found)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn whom_the_virtual_time_has_passed_comes_out_and_the_near_ones_no_earlier(
            steps in prop::collection::vec((0_u8..8, 0_usize..7), 1..300),
        ) {
            const AHEAD: [Bucket; 7] = [0, 1, 63, 64, 4_000, 4_096, 20_000];
            let (mut idle, mut now) = (Idle::new(), 0);
            let mut model: HashMap<u32, (Bucket, Bucket, Spot)> = HashMap::new();
            for (tenant, (step, which)) in (0..).zip(steps) {
                match step {
                    0..4 => {
                        let bucket = now + AHEAD[which];
                        let spot = idle.insert(now, bucket, tenant);
                        model.insert(tenant, (bucket, now, spot));
                    }
                    4 => {
                        let one = model.keys().min().copied();
                        let Some((_, _, spot)) = one.and_then(|one| model.remove(&one)) else {
                            continue;
                        };
                        if let Some(moved) = idle.remove(spot) {
                            model.get_mut(&moved).unwrap().2.place = spot.place;
                        }
                    }
                    _ => {
                        now += AHEAD[which] / 2;
                        while let Some(tenant) = idle.pop_before(now) {
                            let (bucket, since, _) = model.remove(&tenant).unwrap();
                            // What is too far away for the ring is looked at in between.
                            prop_assert!(bucket < now || bucket >= since + BUCKETS);
                        }
                        prop_assert!(model.values().all(|(bucket, _, _)| *bucket >= now));
                    }
                }
                prop_assert_eq!(idle.len(), model.len());
            }
        }
    }
}
