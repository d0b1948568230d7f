//! [`Lease`]: an item while somebody works on it.

use std::{fmt, hash::Hash, mem, ops::Deref, sync::Arc, time::Duration};

use super::{
    Inner, LeaseLost,
    state::{End, LeaseId, Popped},
};

/// An item that was handed out. Say how it ended.
///
/// The item is still in the queue: this has a clone of it, by `Deref`. For as long as the queue's
/// [lease](super::Builder::lease) lasts nobody else gets it.
///
/// # Cancellation
///
/// Dropped without a word, also by a panic, the item comes back in front of what its tenant has else, and
/// the attempt is charged as it was estimated.
#[must_use = "dropped, the item comes back"]
pub struct Lease<K: Hash + Eq + Clone, T> {
    inner: Arc<Inner<K, T>>,
    id: LeaseId,
    tenant: K,
    item: T,
    cost: u32,
    attempt: u32,
    waited: Duration,
    is_over: bool,
}

impl<K: Hash + Eq + Clone, T> Lease<K, T> {
    pub(super) fn new(inner: Arc<Inner<K, T>>, popped: Popped<K, T>) -> Self {
        let Popped { id, key: tenant, item, cost, attempt, waited } = popped;
        Self { inner, id, tenant, item, cost, attempt, waited, is_over: false }
    }

    /// Whose it is.
    #[must_use]
    pub const fn tenant(&self) -> &K {
        &self.tenant
    }

    /// How often it was handed out by now, at least once.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// What it was estimated to cost, and is charged with.
    #[must_use]
    pub const fn cost(&self) -> u32 {
        self.cost
    }

    /// How long it has waited since it was pushed, or since its delay was over.
    #[must_use]
    pub const fn waited(&self) -> Duration {
        self.waited
    }

    /// It is done, and has cost what was estimated.
    ///
    /// # Errors
    ///
    /// When the lease is over. The item is then handed out again, or was already.
    pub fn complete(mut self) -> Result<(), LeaseLost> {
        self.end(End::Done { cost: None }).map(drop)
    }

    /// It is done, and has cost this; zero is nothing. The tenant's charge becomes that.
    ///
    /// # Errors
    ///
    /// As [`complete`](Self::complete); then nothing is corrected.
    pub fn complete_at(mut self, cost: u32) -> Result<(), LeaseLost> {
        self.end(End::Done { cost: Some(cost) }).map(drop)
    }

    /// It failed, and is to be tried again after a while. Until then the rest of its key waits, if it has one, and
    /// nobody else. The attempt is charged.
    ///
    /// # Errors
    ///
    /// As [`complete`](Self::complete).
    pub fn retry_after(mut self, delay: Duration) -> Result<(), LeaseLost> {
        self.end(End::Later { delay }).map(drop)
    }

    /// It will never succeed: it leaves the queue, and is counted. Put it where dead letters go before.
    ///
    /// # Errors
    ///
    /// As [`complete`](Self::complete).
    pub fn dead_letter(mut self) -> Result<(), LeaseLost> {
        self.end(End::Dead).map(drop)
    }

    /// Gives it back without having done anything: it comes in front of what its tenant has else, is not
    /// charged, and will come at once unless its tenant is [held back](super::FairQueue::hold).
    ///
    /// # Errors
    ///
    /// As [`complete`](Self::complete).
    pub fn release(mut self) -> Result<(), LeaseLost> {
        self.end(End::Undone).map(drop)
    }

    /// Makes the lease last as long again as a new one: the work takes longer.
    ///
    /// # Errors
    ///
    /// As [`complete`](Self::complete). Then stop: somebody else may be at it.
    pub fn renew(&mut self) -> Result<(), LeaseLost> {
        self.inner.with_time(|state, now| state.renew(self.id, now))
    }

    fn end(&mut self, end: End) -> Result<Option<T>, LeaseLost> {
        if mem::replace(&mut self.is_over, true) {
            return Err(LeaseLost);
        }
        self.inner.with_time(|state, now| state.end(self.id, end, now))
    }
}

impl<K: Hash + Eq + Clone, T> Deref for Lease<K, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.item
    }
}

impl<K: Hash + Eq + Clone, T> Drop for Lease<K, T> {
    fn drop(&mut self) {
        // That it was lost before is nobody's concern any more.
        _ = self.end(End::Again);
    }
}

impl<K: Hash + Eq + Clone, T> fmt::Debug for Lease<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("cost", &self.cost)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
