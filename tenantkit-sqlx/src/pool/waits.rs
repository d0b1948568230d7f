//! [`PoolStats`]: how a pool stands, and how long was waited for its connections.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How a pool stands, of all tenants together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStats {
    /// Connections that are open.
    pub open: u32,
    /// Those of them that are lent to nobody.
    pub idle: usize,
    /// Connections that there may be.
    pub most: u32,
    /// How often one was waited for, from the start, however short.
    pub waits: u64,
    /// How long, all together.
    pub waited: Duration,
}

/// Counts waits.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    count: AtomicU64,
    micros: AtomicU64,
}

impl Waits {
    pub(crate) fn count(&self, wait: Duration) {
        self.count.fetch_add(1, Relaxed);
        self.micros.fetch_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), Relaxed);
    }

    pub(crate) fn read(&self) -> (u64, Duration) {
        (self.count.load(Relaxed), Duration::from_micros(self.micros.load(Relaxed)))
    }
}
