//! [`Range`]: between which limits one is sought, and how often.

use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(super) least: u32,
    pub(super) initial: u32,
    pub(super) most: u32,
    pub(super) window: Duration,
}

impl Range {
    pub(super) const fn new(least: u32, most: u32) -> Self {
        Self { least, initial: least, most, window: Duration::from_secs(1) }
    }

    pub(crate) const fn bounds(&self) -> (u32, u32, u32) {
        (self.least, self.initial, self.most)
    }
}

/// The settings that all rules have.
macro_rules! range_settings {
    () => {
        /// From `least` to `most`, beginning with `least`.
        #[must_use]
        pub const fn between(least: u32, most: u32) -> Self {
            Self::in_range(Range::new(least, most))
        }

        /// What it begins with.
        #[must_use]
        pub const fn initial(mut self, initial: u32) -> Self {
            self.range.initial = initial;
            self
        }

        /// How long samples are taken together before the limit is set anew: one second, if nothing
        /// is said.
        #[must_use]
        pub const fn window(mut self, window: Duration) -> Self {
            self.range.window = window;
            self
        }
    };
}

pub(super) use range_settings;
