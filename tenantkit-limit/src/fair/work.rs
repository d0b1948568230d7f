//! [`Work`]: an item, as it is pushed.

use std::{
    hash::{BuildHasher, Hash},
    num::NonZeroU64,
    sync::LazyLock,
};

use crate::{quota::Cost, rate::Keyed};

/// An item to push: what it costs, and in order of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Work<T> {
    pub(super) item: T,
    pub(super) cost: Cost,
    pub(super) key: Option<NonZeroU64>,
}

impl<T> Work<T> {
    /// An item that costs one and has no order.
    #[must_use]
    pub const fn new(item: T) -> Self {
        Self { item, cost: Cost::ONE, key: None }
    }

    /// What it will presumably cost, in a unit of yours (calls, bytes, milliseconds). What it has cost
    /// in truth is said when it is completed.
    #[must_use]
    pub fn cost(self, cost: Cost) -> Self {
        Self { cost, ..self }
    }

    /// Items of one tenant whose keys are equal are handed out one at a time, each when the one before
    /// it is completed or dead. Keys are compared by a keyed hash of 64 bits: two that share one wait for
    /// each other, and nothing else comes of it.
    #[must_use]
    pub fn in_order_of<Q: Hash + ?Sized>(self, key: &Q) -> Self {
        static HASHER: LazyLock<Keyed> = LazyLock::new(Keyed::default);
        // Zero is taken for one: they share a hash, as others do.
        let hash = HASHER.hash_one(key).max(1);
        Self { key: NonZeroU64::new(hash), ..self }
    }

    /// The item.
    #[must_use]
    pub fn into_item(self) -> T {
        self.item
    }
}
