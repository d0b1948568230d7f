use std::fmt;

/// Why windows are not a [`Quota`](super::Quota). Windows are numbered from 0, as they were declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// There is no window.
    #[error("a quota has at least one window")]
    Empty,
    /// More than [`Quota::MAX_WINDOWS`](super::Quota::MAX_WINDOWS).
    #[error("a quota has at most 3 windows")]
    TooManyWindows,
    /// A burst before the first window.
    #[error("a burst belongs to the window before it, and there is none")]
    BurstWithoutWindow,
    /// A part that is zero, with which nothing would ever pass.
    #[error("window {window}: the {part} is zero")]
    Zero {
        /// Which window.
        window: usize,
        /// Which part of it.
        part: Part,
    },
    /// A window that is not longer than the one before it.
    #[error("window {window} is not longer than the one before it")]
    NotAscending {
        /// Which window.
        window: usize,
    },
    /// A window that never refuses what another lets pass: its rate and its burst are both as large.
    #[error("window {window} never binds: window {other} has no larger rate and no larger burst")]
    NeverBinds {
        /// Which window.
        window: usize,
        /// The one that implies it.
        other: usize,
    },
    /// A burst that takes longer than nine years to earn.
    #[error("window {window}: its burst takes longer than nine years to earn")]
    TooLong {
        /// Which window.
        window: usize,
    },
    /// A rate that cannot be kept within 1%: more than ten million a second, or windows with bursts so
    /// large that together they do not fit into one word.
    #[error("window {window}: its rate cannot be kept to within 1%, alone or beside the others")]
    TooFine {
        /// Which window.
        window: usize,
    },
}

/// A part of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// How much a period allows.
    Count,
    /// How much is allowed at once.
    Burst,
    /// The period.
    Period,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Count => "count",
            Self::Burst => "burst",
            Self::Period => "period",
        })
    }
}
