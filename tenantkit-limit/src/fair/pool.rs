//! [`Pool`]: values by number, in pages that never move and are freed when they are empty.
//!
//! It grows by a page at a time and without copying: a newcomer never waits for a million others to be moved. A value is
//! found in two steps, of which the first is through the addresses of the pages, which are few and so in the cache.
//! What is free of a page is a list through its free places, the last one freed first: that is in the cache as well.

use std::{
    ops::{Index, IndexMut},
    slice,
};

use prefetch_index::prefetch_index;

/// No number.
pub(super) const NIL: u32 = u32::MAX;

/// How many values a page has, as a power of two.
const BITS: u32 = 10;
const SIZE: usize = 1 << BITS;

/// What a pool can hold.
pub(super) trait Pooled: Default {
    /// A field that nobody needs while the place is free: it links to what is free next.
    fn link(&mut self) -> &mut u32;

    /// Drops what it holds.
    fn clear(&mut self);
}

pub(super) struct Pool<T> {
    /// None where there is no memory.
    pages: Vec<Option<Box<[T; SIZE]>>>,
    rooms: Vec<Room>,
    /// The pages that have room. The last one is filled first.
    open: Vec<u32>,
    /// How many pages have memory and nothing in it.
    spare: u32,
    len: usize,
}

/// What is free of a page.
struct Room {
    first: u32,
    live: u32,
}

impl<T: Pooled> Pool<T> {
    pub(super) const fn new() -> Self {
        Self { pages: Vec::new(), rooms: Vec::new(), open: Vec::new(), spare: 0, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// A place to fill. It holds nothing, and is otherwise as it was left: to write some fields of a value
    /// takes less time than to move one.
    #[inline]
    pub(super) fn claim(&mut self) -> (u32, &mut T) {
        let page = self.open.last().copied().unwrap_or_else(|| self.add_page());
        if self.rooms[page as usize].live == 0 {
            self.open_up(page as usize);
        }
        let room = &mut self.rooms[page as usize];
        let number = page << BITS | room.first;
        let value = at_mut(&mut self.pages, number);
        room.first = *value.link();
        room.live += 1;
        if room.first == NIL {
            self.open.pop();
        }
        self.len += 1;
        (number, value)
    }

    /// What is at a number, of which nothing may be left.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (page, place) = split(number);
        self.pages.get(page)?.as_ref().map(|values| &values[place])
    }

    /// Empties a place that was claimed.
    #[inline]
    pub(super) fn remove(&mut self, number: u32) {
        let page = split(number).0;
        let room = &mut self.rooms[page];
        let value = at_mut(&mut self.pages, number);
        value.clear();
        *value.link() = room.first;
        if room.first == NIL {
            self.open.push(number >> BITS);
        }
        room.first = number & (SIZE as u32 - 1);
        room.live -= 1;
        self.len -= 1;
        if room.live == 0 {
            self.close_down(page);
        }
    }

    /// Tells the cache that a value will soon be needed, or a part of it, and does not wait for it.
    #[inline]
    pub(super) fn expect<P>(&self, number: u32, part: impl FnOnce(&T) -> &P) {
        prefetch_index(slice::from_ref(part(&self[number])), 0);
    }

    /// The numbers of all that may be there; those that are not hold nothing.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<T> {
        let has_memory: Vec<bool> = self.pages.iter().map(Option::is_some).collect();
        let pages = (0..).zip(has_memory).filter(|(_, has_memory)| *has_memory);
        pages.flat_map(|(page, _)| (0..SIZE as u32).map(move |place| page << BITS | place))
    }

    #[cold]
    fn add_page(&mut self) -> u32 {
        let page = self.pages.len() as u32;
        // Four thousand million values do not fit into the memory of a machine.
        assert!(page < NIL >> BITS, "a pool has its bound");
        self.pages.push(None);
        self.rooms.push(Room { first: 0, live: 0 });
        self.open.push(page);
        page
    }

    #[cold]
    fn open_up(&mut self, page: usize) {
        if self.pages[page].is_some() {
            self.spare -= 1;
            return;
        }
        let link = |next: u32| {
            let mut value = T::default();
            *value.link() = if next < SIZE as u32 { next } else { NIL };
            value
        };
        let values: Vec<T> = (1..=SIZE as u32).map(link).collect();
        self.pages[page] = values.try_into().ok();
        self.rooms[page].first = 0;
    }

    /// Gives the memory of an empty page back, but for one page: a value that comes and goes does not cost a page each
    /// time.
    #[cold]
    fn close_down(&mut self, page: usize) {
        if self.spare == 0 {
            self.spare = 1;
        } else {
            self.pages[page] = None;
        }
    }
}

/// A number's page, and its place there.
#[inline]
const fn split(number: u32) -> (usize, usize) {
    ((number >> BITS) as usize, number as usize % SIZE)
}

#[inline]
fn at_mut<T>(pages: &mut [Option<Box<[T; SIZE]>>], number: u32) -> &mut T {
    let (page, place) = split(number);
    match &mut pages[page] {
        Some(values) => &mut values[place],
        None => nothing_there(),
    }
}

#[cold]
fn nothing_there() -> ! {
    panic!("a number is of what was claimed");
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, number: u32) -> &T {
        let (page, place) = split(number);
        match &self.pages[page] {
            Some(values) => &values[place],
            None => nothing_there(),
        }
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut T {
        at_mut(&mut self.pages, number)
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, mem};

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

        fn clear(&mut self) {
            self.it = 0;
        }
    }

    proptest! {
        #[test]
        fn a_pool_is_a_map_by_numbers_of_its_own_and_empty_it_has_one_page(
            steps in prop::collection::vec((0_usize..2000, any::<bool>()), 1..16),
        ) {
            let (mut pool, mut model, mut next) = (Pool::<Value>::new(), BTreeMap::new(), 0);
            for (many, is_more) in steps {
                for _ in 0..many {
                    if is_more {
                        next += 1;
                        let (number, value) = pool.claim();
                        prop_assert_eq!(mem::replace(&mut value.it, next), 0);
                        prop_assert!(model.insert(number, next).is_none());
                    } else {
                        let one = if many % 2 == 0 { model.pop_first() } else { model.pop_last() };
                        let Some((number, it)) = one else { break };
                        prop_assert_eq!(pool[number].it, it);
                        pool.remove(number);
                    }
                }
                prop_assert_eq!(pool.len(), model.len());
                let live = pool.numbers().filter_map(|number| Some((number, pool.get(number)?.it)));
                let live: BTreeMap<_, _> = live.filter(|(_, it)| *it > 0).collect();
                prop_assert_eq!(&live, &model);
            }
            for number in model.into_keys() {
                pool.remove(number);
            }
            prop_assert!(pool.pages.iter().flatten().count() <= 1);
        }
    }
}
