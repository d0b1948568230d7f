//! What the limiter's shared state is made of. A model of the limiter under loom has the same files
//! and another one in place of this.

pub(super) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};

pub(super) use crate::rate::Keyed;
