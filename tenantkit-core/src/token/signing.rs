//! [`Signing`]: the key that a service signs with just now.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::{ArcSwap, Guard};

use super::key::SigningKey;

/// A key that is replaced while it is in use. A clone shares it.
#[derive(Clone)]
pub(crate) struct Signing(Arc<Shared>);

struct Shared {
    current: ArcSwap<Current>,
    replaced: AtomicU64,
}

pub(crate) struct Current {
    pub(crate) key: SigningKey,
    /// Another one for each key, so that what was signed with an earlier one is told apart.
    pub(crate) generation: u64,
}

impl Signing {
    pub(crate) fn new(key: SigningKey) -> Self {
        let current = ArcSwap::from_pointee(Current { key, generation: 0 });
        Self(Arc::new(Shared { current, replaced: AtomicU64::new(0) }))
    }

    pub(crate) fn replace(&self, key: SigningKey) {
        let generation = self.0.replaced.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.current.store(Arc::new(Current { key, generation }));
    }

    pub(crate) fn load(&self) -> Guard<Arc<Current>> {
        self.0.current.load()
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.load().key, f)
    }
}
