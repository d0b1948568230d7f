//! What goes wrong in this crate, other than a refusal that is an answer.

use tenantkit_core::Refusal;

/// Any error, as `tower` stacks pass it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A body in flight was cut: its tenant's context had expired, or its tenant might not act any more,
/// and the grace was over. It is in the error of a [`TenantBody`](crate::server::TenantBody).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body was cut: {0}")]
pub struct Cut(pub Refusal);

/// Why a call through a [`TenantClientLayer`](crate::TenantClientLayer) brought no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// It was refused here, and nothing was sent. Over gRPC it is a local status instead.
    #[error("the call was not made: {0}")]
    Refused(#[source] Refusal),
    /// Its deadline had passed, and nothing was sent. Over gRPC it is a local status instead.
    #[error("the call was not made: its deadline had passed")]
    DeadlineExceeded,
    /// The client below failed.
    #[error("the call failed")]
    Inner(#[source] BoxError),
}

impl ClientError {
    /// Why it was refused, if it was.
    #[must_use]
    pub const fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(*refusal),
            Self::DeadlineExceeded | Self::Inner(_) => None,
        }
    }

    /// The error of a client below, which may be one of these already.
    pub(crate) fn inner(error: impl Into<BoxError>) -> Self {
        error.into().downcast().map_or_else(Self::Inner, |refused| *refused)
    }
}
