//! [`Entered`] and [`Denied`]: what the door answers, and how the tenant stands after it.

use std::{fmt, time::Duration};

use tenantkit_core::{Refusal, TenantId};

use super::{ResourceLimits, rates::Charge};
use crate::{
    concurrency::{Outcome, Permit},
    quota::Quota,
    rate::{Decision, Plan, Standing},
};

/// Work under way. Hold it until the work has ended, which is when the response's body has.
#[must_use = "dropped at once, it limits nothing"]
pub struct Entered {
    door: ResourceLimits,
    tenant: TenantId,
    permit: Permit,
    charge: Option<Charge>,
    standings: Standings,
}

impl Entered {
    pub(super) const fn new(
        door: ResourceLimits,
        tenant: TenantId,
        permit: Permit,
        charge: Option<Charge>,
        standings: Standings,
    ) -> Self {
        Self { door, tenant, permit, charge, standings }
    }

    /// How the tenant stands in each window of its rate.
    #[must_use]
    pub const fn standings(&self) -> &Standings {
        &self.standings
    }

    /// Makes the charge what the call has cost in truth. Answers what of a higher cost could not be
    /// charged. Said again, it does nothing.
    pub fn correct(&mut self, actual: u32) -> u32 {
        let Some(charge) = self.charge.take() else { return 0 };
        let shared = self.door.shared();
        let now = shared.authority.clock().monotonic();
        shared.rates.correct(&(self.tenant, self.door.resource), charge, actual, now)
    }

    /// The work has ended, and so it went: what an adaptive limit learns from. A drop tells nothing.
    pub fn finished(self, outcome: Outcome) {
        self.permit.finished(outcome);
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").field("standings", &self.standings).finish_non_exhaustive()
    }
}

/// The door said no.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{refusal}")]
pub struct Denied {
    refusal: Refusal,
    standings: Standings,
}

impl Denied {
    pub(super) const fn new(refusal: Refusal, standings: Standings) -> Self {
        Self { refusal, standings }
    }

    /// Why, and for how long.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        self.refusal
    }

    /// How the tenant stands in each window of its rate, where it was the rate that refused.
    #[must_use]
    pub const fn standings(&self) -> &Standings {
        &self.standings
    }
}

impl From<Refusal> for Denied {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, standings: Standings::NONE }
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        denied.refusal
    }
}

/// How a tenant stands in each window of its rate, the shortest first; in none where its rate is not
/// limited.
#[derive(Debug, Clone)]
pub struct Standings {
    plan: Option<Plan>,
    /// What remains, and in how long all of it is there again.
    each: Each,
    basis: Basis,
}

type Each = [(u32, Duration); Quota::MAX_WINDOWS];

/// Whose rate it is that a tenant stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Basis {
    /// That of this process alone.
    Process,
    /// That of all processes which share it.
    Together,
    /// The part of this process, because they do not hear of each other now.
    SafeShare,
}

impl Standings {
    /// In none.
    pub(super) const NONE: Self =
        Self { plan: None, each: [(0, Duration::ZERO); Quota::MAX_WINDOWS], basis: Basis::Process };

    pub(super) fn of(plan: &Plan, decision: &Decision<'_>, basis: Basis) -> Self {
        let mut standings = Self { plan: Some(plan.clone()), basis, ..Self::NONE };
        for (place, standing) in standings.each.iter_mut().zip(decision.standings()) {
            *place = (standing.remaining, standing.full_after);
        }
        standings
    }

    #[cfg(feature = "redis")]
    pub(super) fn known(plan: &Plan, each: Each, basis: Basis) -> Self {
        Self { plan: Some(plan.clone()), each, basis }
    }

    /// Whose rate it is. Where processes share their rates and do not hear of each other now, the
    /// windows are those of the safe share.
    #[must_use]
    pub const fn basis(&self) -> Basis {
        self.basis
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Standing<'_>> {
        let windows = self.plan.as_ref().map_or(&[][..], |plan| plan.quota().windows());
        let each = windows.iter().zip(self.each);
        each.map(|(window, (remaining, full_after))| Standing { window, remaining, full_after })
    }
}
