//! [`Limit`]: how much all tenants together may have under way.

use super::{
    adaptive::{Aimd, Gradient2},
    word::MAX_LIMIT,
};

/// The global limit: a number, or a way to find it while running.
#[derive(Debug, Clone, PartialEq)]
pub struct Limit(pub(super) Kind);

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Fixed(u32),
    Gradient2(Gradient2),
    Aimd(Aimd),
}

impl Limit {
    /// The largest limit.
    pub const MAX: u32 = MAX_LIMIT;

    /// Always `permits`.
    #[must_use]
    pub const fn fixed(permits: u32) -> Self {
        Self(Kind::Fixed(permits))
    }

    /// Learned from how the time that work takes grows with what is under way.
    #[must_use]
    pub const fn gradient2(settings: Gradient2) -> Self {
        Self(Kind::Gradient2(settings))
    }

    /// One more while all goes well, a part less when it does not.
    #[must_use]
    pub const fn aimd(settings: Aimd) -> Self {
        Self(Kind::Aimd(settings))
    }

    /// What it begins with.
    ///
    /// # Errors
    ///
    /// When it is no limit.
    pub(super) const fn initial(&self) -> Result<u32, InvalidLimit> {
        let (least, initial, most) = match &self.0 {
            Kind::Fixed(limit) => (*limit, *limit, *limit),
            Kind::Gradient2(settings) => settings.range.bounds(),
            Kind::Aimd(settings) => settings.range.bounds(),
        };
        if least == 0 {
            Err(InvalidLimit::Zero)
        } else if most > Self::MAX {
            Err(InvalidLimit::TooLarge)
        } else if least > initial || initial > most {
            Err(InvalidLimit::Contradictory)
        } else {
            Ok(initial)
        }
    }
}

/// Why a limit is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidLimit {
    /// It lets nothing through, ever.
    #[error("a limit of zero lets nothing through")]
    Zero,
    /// Above [`Limit::MAX`].
    #[error("a limit is at most 1073741823")]
    TooLarge,
    /// The least, the first and the most are not in this order.
    #[error("a limit's least, first and most contradict each other")]
    Contradictory,
}
