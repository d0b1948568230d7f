//! [`Pool`]: values by number, in pages that never move and are freed when they are empty.
//!
//! It grows without copying, so that a newcomer never waits for a million others to be moved, and what a
//! busy hour has filled is given back after it.

use std::ops::{Index, IndexMut};

/// No number.
pub(super) const NIL: u32 = u32::MAX;

const PAGE_BITS: u32 = 10;
const PAGE: usize = 1 << PAGE_BITS;

pub(super) struct Pool<T> {
    pages: Vec<Box<[T]>>,
    free: Vec<Free>,
    /// Pages that have room, the one to fill next at the end. An empty one has no memory ...
    open: Vec<u32>,
    /// ... but for this: or one value that comes and goes could cost a page each time.
    spare: Option<u32>,
    len: usize,
}

struct Free {
    /// What of the page is free, the next at the end.
    places: Vec<u16>,
    is_open: bool,
}

impl<T: Default> Pool<T> {
    pub(super) const fn new() -> Self {
        Self { pages: Vec::new(), free: Vec::new(), open: Vec::new(), spare: None, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) fn insert(&mut self, value: T) -> u32 {
        let page = self.open.last().copied().unwrap_or_else(|| self.add_page());
        let at = page as usize;
        if self.spare == Some(page) {
            self.spare = None;
        } else if self.pages[at].is_empty() {
            self.pages[at] = (0..PAGE).map(|_| T::default()).collect();
            #[expect(clippy::cast_possible_truncation, reason = "below PAGE")]
            self.free[at].places.extend((0..PAGE).rev().map(|place| place as u16));
        }
        let free = &mut self.free[at];
        // An open page with memory has room.
        let place = free.places.pop().unwrap_or_default();
        if free.places.is_empty() {
            free.is_open = false;
            self.open.pop();
        }
        self.len += 1;
        self.pages[at][usize::from(place)] = value;
        (page << PAGE_BITS) | u32::from(place)
    }

    /// What is at a number, of which nothing may be left.
    pub(super) fn get(&self, number: u32) -> Option<&T> {
        let (page, place) = split(number);
        self.pages.get(page)?.get(place)
    }

    /// Takes a value out that is there.
    pub(super) fn remove(&mut self, number: u32) -> T {
        let (at, place) = split(number);
        let page = number >> PAGE_BITS;
        let value = std::mem::take(&mut self.pages[at][place]);
        let free = &mut self.free[at];
        #[expect(clippy::cast_possible_truncation, reason = "below PAGE")]
        free.places.push(place as u16);
        self.len -= 1;
        if !free.is_open {
            free.is_open = true;
            self.open.push(page);
        }
        if free.places.len() == PAGE {
            if self.spare.is_none() {
                self.spare = Some(page);
            } else {
                self.pages[at] = Box::default();
                free.places = Vec::new();
            }
        }
        value
    }

    /// The numbers of all that may be there; those that are not are as `T::default()` is.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> + use<T> {
        let full: Vec<usize> =
            (0..self.pages.len()).filter(|page| !self.pages[*page].is_empty()).collect();
        #[expect(clippy::cast_possible_truncation, reason = "as many as `NIL` at most")]
        full.into_iter()
            .flat_map(|page| (0..PAGE).map(move |place| ((page << PAGE_BITS) | place) as u32))
    }

    fn add_page(&mut self) -> u32 {
        // Four thousand million values do not fit into the memory of a machine.
        assert!(self.pages.len() < NIL as usize >> PAGE_BITS, "a pool has its bound");
        #[expect(clippy::cast_possible_truncation, reason = "just asserted")]
        let page = self.pages.len() as u32;
        self.pages.push(Box::default());
        self.free.push(Free { places: Vec::new(), is_open: true });
        self.open.push(page);
        page
    }
}

const fn split(number: u32) -> (usize, usize) {
    ((number >> PAGE_BITS) as usize, number as usize & (PAGE - 1))
}

impl<T> Index<u32> for Pool<T> {
    type Output = T;

    #[inline]
    fn index(&self, number: u32) -> &T {
        let (page, place) = split(number);
        &self.pages[page][place]
    }
}

impl<T> IndexMut<u32> for Pool<T> {
    #[inline]
    fn index_mut(&mut self, number: u32) -> &mut T {
        let (page, place) = split(number);
        &mut self.pages[page][place]
    }
}
