//! [`Signing`]: the key that a service signs with just now.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};

use super::key::SigningKey;

/// A key that is replaced while it is in use. A clone shares it.
#[derive(Clone)]
pub(super) struct Signing(Arc<ArcSwap<Current>>);

pub(super) struct Current {
    pub(super) key: SigningKey,
    /// Grows with each change, so that what was signed with an earlier key is told apart.
    pub(super) generation: u64,
}

impl Signing {
    pub(super) fn new(key: SigningKey) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(Current { key, generation: 0 })))
    }

    pub(super) fn replace(&self, key: &SigningKey) {
        self.0.rcu(|before| Current { key: key.clone(), generation: before.generation + 1 });
    }

    pub(super) fn load(&self) -> Guard<Arc<Current>> {
        self.0.load()
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.load().key, f)
    }
}
