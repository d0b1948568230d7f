//! [`Published`]: a value that is read without waiting and replaced as a whole.
//!
//! It is what `ArcSwap` is, for one quarter of its price: a reader announces that it reads (one locked
//! operation, by [`crossbeam_epoch`]) instead of announcing what it reads and taking that back (two). What is
//! replaced is freed when everybody has ended who may have read it, which a reader that sleeps delays:
//! nobody here does while it reads. ADR 15 says why this is one of the few places with `unsafe` in it.

#![expect(unsafe_code, reason = "ADR 15: reclamation by epochs")]

use std::{
    fmt,
    ops::Deref,
    ptr::NonNull,
    sync::atomic::Ordering::{AcqRel, Acquire},
};

use crossbeam_epoch::{Atomic, Guard, Owned, pin};

/// A shared value that is replaced as a whole.
pub(crate) struct Published<T: Send + Sync + 'static>(Atomic<T>);

/// The value that was there when it was asked for. For a moment: until it is dropped, nothing that is
/// replaced anywhere is freed.
pub(crate) struct Read<'p, T: Send + Sync + 'static> {
    value: NonNull<T>,
    /// Before `value` ends.
    _pinned: Guard,
    _published: &'p Published<T>,
}

impl<T: Send + Sync + 'static> Published<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Atomic::new(value))
    }

    #[inline]
    pub(crate) fn load(&self) -> Read<'_, T> {
        let pinned = pin();
        let value = self.0.load(Acquire, &pinned).as_raw().cast_mut();
        // SAFETY: it is made from a value, and only ever exchanged for another one, so never null.
        let value = unsafe { NonNull::new_unchecked(value) };
        Read { value, _pinned: pinned, _published: self }
    }

    pub(crate) fn store(&self, value: T) {
        let pinned = pin();
        let old = self.0.swap(Owned::new(value), AcqRel, &pinned);
        // SAFETY: the exchange took it away, so that nobody finds it from here on, and once only. Who has
        // found it before is pinned, in a `Read` that does not outlive its guard. `T` is `Send`, for
        // whichever thread frees it, and `'static`, for however late that is.
        unsafe { pinned.defer_destroy(old) };
        // Not when this thread happens to have replaced sixty more.
        pinned.flush();
    }
}

impl<T: Send + Sync + 'static> Drop for Published<T> {
    fn drop(&mut self) {
        let last = std::mem::replace(&mut self.0, Atomic::null());
        // SAFETY: a `Read` borrows this, so there is none any more, and nobody else has the last value.
        drop(unsafe { last.try_into_owned() });
    }
}

impl<T: Send + Sync + 'static> Deref for Read<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: it was there when this was pinned, and is freed after that ends, also if it has been
        // replaced since. Nobody has it mutably: it is shared from `Owned::new` until it is freed.
        unsafe { self.value.as_ref() }
    }
}

impl<T: Send + Sync + fmt::Debug + 'static> fmt::Debug for Published<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use crossbeam_epoch::pin;

    use super::Published;

    /// Counts those that are there.
    struct Counted(Arc<AtomicUsize>, usize);

    impl Counted {
        fn new(count: &Arc<AtomicUsize>, value: usize) -> Self {
            count.fetch_add(1, Ordering::SeqCst);
            Self(Arc::clone(count), value)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            // Whoever reads it later reads this.
            self.1 = usize::MAX;
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }

    const TIMES: usize = if cfg!(miri) { 50 } else { 20_000 };

    #[test]
    fn what_is_read_stays_until_the_reader_is_done() {
        let there = Arc::new(AtomicUsize::new(0));
        let published = Published::new(Counted::new(&there, 0));
        let first = published.load();
        for value in 1..=200 {
            published.store(Counted::new(&there, value));
        }
        assert_eq!((first.1, published.load().1), (0, 200));
        drop(first);
        drop(published);
        while there.load(Ordering::SeqCst) > 0 {
            pin().flush();
        }
    }

    #[test]
    fn readers_never_see_what_was_freed_and_never_go_back() {
        let there = Arc::new(AtomicUsize::new(0));
        let published = Published::new(Counted::new(&there, 0));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = 0;
                    while last < TIMES {
                        let now = published.load().1;
                        assert!(now >= last && now <= TIMES, "{now} after {last}");
                        last = now;
                    }
                });
            }
            for value in 1..=TIMES {
                published.store(Counted::new(&there, value));
            }
        });
        drop(published);
        // Other tests may be reading at this moment, so not at once.
        while there.load(Ordering::SeqCst) > 0 {
            pin().flush();
        }
    }

    #[test]
    fn what_is_replaced_does_not_pile_up() {
        let there = Arc::new(AtomicUsize::new(0));
        let published = Published::new(Counted::new(&there, 0));
        let mut most = 0;
        for value in 1..=TIMES {
            published.store(Counted::new(&there, value));
            most = most.max(there.load(Ordering::SeqCst));
            if most > 100 {
                // Somebody else reads: gives way, and then it must become less.
                while there.load(Ordering::SeqCst) > 100 {
                    pin().flush();
                    thread::yield_now();
                }
            }
        }
        assert!(there.load(Ordering::SeqCst) <= 101);
    }
}
