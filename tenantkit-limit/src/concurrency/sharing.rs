//! [`Sharing`]: the rule by which tenants share the global limit.

/// How tenants share the global limit, so that none can take all of it.
///
/// With a global limit of G, a tenant that holds h permits (of all resources) gets one more of a
/// resource when all of these hold:
///
/// 1. it holds less of the resource than its [`Cap`](super::Cap);
/// 2. h is below its *share*: `tenant_percent` of G, rounded down, at least 1;
/// 3. less than G is in use; and, when h is at or above its *guarantee*, less than G minus the
///    *reserve* (`reserve_percent` of G, rounded up, at most G − 1).
///
/// So a single tenant never holds more than its share, and all tenants that have their guarantee
/// already never fill more than G minus the reserve: that much of the limit is always left for
/// tenants that have less, as soon as what was borrowed by these ends. Who has less than its
/// guarantee is also first among those who wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sharing {
    tenant_percent: u8,
    reserve_percent: u8,
    guarantee: u32,
}

impl Sharing {
    /// Half of the limit for one tenant, a tenth in reserve, one permit guaranteed.
    pub const DEFAULT: Self = Self { tenant_percent: 50, reserve_percent: 10, guarantee: 1 };

    /// What one tenant may hold of the global limit, in percent: 1 to 100, others are taken as the
    /// nearest of these. With 100 only the reserve is kept from a tenant.
    #[must_use]
    pub const fn tenant_percent(self, percent: u8) -> Self {
        Self { tenant_percent: clamp(percent, 1), ..self }
    }

    /// What is kept for tenants below their guarantee, in percent of the global limit: at most 100,
    /// which is to say all but one permit.
    #[must_use]
    pub const fn reserve_percent(self, percent: u8) -> Self {
        Self { reserve_percent: clamp(percent, 0), ..self }
    }

    /// How many permits a tenant may take out of the reserve; at least one.
    #[must_use]
    pub const fn guarantee(self, permits: u32) -> Self {
        Self { guarantee: if permits == 0 { 1 } else { permits }, ..self }
    }

    /// The most that one tenant holds under a global limit of `limit`.
    #[must_use]
    pub const fn share_of(self, limit: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "at most 100 percent of a u32")]
        let share = (limit as u64 * self.tenant_percent as u64 / 100) as u32;
        if share == 0 { 1 } else { share }
    }

    /// What is in reserve under a global limit of `limit`.
    #[must_use]
    pub const fn reserve_of(self, limit: u32) -> u32 {
        #[expect(clippy::cast_possible_truncation, reason = "at most 100 percent of a u32")]
        let reserve = (limit as u64 * self.reserve_percent as u64).div_ceil(100) as u32;
        let most = limit.saturating_sub(1);
        if reserve > most { most } else { reserve }
    }

    /// Where a tenant stands that holds `held`.
    pub(super) const fn standing(self, held: u32) -> Standing {
        if held < self.guarantee { Standing::Below } else { Standing::Above }
    }
}

impl Default for Sharing {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Where a tenant stands with regard to its guarantee.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has less than its guarantee.
    Below,
    /// It has its guarantee.
    Above,
}

const fn clamp(percent: u8, least: u8) -> u8 {
    if percent < least {
        least
    } else if percent > 100 {
        100
    } else {
        percent
    }
}
