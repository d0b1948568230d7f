//! [`Pop`]: waiting for an item, in line.

use std::{
    fmt,
    hash::Hash,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Inner, Lease, sync::lock};

/// Waits for an item: made by [`FairQueue::pop`](super::FairQueue::pop). It works under any runtime.
///
/// # Cancellation
///
/// Dropped at any time it has taken nothing. If it was woken for an item, the next in line is woken.
#[must_use = "a future does nothing until it is polled"]
pub struct Pop<K: Hash + Eq + Clone, T> {
    inner: Arc<Inner<K, T>>,
    place: Option<u64>,
}

/// Nothing of it is pinned.
impl<K: Hash + Eq + Clone, T> Unpin for Pop<K, T> {}

impl<K: Hash + Eq + Clone, T> Pop<K, T> {
    pub(super) const fn new(inner: Arc<Inner<K, T>>) -> Self {
        Self { inner, place: None }
    }
}

impl<K: Hash + Eq + Clone, T: Clone> Future for Pop<K, T> {
    type Output = Option<Lease<K, T>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { inner, place } = self.get_mut();
        let now = inner.clock.monotonic();
        let mut state = lock(&inner.state);
        let popped = state.pop(now);
        let is_over = popped.is_none() && state.is_over();
        let old = if popped.is_none() && !is_over {
            state.wait(place, cx.waker())
        } else {
            place.take().and_then(|place| state.give_up(place))
        };
        // If there is more, the next in line takes it.
        let wakes = state.wakes();
        drop(state);
        drop(old);
        let lease = popped.map(|popped| Lease::new(Arc::clone(inner), popped));
        wakes.wake();
        match lease {
            None if !is_over => Poll::Pending,
            lease => Poll::Ready(lease),
        }
    }
}

impl<K: Hash + Eq + Clone, T> Drop for Pop<K, T> {
    fn drop(&mut self) {
        if let Some(place) = self.place {
            let gone = self.inner.with(|state| state.give_up(place));
            drop(gone);
        }
    }
}

impl<K: Hash + Eq + Clone, T> fmt::Debug for Pop<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pop").field("place", &self.place).finish_non_exhaustive()
    }
}
