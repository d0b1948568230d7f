//! [`Share`]: what a tier, or a tenant for which it differs, gets of a queue.

use std::num::NonZeroU16;

use tenantkit_core::{Tier, TierSet};

/// How much a tenant gets beside others, from 1 to 65,535: with 10 ten times what one with 1 gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(NonZeroU16);

impl Weight {
    /// One.
    pub const ONE: Self = Self(NonZeroU16::MIN);

    pub(super) const SIXTY_FOUR: Self = Self(NonZeroU16::MIN.saturating_add(63));

    /// A weight, unless it is zero: who has none would never be served.
    #[must_use]
    pub const fn new(weight: u16) -> Option<Self> {
        match NonZeroU16::new(weight) {
            Some(weight) => Some(Self(weight)),
            None => None,
        }
    }

    /// As a number.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

/// What a tenant gets of a queue, and what it may leave in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    pub(super) weight: Weight,
    pub(super) max_waiting: u32,
    pub(super) max_in_flight: u32,
    pub(super) max_cost_in_flight: u64,
}

impl Share {
    /// Of this weight. If no more is said, 100,000 items may wait, and what is in flight has no cap.
    #[must_use]
    pub const fn of(weight: Weight) -> Self {
        Self { weight, max_waiting: 100_000, max_in_flight: u32::MAX, max_cost_in_flight: u64::MAX }
    }

    /// How many items of a tenant may wait: those delayed, and those behind another of their key,
    /// included. More are refused.
    #[must_use]
    pub const fn max_waiting(self, items: u32) -> Self {
        Self { max_waiting: items, ..self }
    }

    /// How many items of a tenant may be in flight at a time. While it has as many it is passed over,
    /// and does not count as backlogged. Zero holds it back until it is given more.
    #[must_use]
    pub const fn max_in_flight(self, items: u32) -> Self {
        Self { max_in_flight: items, ..self }
    }

    /// How much cost of a tenant may be in flight at a time, as it was when it was pushed. An item that
    /// costs more than that runs alone.
    #[must_use]
    pub const fn max_cost_in_flight(self, cost: u64) -> Self {
        Self { max_cost_in_flight: cost, ..self }
    }

    /// The weight.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        self.weight
    }
}

impl Default for Share {
    fn default() -> Self {
        Self::of(Weight::ONE)
    }
}

/// What a tenant's share goes by, where it has none of its own, and by what its wait is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// A verified tenant of this tier.
    Tier(Tier),
    /// Whoever has no tier: the lane of what could not be verified.
    Unverified,
}

impl Class {
    /// How many there can be.
    pub(super) const MAX: usize = TierSet::MAX + 1;

    pub(super) const fn number(self) -> usize {
        match self {
            Self::Tier(tier) => tier.rank(),
            Self::Unverified => TierSet::MAX,
        }
    }
}

impl From<Tier> for Class {
    fn from(tier: Tier) -> Self {
        Self::Tier(tier)
    }
}
