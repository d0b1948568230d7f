//! [`MetricsError`]: why an instrument is not made.

/// Why metrics do not start, or an instrument is not made. All of it is found at the start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// There would be more series than the budget allows.
    #[error("{what} needs {needed} series, and of the budget of {budget} are {left} left")]
    OverBudget {
        /// The instrument, or what other libraries may have.
        what: &'static str,
        /// How many it needs.
        needed: usize,
        /// How many are left.
        left: usize,
        /// How many there are.
        budget: usize,
    },
    /// A name that is not as the semantic conventions have it: `^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$`, at most 63
    /// bytes, without a unit or `total` at its end.
    #[error("{0:?} is no name of an instrument")]
    Name(&'static str),
    /// A unit that the conventions do not have: `s`, `By`, `1`, or a thing in braces.
    #[error(
        "{0:?} is no unit: a time is in s, a size in By, a share in 1, anything else is counted: {{thing}}"
    )]
    Unit(&'static str),
    /// There is an instrument of that name.
    #[error("there is an instrument {0:?} already")]
    Twice(&'static str),
    /// Two labels of the same name.
    #[error("the label {0:?} is there twice")]
    LabelTwice(&'static str),
    /// A label that names a tenant, or has as many values as there are callers.
    #[error("the label {0:?} has no bound, or names a tenant or a person")]
    Unbounded(&'static str),
    /// Two values of a label are the same.
    #[error("the label {0:?} has the value {1:?} twice")]
    ValueTwice(&'static str, &'static str),
    /// The boundaries of a histogram are none, not finite, or do not rise.
    #[error("the boundaries of {0:?} do not rise")]
    Boundaries(&'static str),
    /// The SDK would not have it.
    #[error("the SDK refuses the view of {0:?}")]
    View(&'static str),
}
