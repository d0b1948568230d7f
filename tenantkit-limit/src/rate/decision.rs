use std::{fmt, time::Duration};

use super::{
    layout::Tats,
    plan::{Compiled, Plan},
};
use crate::quota::{Cost, Window};

/// What a [`RateLimiter`](super::RateLimiter) says to a call, and how the tenant stands after it.
///
/// A refusal has taken nothing, from no window.
#[must_use = "a refused call must not go on"]
pub struct Decision<'p> {
    pub(super) plan: &'p Plan,
    pub(super) now: u64,
    pub(super) tats: Tats,
    pub(super) cost: Cost,
    pub(super) verdict: Verdict,
    /// Decided by what newcomers share.
    pub(super) shared: bool,
}

/// What a decision needs to know of a denial; the rest is told when somebody asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// Not for so many nanoseconds, because of that window.
    Wait(u64, usize),
    CostTooLarge,
    ForeignPlan,
}

/// Why a call may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Denial {
    /// A window has no room for it now.
    #[error("the quota is used up for another {retry_after:?}")]
    Exhausted {
        /// How long until all windows have room, if nothing else is taken meanwhile. Exact: at that
        /// time the call passes, a nanosecond earlier it does not.
        retry_after: Duration,
        /// The window that has room last, by its place in [`Quota::windows`](crate::quota::Quota::windows).
        window: usize,
    },
    /// It costs more than the burst of a window: it can never pass.
    #[error("the cost is larger than the burst of {burst}, and can never pass")]
    CostTooLarge {
        /// The window, by its place in [`Quota::windows`](crate::quota::Quota::windows).
        window: usize,
        /// Its burst.
        burst: u32,
    },
    /// The plan belongs to another limiter.
    #[error("the plan belongs to another limiter")]
    ForeignPlan,
}

impl Decision<'_> {
    /// Whether the call may go on.
    #[must_use]
    #[inline]
    pub const fn is_allowed(&self) -> bool {
        matches!(self.verdict, Verdict::Allowed)
    }

    /// Why it may not.
    #[must_use]
    pub fn denial(&self) -> Option<Denial> {
        match self.verdict {
            Verdict::Allowed => None,
            Verdict::Wait(nanos, window) => {
                Some(Denial::Exhausted { retry_after: Duration::from_nanos(nanos), window })
            }
            Verdict::CostTooLarge => Some(too_large(self.plan.compiled())),
            Verdict::ForeignPlan => Some(Denial::ForeignPlan),
        }
    }

    /// How long to wait, for a call that may pass later.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.verdict {
            Verdict::Wait(nanos, _) => Some(Duration::from_nanos(nanos)),
            _ => None,
        }
    }

    /// Whether there was no room for the tenant, so that it was counted together with others; see
    /// [`RateLimiter`](super::RateLimiter).
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        self.shared
    }

    /// How the tenant stands in each window, the shortest first.
    pub fn standings(&self) -> impl ExactSizeIterator<Item = Standing<'_>> {
        let plan = self.plan.compiled();
        plan.quota.windows().iter().zip(plan.layout.windows()).zip(self.tats).map(
            |((window, gcra), tat)| Standing {
                window,
                remaining: gcra.remaining(tat, self.now),
                full_after: Duration::from_nanos(tat.saturating_sub(self.now)),
            },
        )
    }

    /// What to hand to [`RateLimiter::correct`](super::RateLimiter::correct) when the true cost is
    /// known. Nothing was taken by a refusal.
    #[must_use]
    pub fn charge(&self) -> Option<Charge> {
        self.is_allowed().then(|| Charge {
            plan: self.plan.clone(),
            cost: self.cost,
            then: self.now,
            shared: self.shared,
        })
    }
}

impl fmt::Debug for Decision<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decision")
            .field("denial", &self.denial())
            .field("shared", &self.shared)
            .field("standings", &self.standings().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// How a tenant stands in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Standing<'p> {
    /// The window.
    pub window: &'p Window,
    /// The largest cost that would pass it now.
    pub remaining: u32,
    /// How long until the whole burst is there again, if nothing is taken meanwhile.
    pub full_after: Duration,
}

/// What a call took, until its true cost is known. Not `Clone`: it is corrected once.
#[must_use = "a charge that is not corrected stands as it was"]
#[derive(Debug)]
pub struct Charge {
    pub(super) plan: Plan,
    pub(super) cost: Cost,
    /// When it was taken, in nanoseconds.
    pub(super) then: u64,
    pub(super) shared: bool,
}

impl Charge {
    /// The cost that was taken.
    #[must_use]
    pub const fn cost(&self) -> Cost {
        self.cost
    }
}

/// The window that a cost is too large for: the one with the smallest burst.
fn too_large(plan: &Compiled) -> Denial {
    let bursts = plan.quota.windows().iter().map(Window::burst).enumerate();
    let (window, burst) = bursts.min_by_key(|(_, burst)| *burst).unwrap_or_default();
    Denial::CostTooLarge { window, burst }
}
