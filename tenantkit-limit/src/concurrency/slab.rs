//! [`Slab`]: values at places that stay, and [`List`]: an order of them from which any is taken out
//! in constant time, as a waiter that gives up must be.

use std::ops::{Index, IndexMut};

/// Values, each at an index that is its own until it is removed.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        if let Some(at) = self.free.pop() {
            self.places[at as usize] = Some(value);
            return at;
        }
        // What is held and what waits is bounded below 2^31, by the word of the limit and by the caps
        // on waiters.
        #[expect(clippy::cast_possible_truncation, reason = "bounded below 2^31")]
        let at = self.places.len() as u32;
        self.places.push(Some(value));
        at
    }

    pub(super) fn remove(&mut self, at: u32) -> Option<T> {
        let value = self.places.get_mut(at as usize)?.take();
        if value.is_some() {
            self.free.push(at);
        }
        value
    }

    pub(super) fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.places.get_mut(at as usize)?.as_mut()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn keys(&self) -> Vec<u32> {
        (0..).zip(&self.places).filter(|(_, value)| value.is_some()).map(|(at, _)| at).collect()
    }
}

impl<T> Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, at: u32) -> &T {
        match &self.places[at as usize] {
            Some(value) => value,
            None => unreachable!("the place at {at} is free"),
        }
    }
}

impl<T> IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        match &mut self.places[at as usize] {
            Some(value) => value,
            None => unreachable!("the place at {at} is free"),
        }
    }
}

/// The neighbours of a value in its [`List`].
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Link {
    before: Option<u32>,
    after: Option<u32>,
}

impl Link {
    /// In no list.
    pub(super) const NONE: Self = Self { before: None, after: None };
}

/// A value that can stand in a [`List`], in one at a time.
pub(super) trait Linked {
    fn link(&mut self) -> &mut Link;
}

/// An order of values of a [`Slab`], first in, first out.
#[derive(Debug, Default)]
pub(super) struct List {
    first: Option<u32>,
    last: Option<u32>,
    len: u32,
}

impl List {
    pub(super) const fn new() -> Self {
        Self { first: None, last: None, len: 0 }
    }

    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) const fn first(&self) -> Option<u32> {
        self.first
    }

    /// Puts `at` last. It stands in no list.
    pub(super) fn push<T: Linked>(&mut self, slab: &mut Slab<T>, at: u32) {
        *slab[at].link() = Link { before: self.last, after: None };
        self.len += 1;
        match self.last.replace(at) {
            Some(last) => slab[last].link().after = Some(at),
            None => self.first = Some(at),
        }
    }

    /// Takes `at` out. It stands in this list.
    pub(super) fn unlink<T: Linked>(&mut self, slab: &mut Slab<T>, at: u32) {
        let Link { before, after } = std::mem::take(slab[at].link());
        self.len -= 1;
        match before {
            Some(before) => slab[before].link().after = after,
            None => self.first = after,
        }
        match after {
            Some(after) => slab[after].link().before = before,
            None => self.last = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Value(Link);

    impl Linked for Value {
        fn link(&mut self) -> &mut Link {
            &mut self.0
        }
    }

    #[test]
    fn a_list_keeps_its_order_whichever_is_taken_out() {
        for gone in 0..4 {
            let (mut slab, mut list) = (Slab::new(), List::default());
            let all: Vec<u32> = (0..4).map(|_| slab.insert(Value::default())).collect();
            for at in &all {
                list.push(&mut slab, *at);
            }
            list.unlink(&mut slab, gone);
            slab.remove(gone);
            assert_eq!(slab.insert(Value::default()), gone, "a free place is used again");
            list.push(&mut slab, gone);
            let mut order = Vec::new();
            while let Some(at) = list.first() {
                list.unlink(&mut slab, at);
                order.push(at);
            }
            let mut expected: Vec<u32> = all.into_iter().filter(|at| *at != gone).collect();
            expected.push(gone);
            assert_eq!(order, expected);
        }
    }
}
