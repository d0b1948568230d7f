//! [`Tag`]: a point in virtual time, and what an item charges.

use std::ops::{Add, AddAssign};

use super::Weight;

/// Virtual time in units of 2⁻⁵⁶ of what a cost of one charges a tenant of weight one.
///
/// It lasts for a total cost of 2⁷², so it neither wraps nor ends. A weight's reciprocal is rounded to
/// 2⁻⁵⁶, which makes a charge exact to one part in 2⁴⁰ for any weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Tag(u128);

/// The number of a bucket of tags. The narrowest are 2³⁹ units wide: a tenant that costs one a nanosecond would have used
/// up 64 bits of them in two days.
pub(super) type Bucket = u128;

const UNIT: u32 = 56;

impl Tag {
    pub(super) const fn bucket(self, width: Width) -> Bucket {
        self.0 >> width.0
    }

    pub(super) const fn start_of(bucket: Bucket, width: Width) -> Self {
        Self(bucket << width.0)
    }

    pub(super) const fn later(self, charge: Charge) -> Self {
        Self(self.0.saturating_add(charge.0))
    }

    pub(super) const fn earlier(self, charge: Charge) -> Self {
        Self(self.0.saturating_sub(charge.0))
    }
}

/// How far a tenant's tag moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Charge(u128);

impl Add<Charge> for Tag {
    type Output = Self;

    fn add(self, charge: Charge) -> Self {
        self.later(charge)
    }
}

impl AddAssign<Charge> for Tag {
    fn add_assign(&mut self, charge: Charge) {
        *self = self.later(charge);
    }
}

/// What a cost of one charges.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate(u64);

impl Rate {
    pub(super) const fn of(weight: Weight) -> Self {
        let weight = weight.get() as u64;
        Self(((1 << UNIT) + weight / 2) / weight)
    }

    pub(super) const fn charge(self, cost: u32) -> Charge {
        Charge(cost as u128 * self.0 as u128)
    }
}

/// How wide a bucket is, as a power of two.
#[derive(Debug, Clone, Copy)]
pub(super) struct Width(u32);

impl Width {
    /// Half of what a cost charges at a weight, rounded down to a power of two: two tenants lag at most
    /// two buckets behind each other by the buckets alone.
    pub(super) const fn half_of(cost: u32, weight: Weight) -> Self {
        let Charge(granule) = Rate::of(weight).charge(cost);
        // At least 2^40 by the least cost and the greatest weight.
        Self(granule.ilog2() - 1)
    }
}
