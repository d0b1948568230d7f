//! Who waits for a call to Redis.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::Notify;

use super::accounts::Key;

/// Keys of accounts that wait for a call, each once.
#[derive(Debug, Default)]
pub(super) struct Due {
    keys: Mutex<Vec<Key>>,
    some: Notify,
}

impl Due {
    pub(super) fn add(&self, key: Key) {
        let mut keys = self.keys();
        keys.push(key);
        let first = keys.len() == 1;
        drop(keys);
        if first {
            self.some.notify_one();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.keys().len()
    }

    /// Waits until there is one, at most so long.
    pub(super) async fn some(&self, at_most: Duration) {
        while self.len() == 0 {
            if tokio::time::timeout(at_most, self.some.notified()).await.is_err() {
                return;
            }
        }
    }

    /// Those who wait longest, at most so many.
    pub(super) fn take(&self, at_most: usize) -> Vec<Key> {
        let mut keys = self.keys();
        let many = keys.len().min(at_most);
        keys.drain(..many).collect()
    }

    fn keys(&self) -> MutexGuard<'_, Vec<Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
