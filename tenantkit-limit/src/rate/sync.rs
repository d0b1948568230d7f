//! What the table synchronises with, and what stands for it in the loom model.
//!
//! loom has no 128-bit atomic, no `OnceLock` and no epochs. In the model a word, a key cell
//! and a table's place are mutexes of loom's: every interleaving of their operations is tried, which is
//! what the table's argument rests on. What is lost are the orderings between them, which the real ones
//! have from `Acquire` and `Release` on each.

#[cfg(all(test, tenantkit_loom))]
pub(crate) use modelled::*;
#[cfg(not(all(test, tenantkit_loom)))]
pub(crate) use real::*;

#[cfg(not(all(test, tenantkit_loom)))]
mod real {
    use std::sync::{OnceLock, PoisonError, atomic::Ordering};

    pub(crate) use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};

    pub(crate) use super::super::published::Published;

    /// A 128-bit word.
    #[derive(Debug, Default)]
    pub(crate) struct Word(portable_atomic::AtomicU128);

    impl Word {
        pub(crate) fn new(word: u128) -> Self {
            Self(portable_atomic::AtomicU128::new(word))
        }

        #[inline]
        pub(crate) fn load(&self) -> u128 {
            self.0.load(Ordering::Acquire)
        }

        #[inline]
        pub(crate) fn swap_if(&self, seen: u128, next: u128) -> Result<u128, u128> {
            self.0.compare_exchange(seen, next, Ordering::AcqRel, Ordering::Acquire)
        }

        pub(crate) fn set_bits(&self, bits: u128) -> u128 {
            self.0.fetch_or(bits, Ordering::AcqRel) | bits
        }
    }

    /// A key that is written once.
    #[derive(Debug)]
    pub(crate) struct KeyCell<K>(OnceLock<K>);

    impl<K: Eq + Clone> KeyCell<K> {
        pub(crate) const fn new() -> Self {
            Self(OnceLock::new())
        }

        pub(crate) fn of(key: K) -> Self {
            Self(OnceLock::from(key))
        }

        /// Writes the key, unless one is there, and tells whether it is the one that is there now.
        pub(crate) fn write(&self, key: &K, written: impl FnOnce()) -> bool {
            let there = self.0.get_or_init(|| {
                written();
                key.clone()
            });
            there == key
        }

        /// Whether it is this key that is there, if one is.
        #[inline]
        pub(crate) fn is(&self, key: &K) -> Option<bool> {
            self.0.get().map(|there| there == key)
        }

        pub(crate) fn is_free(&self) -> bool {
            self.0.get().is_none()
        }

        pub(crate) fn get(&self) -> Option<K> {
            self.0.get().cloned()
        }
    }

    /// A lock whose holder may have panicked: what it guards is repeated by the next.
    #[derive(Debug, Default)]
    pub(crate) struct Lock(std::sync::Mutex<()>);

    impl Lock {
        pub(crate) fn hold(&self) -> impl Drop + '_ {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(all(test, tenantkit_loom))]
mod modelled {
    use std::sync::Arc;

    pub(crate) use loom::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
    use loom::sync::{Mutex, MutexGuard};

    fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().expect("a model that panics has failed")
    }

    #[derive(Debug, Default)]
    pub(crate) struct Word(Mutex<u128>);

    impl Word {
        pub(crate) fn new(word: u128) -> Self {
            Self(Mutex::new(word))
        }

        pub(crate) fn load(&self) -> u128 {
            *held(&self.0)
        }

        pub(crate) fn swap_if(&self, seen: u128, next: u128) -> Result<u128, u128> {
            let mut word = held(&self.0);
            if *word != seen {
                return Err(*word);
            }
            *word = next;
            Ok(seen)
        }

        pub(crate) fn set_bits(&self, bits: u128) -> u128 {
            let mut word = held(&self.0);
            *word |= bits;
            *word
        }
    }

    #[derive(Debug)]
    pub(crate) struct KeyCell<K>(Mutex<Option<K>>);

    impl<K: Eq + Clone> KeyCell<K> {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(None))
        }

        pub(crate) fn of(key: K) -> Self {
            Self(Mutex::new(Some(key)))
        }

        pub(crate) fn write(&self, key: &K, written: impl FnOnce()) -> bool {
            let mut there = held(&self.0);
            if there.is_none() {
                written();
            }
            there.get_or_insert_with(|| key.clone()) == key
        }

        pub(crate) fn is(&self, key: &K) -> Option<bool> {
            held(&self.0).as_ref().map(|there| there == key)
        }

        pub(crate) fn is_free(&self) -> bool {
            held(&self.0).is_none()
        }

        pub(crate) fn get(&self) -> Option<K> {
            held(&self.0).clone()
        }
    }

    #[derive(Debug)]
    pub(crate) struct Published<T>(Mutex<Arc<T>>);

    impl<T> Published<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex::new(Arc::new(value)))
        }

        pub(crate) fn load(&self) -> Arc<T> {
            Arc::clone(&held(&self.0))
        }

        pub(crate) fn store(&self, value: T) {
            *held(&self.0) = Arc::new(value);
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct Lock(Mutex<()>);

    impl Lock {
        pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
            held(&self.0)
        }
    }
}
