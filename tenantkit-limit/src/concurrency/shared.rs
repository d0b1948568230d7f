//! [`Shared`]: all that a limiter's handles, permits and waiters have in common.

use std::{hash::Hash, task::Waker};

use super::{
    cap::{Cap, Resource},
    sharing::Sharing,
    sync::{Mutex, MutexGuard},
    table::{GivenBack, Place, Table, lock},
    waiting::{Bounds, Common, GaveUp, Line, Waiting, Wakers},
    word::{Blocked, Word},
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

impl From<Blocked> for Refused {
    fn from(blocked: Blocked) -> Self {
        match blocked {
            Blocked::Own => Self::Own,
            Blocked::Common(..) => Self::Common,
        }
    }
}

/// Whether the count of all must be exact, not only above what is in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exact {
    /// It is learned from.
    Yes,
    No,
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

    pub(super) fn limit(&self) -> u32 {
        self.word.view().limit()
    }

    pub(super) fn in_use(&self) -> u32 {
        let mut seen = self.word.view();
        if seen.has_spares() {
            let _waiting = lock(&self.waiting);
            seen = self.table.recall(&self.word);
        }
        seen.counted()
    }

    /// Whether newcomers see that somebody waits.
    pub(super) fn somebody_waits(&self) -> bool {
        self.word.view().somebody_waits()
    }

    pub(super) fn tenants(&self) -> usize {
        self.table.len()
    }

    pub(super) fn waiters(&self) -> usize {
        lock(&self.waiting).len()
    }

    /// Gives a permit back, to whoever is next. Where `exact` it is out of the count at once.
    pub(super) fn give_back(&self, place: Place, resource: Resource, exact: Exact) {
        // The tenant's count first: whoever then finds the common count still full leaves the mark
        // in the word that is seen here.
        let spare = |spares: &mut _| exact == Exact::No && self.word.spare(self.sharing, spares);
        let GivenBack { queue, spared } = self.table.give_back(place, resource, spare);
        let awaited = !spared && self.word.give_back().somebody_waits();
        if queue.is_some() || awaited {
            self.hand_over(queue);
        }
    }

    #[cold]
    fn hand_over(&self, queue: Option<u32>) {
        let mut waiting = lock(&self.waiting);
        if let Some(queue) = queue {
            waiting.stir(&self.common(), queue);
        }
        self.settle(waiting);
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
            self.give_back(place, resource, Exact::No);
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
    pub(super) fn own(&self, key: &K, resource: Resource) -> (u32, bool) {
        self.table.own(key, resource)
    }

    pub(super) fn line(&self, key: &K, resource: Resource) -> Line {
        // Before the tenant is looked for: it cannot leave the line meanwhile.
        let waiting = lock(&self.waiting);
        waiting.line(self.table.queue(key), resource)
    }

    /// Takes a permit, if there is one and nobody is before.
    pub(super) fn take(&self, key: &K, cap: Cap) -> Result<Place, Refused> {
        match self.take_newly(key, cap) {
            Err(Blocked::Common(_, seen)) if seen.has_spares() || seen.is_awaited() => {
                self.take_after_all(key, cap)
            }
            taken => Ok(taken?),
        }
    }

    /// Some permits are spare, in any shard; or there is one left, and somebody is before. Perhaps only
    /// while the ones who wait are being looked through: ask again when that is over.
    #[cold]
    fn take_after_all(&self, key: &K, cap: Cap) -> Result<Place, Refused> {
        let waiting = lock(&self.waiting);
        let taken = self.common().take_for_certain(|| self.take_newly(key, cap));
        drop(waiting);
        Ok(taken?)
    }

    fn take_newly(&self, key: &K, cap: Cap) -> Result<Place, Blocked> {
        self.table.take(key, cap, &self.word, self.sharing)
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
