//! [`Wheel`]: who is served next. Tenants by the bucket of their start tag.
//!
//! The buckets near the virtual time are a ring, in which everything is found in constant time. What is
//! beyond it is in an ordered map by bucket, so that a cost of any size has its exact bucket, nothing is ever
//! moved from level to level, and the most that an operation does is to find a place in that map.

use std::collections::BTreeMap;

use super::{
    chunks::{Chunks, List, Place},
    ring::{BUCKETS, Ring},
    tag::Bucket,
};

pub(super) struct Wheel {
    chunks: Chunks,
    near: Ring,
    far: BTreeMap<Bucket, List>,
    /// The bucket of the virtual time. Nothing is before it.
    now: Bucket,
}

/// Who is served next.
#[derive(Clone, Copy)]
pub(super) struct Front {
    pub(super) tenant: u32,
    bucket: Bucket,
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

    pub(super) const fn now(&self) -> Bucket {
        self.now
    }

    pub(super) fn is_empty(&self) -> bool {
        self.near.first_from(self.now).is_none() && self.far.is_empty()
    }

    #[inline]
    pub(super) fn insert(&mut self, bucket: Bucket, tenant: u32) -> Spot {
        let bucket = bucket.max(self.now);
        if bucket - self.now < BUCKETS {
            let place = self.near.push(&mut self.chunks, bucket, tenant);
            return Spot { place, is_far: false };
        }
        let list = self.far.entry(bucket).or_insert(List::EMPTY);
        Spot { place: self.chunks.push(list, tenant), is_far: true }
    }

    /// Takes out a tenant that was inserted with this bucket. Answers which other has now its place.
    pub(super) fn remove(&mut self, bucket: Bucket, spot: Spot) -> Option<u32> {
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

    /// Who is served next, without taking it out.
    #[inline]
    pub(super) fn front(&self) -> Option<Front> {
        let (bucket, is_far) = self.first()?;
        let tenant = self.chunks.front(self.list(bucket, is_far)?)?;
        Some(Front { tenant, bucket, is_far })
    }

    /// Who is likely to be served two and four pops after it.
    pub(super) fn after(&self, front: &Front) -> [Option<u32>; 2] {
        let list = self.list(front.bucket, front.is_far);
        list.map_or([None; 2], |list| self.chunks.after_front(list))
    }

    /// That of a bucket which is the first.
    #[inline]
    fn list(&self, bucket: Bucket, is_far: bool) -> Option<List> {
        if is_far {
            self.far.first_key_value().map(|it| *it.1)
        } else {
            Some(self.near.list(bucket))
        }
    }

    /// Takes out who is served next. The virtual time is then in its bucket.
    #[inline]
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
    pub(super) fn advance(&mut self, bucket: Bucket) {
        if self.is_empty() {
            self.now = self.now.max(bucket);
        }
    }

    /// The first bucket that is not empty, and whether it is that of the far ones.
    #[inline]
    fn first(&self) -> Option<(Bucket, bool)> {
        let near = self.near.first_from(self.now);
        let far = if self.far.is_empty() { None } else { self.far.first_key_value() };
        match (near, far) {
            // Of one bucket, those that came while it was far away came first.
            (Some(near), Some((far, _))) if *far <= near => Some((*far, true)),
            (Some(near), _) => Some((near, false)),
            (None, far) => far.map(|(far, _)| (*far, true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// A wheel, and what it ought to be: tenants by bucket, as they came.
    struct Both {
        wheel: Wheel,
        model: BTreeMap<Bucket, Vec<u32>>,
        spots: HashMap<u32, (Bucket, Spot)>,
        /// Somebody was taken out of the middle, where the last of the chunk has the place now.
        is_shuffled: bool,
    }

    impl Both {
        fn insert(&mut self, bucket: Bucket, tenant: u32) {
            let spot = self.wheel.insert(bucket, tenant);
            self.model.entry(bucket.max(self.wheel.now())).or_default().push(tenant);
            self.spots.insert(tenant, (bucket, spot));
        }

        fn remove(&mut self, tenant: u32) {
            let Some((bucket, spot)) = self.spots.remove(&tenant) else { return };
            if let Some(moved) = self.wheel.remove(bucket, spot) {
                self.spots.get_mut(&moved).unwrap().1.place = spot.place;
            }
            self.forget(tenant);
            self.is_shuffled = true;
        }

        fn forget(&mut self, tenant: u32) {
            self.model.values_mut().for_each(|list| list.retain(|other| *other != tenant));
            self.model.retain(|_, list| !list.is_empty());
        }

        fn pop(&mut self) -> Result<(), TestCaseError> {
            let Some(front) = self.wheel.front() else {
                prop_assert!(self.model.is_empty() && self.wheel.is_empty());
                return Ok(());
            };
            let (bucket, list) = self.model.first_key_value().unwrap();
            prop_assert_eq!(front.bucket, *bucket);
            prop_assert!(list.contains(&front.tenant));
            let after = self.wheel.after(&front);
            prop_assert!(after.iter().flatten().all(|tenant| list.contains(tenant)));
            if !self.is_shuffled {
                prop_assert_eq!(front.tenant, list[0], "who came first is first");
                // Nothing is said beyond a list: of one bucket a near one may follow a far one.
                for (told, place) in after.into_iter().zip([2, 4]) {
                    prop_assert!(told.is_none() || told.as_ref() == list.get(place));
                }
            }
            prop_assert_eq!(self.wheel.pop(&front), Some(front.tenant));
            prop_assert_eq!(self.wheel.now(), front.bucket);
            self.spots.remove(&front.tenant);
            self.forget(front.tenant);
            Ok(())
        }
    }

    proptest! {
        #[test]
        fn the_first_of_the_first_bucket_is_next_near_or_far(
            steps in prop::collection::vec((0_u8..10, 0_usize..9), 1..400),
            has_removals in any::<bool>(),
        ) {
            const AHEAD: [Bucket; 9] = [0, 0, 1, 63, 64, 1_000, 4_095, 4_096, 1 << 100];
            let spots = HashMap::new();
            let mut both =
                Both { wheel: Wheel::new(), model: BTreeMap::new(), spots, is_shuffled: false };
            for (tenant, (step, which)) in (0..).zip(steps) {
                match step {
                    0..4 => both.insert(both.wheel.now() + AHEAD[which], tenant),
                    // One that is there already, from wherever the virtual time is by now.
                    4 | 5 => {
                        let last = both.model.keys().nth_back(which % 2).copied();
                        both.insert(last.unwrap_or(0), tenant);
                    }
                    // Behind the virtual time.
                    6 => both.insert(both.wheel.now() / 2, tenant),
                    7 if has_removals => both.remove(tenant.saturating_sub(1 << which)),
                    _ => both.pop()?,
                }
            }
            while !both.model.is_empty() {
                both.pop()?;
            }
            prop_assert!(both.wheel.is_empty() && both.wheel.far.is_empty());
            prop_assert_eq!(both.wheel.chunks.len(), 0, "a list that is empty has no chunk");
        }
    }

    #[test]
    fn the_virtual_time_goes_on_by_itself_only_where_nobody_waits() {
        let mut wheel = Wheel::new();
        wheel.insert(7, 1);
        wheel.advance(9);
        assert_eq!(wheel.now(), 0);
        let front = wheel.front().unwrap();
        wheel.pop(&front);
        wheel.advance(9);
        wheel.advance(8);
        assert_eq!(wheel.now(), 9);
    }
}
