//! The queue's one lock, and what stands for it in the loom model.

#[cfg(all(test, tenantkit_loom))]
pub(super) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, tenantkit_loom)))]
pub(super) use std::sync::{Mutex, MutexGuard};

use std::sync::PoisonError;

/// Takes the lock. Foreign code under it (a key's hash, an item's clone) runs before anything is changed.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
