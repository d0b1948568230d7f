//! [`Shared`]: all that a limiter's handles, permits and waiters have in common.

use std::{hash::Hash, task::Waker};

use super::{
    cap::{Cap, Resource},
    sharing::Sharing,
    sync::{Mutex, MutexGuard},
    table::{Place, Table, lock},
    waiting::{Bounds, Common, GaveUp, Waiting, Wakers},
    word::{Blocked, View, Word},
};

#[derive(Debug)]
pub(super) struct Shared<K> {
    table: Table<K>,
    word: Word,
    sharing: Sharing,
    waiting: Mutex<Waiting>,
}

/// Why there is no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// The tenant has as much as it may have.
    Own,
    /// There is none left in common.
    Common,
}

impl<K> Shared<K> {
    pub(super) fn new(shards: usize, limit: u32, sharing: Sharing, bounds: Bounds) -> Self {
        Self {
            table: Table::new(shards),
            word: Word::new(limit),
            sharing,
            waiting: Mutex::new(Waiting::new(bounds)),
        }
    }

    pub(super) fn view(&self) -> View {
        self.word.view()
    }

    pub(super) fn tenants(&self) -> usize {
        self.table.len()
    }

    pub(super) fn waiters(&self) -> usize {
        lock(&self.waiting).len()
    }

    /// Gives a permit back, to whoever is next.
    pub(super) fn give_back(&self, place: Place, resource: Resource) -> View {
        // The tenant's count first: whoever then finds the common count still full leaves the mark
        // in the word that is seen here.
        let queue = self.table.give_back(place, resource);
        let before = self.word.give_back();
        if queue.is_some() || before.somebody_waits() {
            let mut waiting = lock(&self.waiting);
            if let Some(queue) = queue {
                waiting.stir(&self.common(), queue);
            }
            self.settle(waiting);
        }
        before
    }

    /// Changes the global limit, for all who come. [`give_out`](Self::give_out) is due then.
    pub(super) fn set_limit(&self, limit: u32) {
        self.word.set_limit(limit);
    }

    /// Gives out what a new limit has for those who wait.
    pub(super) fn give_out(&self) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() > 0 {
            waiting.stir_all(&self.common());
            self.settle(waiting);
        }
    }

    /// Looks whether the waiter has its permit.
    pub(super) fn poll(&self, waiter: u32, waker: &Waker) -> Option<Place> {
        // Cloned and, below, dropped outside the lock: what a waker does then is not ours to know.
        let waker = waker.clone();
        let (place, _waker) = lock(&self.waiting).poll(waiter, waker);
        place
    }

    /// Takes a waiter away, and gives back the permit that it may have been given.
    pub(super) fn give_up(&self, waiter: u32) {
        let gave_up = lock(&self.waiting).give_up(&self.common(), waiter);
        if let GaveUp::Granted(place, resource) = gave_up {
            self.give_back(place, resource);
        }
    }

    fn settle(&self, mut waiting: MutexGuard<'_, Waiting>) {
        let wakers = waiting.settle(&self.common());
        drop(waiting);
        drop(wakers);
    }

    const fn common(&self) -> Common<'_, K> {
        Common { table: &self.table, word: &self.word, sharing: self.sharing }
    }
}

impl<K: Eq + Hash + Clone> Shared<K> {
    pub(super) fn held(&self, key: &K, resource: Resource) -> u32 {
        self.table.held(key, resource)
    }

    /// Takes a permit, if there is one and nobody is before.
    pub(super) fn take(&self, key: &K, cap: Cap) -> Result<Place, Refused> {
        let blocked = match self.table.take(key, cap, &self.word, self.sharing) {
            Ok(place) => return Ok(place),
            Err(blocked) => blocked,
        };
        let view = self.word.view();
        if blocked == Blocked::Own {
            return Err(Refused::Own);
        }
        if view.in_use() >= view.limit() || !view.somebody_waits() {
            return Err(Refused::Common);
        }
        // There is some left, and somebody is before. Perhaps only while the ones who wait are being
        // looked through: ask again when that is over.
        let waiting = lock(&self.waiting);
        let taken = self.table.take(key, cap, &self.word, self.sharing);
        drop(waiting);
        taken.map_err(|blocked| match blocked {
            Blocked::Own => Refused::Own,
            Blocked::Common(_) => Refused::Common,
        })
    }

    /// Stands in line for a permit. Tells where, or that too many stand there, and whom to wake.
    pub(super) fn enqueue(&self, key: &K, cap: Cap, waker: &Waker) -> (Option<u32>, Wakers) {
        let waker = waker.clone();
        let mut waiting = lock(&self.waiting);
        let enqueued = waiting.enqueue(&self.common(), key, cap, waker);
        // Also to serve the new waiter itself, for whom there may be a permit by now.
        let wakers = waiting.settle(&self.common());
        drop(waiting);
        (enqueued.ok(), wakers)
    }
}
