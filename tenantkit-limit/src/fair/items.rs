//! [`Items`]: what is in the queue, each in one list at a time.

use std::{num::NonZeroU64, time::Duration};

use super::{
    Weight,
    pool::{NIL, Pool, Pooled},
    state::nanos,
};

/// One item. All but what is large of it is in one line of the cache.
#[repr(C, align(64))]
pub(super) struct Item<T> {
    pub(super) key: Option<NonZeroU64>,
    /// Since when it waits, in nanoseconds.
    pub(super) since: u64,
    /// When its lease or its delay ends, in nanoseconds.
    pub(super) due: u64,
    /// The number of its lease, or of the last one.
    pub(super) lease: u64,
    pub(super) cost: u32,
    pub(super) tenant: u32,
    pub(super) attempts: u32,
    /// The weight that its tenant had when it was charged.
    pub(super) weight: Weight,
    pub(super) class: u8,
    pub(super) state: ItemState,
    pub(super) next: u32,
    pub(super) prev: u32,
    /// It stays here until it is completed or dead; who holds a lease has a clone.
    pub(super) value: Option<T>,
}

/// Where an item is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ItemState {
    #[default]
    None,
    /// It could be handed out.
    Ready,
    /// It is behind another of its key.
    Behind,
    /// It waits for a time.
    Delayed,
    /// Somebody works on it.
    Leased,
}

impl<T> Default for Item<T> {
    fn default() -> Self {
        Self {
            value: None,
            key: None,
            since: 0,
            due: 0,
            lease: 0,
            cost: 0,
            tenant: NIL,
            attempts: 0,
            weight: Weight::ONE,
            class: 0,
            state: ItemState::None,
            next: NIL,
            prev: NIL,
        }
    }
}

impl<T> Item<T> {
    /// Whether it waits for just this time.
    pub(super) fn is_delayed(&self, due: Duration) -> bool {
        self.state == ItemState::Delayed && self.due == nanos(due)
    }
}

impl<T> Pooled for Item<T> {
    fn link(&mut self) -> &mut u32 {
        &mut self.next
    }

    fn clear(&mut self) {
        self.value = None;
        self.state = ItemState::None;
    }
}

/// A list of items, in both directions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Queue {
    head: u32,
    tail: u32,
}

impl Default for Queue {
    fn default() -> Self {
        Self { head: NIL, tail: NIL }
    }
}

impl Queue {
    pub(super) const fn front(self) -> Option<u32> {
        if self.head == NIL { None } else { Some(self.head) }
    }

    /// Takes the first one out, behind which is this one. What that has before it is not looked at, and so is not kept:
    /// taking the first out does not touch the second.
    #[inline]
    pub(super) fn skip(&mut self, next: u32) {
        self.head = next;
        if next == NIL {
            self.tail = NIL;
        }
    }
}

pub(super) type Items<T> = Pool<Item<T>>;

impl<T> Items<T> {
    pub(super) fn push_back(&mut self, queue: &mut Queue, item: u32) {
        let there = &mut self[item];
        there.prev = queue.tail;
        there.next = NIL;
        match queue.tail {
            NIL => queue.head = item,
            tail => self[tail].next = item,
        }
        queue.tail = item;
    }

    pub(super) fn push_front(&mut self, queue: &mut Queue, item: u32) {
        self[item].next = queue.head;
        self[item].prev = NIL;
        match queue.head {
            NIL => queue.tail = item,
            head => self[head].prev = item,
        }
        queue.head = item;
    }

    pub(super) fn unlink(&mut self, queue: &mut Queue, item: u32) {
        let Item { next, prev, .. } = self[item];
        if queue.head == item {
            return queue.skip(next);
        }
        self[prev].next = next;
        match next {
            NIL => queue.tail = prev,
            next => self[next].prev = prev,
        }
    }
}

const _: () = assert!(size_of::<Item<u32>>() == 64, "an item that is small is a line of the cache");
