//! [`Foreign`]: an instrument of another library, and what of its attributes is kept.

use super::{MetricsError, name};

/// An instrument that another library makes: which of its attributes it keeps, and how many combinations of
/// their values. What is past that goes into the SDK's overflow, one series more.
///
/// The library's values are not ours to close. So what is declared here is which attributes *may* be told
/// apart, and a limit that holds whatever their values are.
///
/// As a histogram it has [`Foreign::BOUNDARIES`], and takes as many series of the budget as a histogram.
#[derive(Debug, Clone)]
pub struct Foreign {
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str],
    pub(super) at_most: usize,
}

impl Foreign {
    /// What the semantic conventions advise for the duration of a request, in seconds.
    pub const BOUNDARIES: [f64; 14] =
        [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

    /// The instrument of that name, of whatever library makes it first. It keeps no attributes. One of the same name in
    /// another scope, or of another kind or unit, is another instrument: for a second one, declare it twice.
    #[must_use]
    pub const fn named(name: &'static str) -> Self {
        Self { name, keys: &[], at_most: 1 }
    }

    /// Which attributes it keeps.
    #[must_use]
    pub const fn keep(mut self, keys: &'static [&'static str]) -> Self {
        self.keys = keys;
        self
    }

    /// How many combinations of their values, at least one.
    #[must_use]
    pub const fn at_most(mut self, combinations: usize) -> Self {
        self.at_most = if combinations == 0 { 1 } else { combinations };
        self
    }

    pub(super) fn check(&self) -> Result<(), MetricsError> {
        self.keys.iter().try_for_each(|key| name::check_key(key))
    }

    /// The overflow has one more; without attributes there is none.
    pub(super) fn series(&self) -> usize {
        let combinations = if self.keys.is_empty() { 1 } else { self.at_most.saturating_add(1) };
        combinations.saturating_mul(Self::BOUNDARIES.len() + 3)
    }
}
