//! [`Pool`]: values by number, in pages that never move and are freed when they are empty.
//!
//! Each page is twice as large as the one before it. So there are few, and it grows without copying: a newcomer never
//! waits for a million others to be moved. What is free of a page is a list through the free places
//! themselves, and the lowest page that has room is filled first, so that the large ones become empty.

use std::{
    mem,
    ops::{Index, IndexMut},
};

/// No number.
pub(super) const NIL: u32 = u32::MAX;

/// The first page has room for so many, as a power of two.
const FIRST: u32 = 8;

/// What a pool can hold: what is free links to what is free next.
pub(super) trait Pooled: Default {
    /// A field that nobody needs while the place is free.
    fn link(&mut self) -> &mut u32;
}

pub(super) struct Pool<T> {
    pages: Vec<Page<T>>,
    /// Which pages have room.
    open: u32,
    len: usize,
}

struct Page<T> {
    /// Those that were ever in use since it has memory.
    values: Vec<T>,
    /// The first free one of them.
    free: u32,
    live: u32,
}

impl<T: Pooled> Pool<T> {
    pub(super) const fn new() -> Self {
        Self { pages: Vec::new(), open: 0, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        if self.open == 0 {
            self.add_page();
        }
        let at = self.open.trailing_zeros();
        let (first, size) = bounds(at);
        let page = &mut self.pages[at as usize];
        page.live += 1;
        if page.live == size {
            self.open &= !(1 << at);
        }
        self.len += 1;
        if page.free != NIL {
            let place = page.free;
            let there = &mut page.values[place as usize];
            page.free = *there.link();
            *there = value;
            return first + place;
        }
        if page.values.capacity() == 0 {
            page.values.reserve_exact(size as usize);
        }
        page.values.push(value);
        first + page.live - 1
    }

    /// What is at a number, of which nothing may be left.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (page, place) = split(number);
        self.pages.get(page)?.values.get(place)
    }

    /// Takes a value out that is there.
    pub(super) fn remove(&mut self, number: u32) -> T {
        let (at, place) = split(number);
        let page = &mut self.pages[at];
        let mut free = T::default();
        *free.link() = mem::replace(&mut page.free, NIL);
        let value = mem::replace(&mut page.values[place], free);
        #[expect(clippy::cast_possible_truncation, reason = "half of a number at most")]
        let place = place as u32;
        page.free = place;
        page.live -= 1;
        self.len -= 1;
        self.open |= 1 << at;
        if page.live == 0 {
            self.shrink();
        }
        value
    }

    /// The numbers of all that may be there; those that are not are as `T::default()` is.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<T> {
        let filled: Vec<u32> = self.pages.iter().map(|page| count(&page.values)).collect();
        (0..)
            .zip(filled)
            .flat_map(|(at, filled)| (0..filled).map(move |place| bounds(at).0 + place))
    }

    /// Gives empty pages back, when all before them have as much room again as is in use: a value that comes
    /// and goes does not cost a page each time.
    fn shrink(&mut self) {
        for (at, page) in (0..).zip(&mut self.pages).skip(1) {
            if page.live == 0 && self.len <= bounds(at).0 as usize / 2 {
                *page = Page::new();
            }
        }
    }

    fn add_page(&mut self) {
        // Four thousand million values do not fit into the memory of a machine.
        assert!(self.pages.len() < 23, "a pool has its bound");
        self.open |= 1 << self.pages.len();
        self.pages.push(Page::new());
    }
}

impl<T> Page<T> {
    const fn new() -> Self {
        Self { values: Vec::new(), free: NIL, live: 0 }
    }
}

fn count<T>(values: &[T]) -> u32 {
    // A page has half of the numbers at most.
    u32::try_from(values.len()).unwrap_or(NIL)
}

/// A page's first number, and how many it has.
const fn bounds(page: u32) -> (u32, u32) {
    let size = 1 << (FIRST + page);
    (size - (1 << FIRST), size)
}

/// A number's page, and its place there. With the size of the first page added to it, the highest bit of a number
/// is its page's size.
#[inline]
const fn split(number: u32) -> (usize, usize) {
    let shifted = number.wrapping_add(1 << FIRST);
    let highest = u32::BITS - 1 - (shifted | 1).leading_zeros();
    (highest.wrapping_sub(FIRST) as usize, (shifted ^ (1 << highest)) as usize)
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, number: u32) -> &T {
        let (page, place) = split(number);
        &self.pages[page].values[place]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut T {
        let (page, place) = split(number);
        &mut self.pages[page].values[place]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Default)]
    struct Value {
        it: u64,
        link: u32,
    }

    impl Pooled for Value {
        fn link(&mut self) -> &mut u32 {
            &mut self.link
        }
    }

    proptest! {
        #[test]
        fn a_pool_is_a_map_by_numbers_of_its_own_and_empty_it_has_one_page(
            steps in prop::collection::vec((0_usize..2000, any::<bool>()), 1..60),
        ) {
            let (mut pool, mut model, mut next) = (Pool::new(), HashMap::new(), 0);
            for (many, is_more) in steps {
                for _ in 0..many {
                    if is_more {
                        next += 1;
                        let number = pool.insert(Value { it: next, link: 0 });
                        prop_assert!(model.insert(number, next).is_none());
                    } else if let Some(number) = model.keys().next().copied() {
                        prop_assert_eq!(Some(pool.remove(number).it), model.remove(&number));
                    }
                }
                prop_assert_eq!(pool.len(), model.len());
                for (number, value) in &model {
                    prop_assert_eq!(pool[*number].it, *value);
                }
            }
            for number in model.into_keys() {
                pool.remove(number);
            }
            let memory: usize = pool.pages.iter().map(|page| page.values.capacity()).sum();
            prop_assert!(memory <= 1 << FIRST);
        }
    }
}
