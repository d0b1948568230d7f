//! [`Ready`]: what a tenant has that could be handed out now, in order.

use super::{
    items::{Items, Queue},
    pool::NIL,
};

/// So many have their numbers in the tenant's own line of the cache.
const NEAR: usize = 4;

/// The first of them by number, and a list of the others through the items.
///
/// To list one item more touches the tenant alone while it has no more than a few: to link it to the last one would
/// have to wait for that, wherever in the memory it lies.
#[derive(Clone, Copy)]
pub(super) struct Ready {
    /// Those that are first; behind the last of them, and only there, [`NIL`].
    near: [u32; NEAR],
    /// Empty unless `near` is full.
    far: Queue,
}

impl Default for Ready {
    fn default() -> Self {
        Self { near: [NIL; NEAR], far: Queue::default() }
    }
}

impl Ready {
    #[inline]
    pub(super) fn front(&self) -> Option<u32> {
        (self.near[0] != NIL).then_some(self.near[0])
    }

    /// The first of those that are linked: it is needed when one is taken out.
    #[inline]
    pub(super) const fn linked(&self) -> Option<u32> {
        self.far.front()
    }

    #[inline]
    pub(super) fn push_back<T>(&mut self, items: &mut Items<T>, item: u32) {
        match self.near.iter().position(|it| *it == NIL) {
            Some(free) => self.near[free] = item,
            None => items.push_back(&mut self.far, item),
        }
    }

    pub(super) fn push_front<T>(&mut self, items: &mut Items<T>, item: u32) {
        let last = self.near[NEAR - 1];
        self.near.copy_within(..NEAR - 1, 1);
        self.near[0] = item;
        if last != NIL {
            items.push_front(&mut self.far, last);
        }
    }

    #[inline]
    pub(super) fn pop<T>(&mut self, items: &Items<T>) {
        self.close_gap(items, 0);
    }

    /// Takes one out that is among them.
    pub(super) fn remove<T>(&mut self, items: &mut Items<T>, item: u32) {
        match self.near.iter().position(|it| *it == item) {
            Some(at) => self.close_gap(items, at),
            None => items.unlink(&mut self.far, item),
        }
    }

    #[inline]
    fn close_gap<T>(&mut self, items: &Items<T>, at: usize) {
        self.near.copy_within(at + 1.., at);
        self.near[NEAR - 1] = match self.far.front() {
            Some(first) => {
                self.far.skip(items[first].next);
                first
            }
            None => NIL,
        };
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;
    use crate::fair::pool::Pool;

    proptest! {
        #[test]
        fn they_come_in_order_wherever_they_are_put_in_and_taken_out(
            steps in prop::collection::vec((0_u8..8, any::<prop::sample::Index>()), 1..200),
        ) {
            let (mut items, mut ready) = (Pool::new(), Ready::default());
            let mut model = VecDeque::new();
            for (step, which) in steps {
                match step {
                    0..4 => {
                        let number = items.claim().0;
                        ready.push_back::<()>(&mut items, number);
                        model.push_back(number);
                    }
                    4 => {
                        let number = items.claim().0;
                        ready.push_front(&mut items, number);
                        model.push_front(number);
                    }
                    5 if !model.is_empty() => {
                        let number = model.remove(which.index(model.len())).unwrap();
                        ready.remove(&mut items, number);
                        items.remove(number);
                    }
                    _ => {
                        prop_assert_eq!(ready.front(), model.front().copied());
                        if let Some(number) = model.pop_front() {
                            ready.pop(&items);
                            items.remove(number);
                        }
                    }
                }
                prop_assert_eq!(ready.front(), model.front().copied());
                prop_assert_eq!(ready.linked(), model.get(NEAR).copied());
            }
        }
    }
}
