//! [`SpaceSaving`]: the heaviest of a stream, in the memory of so many.
//!
//! A heap whose top is the lightest that is counted, and a table that finds each. To count one that is there moves it
//! down the heap; a heavy one is near the bottom already.

use hashbrown::HashTable;
use tenantkit_core::TenantId;

#[derive(Debug)]
pub(super) struct SpaceSaving {
    most: usize,
    /// Those that are counted, each where it is until another takes its place.
    counted: Vec<Counted>,
    /// Where in `counted` a tenant is.
    slots: HashTable<u32>,
    /// Slots, the lightest first: each is no heavier than those at `2 i + 1` and `2 i + 2`.
    heap: Vec<u32>,
    total: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) tenant: TenantId,
    hash: u64,
    pub(super) amount: u64,
    /// By how much the amount may be too high.
    pub(super) over: u64,
    /// Where it is in the heap.
    place: u32,
}

impl SpaceSaving {
    /// `most` is at most 65,536.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            counted: Vec::with_capacity(most),
            // Twice, so that places of those that went are cleared where they are and not by growing.
            slots: HashTable::with_capacity(2 * most),
            heap: Vec::with_capacity(most),
            total: 0,
        }
    }

    pub(super) fn clear(&mut self) {
        self.counted.clear();
        self.slots.clear();
        self.heap.clear();
        self.total = 0;
    }

    /// Counts `amount` for a tenant. Amounts saturate.
    pub(super) fn count(&mut self, hash: u64, tenant: &TenantId, amount: u64) {
        if amount == 0 {
            return;
        }
        self.total = self.total.saturating_add(amount);
        let counted = &mut self.counted;
        if let Some(slot) = self.slots.find(hash, |it| counted[*it as usize].tenant == *tenant) {
            let known = &mut counted[*slot as usize];
            known.amount = known.amount.saturating_add(amount);
            let place = known.place;
            self.sink(place);
        } else if counted.len() < self.most {
            self.add(hash, tenant, amount);
        } else {
            self.replace(hash, tenant, amount);
        }
    }

    fn add(&mut self, hash: u64, tenant: &TenantId, amount: u64) {
        #[expect(clippy::cast_possible_truncation, reason = "fewer than `most`")]
        let slot = self.counted.len() as u32;
        self.counted.push(Counted { tenant: *tenant, hash, amount, over: 0, place: slot });
        self.heap.push(slot);
        self.enter(slot);
        self.rise(slot);
    }

    /// The newcomer takes the place of the lightest, and with it what the lightest had: so much it may have had
    /// already.
    fn replace(&mut self, hash: u64, tenant: &TenantId, amount: u64) {
        let Some(slot) = self.heap.first().copied() else { return };
        let lightest = &mut self.counted[slot as usize];
        if let Ok(entry) = self.slots.find_entry(lightest.hash, |it| *it == slot) {
            entry.remove();
        }
        (lightest.tenant, lightest.hash) = (*tenant, hash);
        lightest.over = lightest.amount;
        lightest.amount = lightest.amount.saturating_add(amount);
        self.enter(slot);
        self.sink(0);
    }

    /// All that are counted, in no order.
    pub(super) fn counted(&self) -> &[Counted] {
        &self.counted
    }

    pub(super) const fn total(&self) -> u64 {
        self.total
    }

    /// How much a tenant may have that is not counted.
    pub(super) fn absent_at_most(&self) -> u64 {
        if self.counted.len() < self.most { 0 } else { self.amount(0).unwrap_or(0) }
    }

    /// Writes down where the one in `slot` is, which has no entry.
    fn enter(&mut self, slot: u32) {
        let counted = &self.counted;
        self.slots
            .insert_unique(counted[slot as usize].hash, slot, |it| counted[*it as usize].hash);
    }

    /// Of the one at a place of the heap.
    fn amount(&self, place: u32) -> Option<u64> {
        let slot = self.heap.get(place as usize)?;
        Some(self.counted[*slot as usize].amount)
    }

    fn sink(&mut self, mut place: u32) {
        let Some(mine) = self.amount(place) else { return };
        loop {
            let left = 2 * place + 1;
            let Some(of_left) = self.amount(left) else { return };
            let (child, of_child) = match self.amount(left + 1) {
                Some(of_right) if of_right < of_left => (left + 1, of_right),
                _ => (left, of_left),
            };
            if of_child >= mine {
                return;
            }
            self.swap(place, child);
            place = child;
        }
    }

    fn rise(&mut self, mut place: u32) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.amount(parent) <= self.amount(place) {
                return;
            }
            self.swap(place, parent);
            place = parent;
        }
    }

    fn swap(&mut self, one: u32, other: u32) {
        self.heap.swap(one as usize, other as usize);
        for place in [one, other] {
            let slot = self.heap[place as usize];
            self.counted[slot as usize].place = place;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn tenant(number: u64) -> TenantId {
        TenantId::new(&format!("t{number}")).unwrap()
    }

    fn counted(most: usize, stream: &[(u64, u64)]) -> (SpaceSaving, HashMap<TenantId, u64>) {
        let (mut counts, mut truth) = (SpaceSaving::new(most), HashMap::new());
        for (number, amount) in stream {
            // Hashes that meet: identity is never the hash.
            counts.count(number % 3, &tenant(*number), *amount);
            *truth.entry(tenant(*number)).or_default() += amount;
        }
        (counts, truth)
    }

    proptest! {
        #[test]
        fn it_is_never_less_than_the_truth_nor_more_than_it_says(
            most in 1_usize..12,
            stream in prop::collection::vec((0_u64..40, 0_u64..50), 0..400),
        ) {
            let (counts, truth) = counted(most, &stream);
            let total: u64 = truth.values().sum();
            let bound = total / most as u64;
            prop_assert_eq!(counts.total(), total);
            prop_assert!(counts.absent_at_most() <= bound);
            prop_assert!(counts.counted().len() <= most);
            for it in counts.counted() {
                let true_amount = truth[&it.tenant];
                prop_assert!(true_amount <= it.amount);
                prop_assert!(it.amount - it.over <= true_amount);
                prop_assert!(it.over <= bound);
            }
            for (tenant, true_amount) in truth {
                if !counts.counted().iter().any(|it| it.tenant == tenant) {
                    prop_assert!(true_amount <= counts.absent_at_most());
                }
            }
        }

        #[test]
        fn it_is_exact_while_all_fit(stream in prop::collection::vec((0_u64..8, 1_u64..50), 0..200)) {
            let (counts, truth) = counted(8, &stream);
            prop_assert_eq!(counts.counted().len(), truth.len());
            for it in counts.counted() {
                prop_assert_eq!((it.amount, it.over), (truth[&it.tenant], 0));
            }
        }

        #[test]
        fn each_is_found_where_it_is(stream in prop::collection::vec((0_u64..40, 1_u64..50), 0..300)) {
            let (counts, _) = counted(7, &stream);
            prop_assert_eq!(counts.slots.len(), counts.counted.len());
            for (slot, it) in counts.counted.iter().enumerate() {
                prop_assert!(counts.slots.find(it.hash, |at| *at as usize == slot).is_some());
                prop_assert_eq!(counts.heap[it.place as usize] as usize, slot);
                let parent = it.place.saturating_sub(1) / 2;
                prop_assert!(counts.amount(parent) <= counts.amount(it.place));
            }
        }
    }

    #[test]
    fn amounts_saturate() {
        let mut counts = SpaceSaving::new(2);
        counts.count(1, &tenant(1), u64::MAX);
        counts.count(1, &tenant(1), u64::MAX);
        counts.count(2, &tenant(2), u64::MAX);
        counts.count(3, &tenant(3), u64::MAX);
        assert_eq!(counts.total(), u64::MAX);
        assert_eq!(counts.absent_at_most(), u64::MAX);
    }

    #[test]
    fn it_forgets_everything() {
        let (mut counts, _) = counted(4, &[(1, 2), (2, 3)]);
        counts.clear();
        assert_eq!((counts.total(), counts.counted().len(), counts.absent_at_most()), (0, 0, 0));
        counts.count(1, &tenant(1), 1);
        assert_eq!(counts.counted()[0].amount, 1);
    }
}
