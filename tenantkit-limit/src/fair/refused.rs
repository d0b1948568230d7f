//! [`Refused`] and the other errors of a queue.

use std::fmt;

use tenantkit_core::{Door, Reason, Refusal};

use super::Work;

/// Why a queue does not take an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// As much of the tenant waits as may.
    #[error("too much of the tenant waits")]
    TenantFull,
    /// As much waits in all as may.
    #[error("too much waits")]
    QueueFull,
    /// As many tenants are remembered as may be.
    #[error("too many tenants wait")]
    TooManyTenants,
    /// The queue takes no more.
    #[error("the queue is closed")]
    Closed,
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        let reason = match refused {
            Refused::TenantFull => Reason::ConcurrencyExceeded,
            Refused::QueueFull | Refused::TooManyTenants | Refused::Closed => Reason::LoadShed,
        };
        Self::new(reason, Door::Job)
    }
}

/// The queue did not take an item. It has the item.
pub struct PushError<T> {
    work: Work<T>,
    refused: Refused,
}

impl<T> PushError<T> {
    pub(super) const fn new(work: Work<T>, refused: Refused) -> Self {
        Self { work, refused }
    }

    /// Why.
    #[must_use]
    pub const fn refused(&self) -> Refused {
        self.refused
    }

    /// What was not taken.
    #[must_use]
    pub fn into_work(self) -> Work<T> {
        self.work
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError").field("refused", &self.refused).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.refused.fmt(f)
    }
}

impl<T> std::error::Error for PushError<T> {}

impl<T> From<PushError<T>> for Refusal {
    fn from(error: PushError<T>) -> Self {
        error.refused.into()
    }
}

/// The lease ended before: it timed out, or its item was taken out of the queue. The item is somebody
/// else's by now, so that what its late holder says of it is not heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lease is over: the item is not this holder's any more")]
pub struct LeaseLost;

/// Why a queue cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFairQueue {
    /// What cannot be zero.
    #[error("{0} must not be zero")]
    Zero(&'static str),
    /// A class of which no tenant can be.
    #[error("a share is given for a tier that is not in the set")]
    UnknownTier,
    /// More than the queue could number.
    #[error("{0} must be below 268,435,456")]
    TooMany(&'static str),
}

/// As many tenants have a share of their own as may be remembered at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many tenants have a share of their own")]
pub struct TooManyShares;
