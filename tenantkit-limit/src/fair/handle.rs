//! [`Handle`]: a tenant that is found already.

use std::{fmt, hash::Hash};

use super::{
    Class, FairQueue, PushError, Refused, Work,
    state::{State, Who},
};

/// A tenant of a [`FairQueue`], which is remembered for as long as there is a handle to it.
pub struct Handle<K: Hash + Eq + Clone, T> {
    queue: FairQueue<K, T>,
    number: u32,
}

impl<K: Hash + Eq + Clone, T> Handle<K, T> {
    /// The tenant is pinned for it.
    pub(super) const fn new(queue: FairQueue<K, T>, number: u32) -> Self {
        Self { queue, number }
    }

    /// Takes an item of the tenant, in the class that it has.
    ///
    /// # Errors
    ///
    /// As [`FairQueue::push`].
    pub fn push(&self, work: Work<T>) -> Result<(), PushError<T>> {
        self.queue.inner.push(Who::Number(self.number), work)
    }
}

impl<K: Hash + Eq + Clone, T> State<K, T> {
    pub(super) fn pin(&mut self, key: &K, class: Class) -> Result<u32, Refused> {
        let number = self.enrol(key, class)?;
        self.pin_again(number);
        Ok(number)
    }
}

impl<K: Hash + Eq + Clone, T> Clone for Handle<K, T> {
    fn clone(&self) -> Self {
        self.queue.inner.with(|state| state.pin_again(self.number));
        Self { queue: self.queue.clone(), number: self.number }
    }
}

impl<K: Hash + Eq + Clone, T> Drop for Handle<K, T> {
    fn drop(&mut self) {
        self.queue.inner.with(|state| state.unpin(self.number));
    }
}

impl<K: Hash + Eq + Clone, T> fmt::Debug for Handle<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("number", &self.number).finish_non_exhaustive()
    }
}
