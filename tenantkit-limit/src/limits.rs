//! [`Limits`]: the door. What a tenant may do now with a resource, by rate, by what it has under way, and
//! by what the process can take.
//!
//! ```
//! use tenantkit_core::{RefusalCode, test_util::TestAuthority};
//! use tenantkit_limit::{
//!     limits::Limits,
//!     policy::{Allowance, LimitPolicy},
//!     quota::{Cost, Quota},
//! };
//!
//! const SLOW: Quota = Quota::per_second(1).burst(2).declare();
//!
//! let tests = TestAuthority::new();
//! let authority = tests.authority();
//! let each = Allowance::unlimited().rate(SLOW).in_flight(8);
//! let policy = authority
//!     .tiers()
//!     .iter()
//!     .fold(LimitPolicy::builder(authority.tiers()), |policy, tier| {
//!         policy.tier("exports", tier.as_str(), each)
//!     })
//!     .build()?;
//! let exports = Limits::builder(authority, policy).build()?.resource("exports")?;
//!
//! let acme = tests.context("acme");
//! let entered = exports.try_enter(&acme, Cost::ONE)?; // held while the work is under way
//! drop(entered);
//! drop(exports.try_enter(&acme, Cost::ONE)?);
//! let denied = exports.try_enter(&acme, Cost::ONE).unwrap_err();
//! assert_eq!(denied.refusal().code(), RefusalCode::RateLimited);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What is refused has taken nothing, from none of them: the rate is looked at first, and taken last.

mod builder;
mod entered;
mod rates;
mod rules;

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use tenantkit_core::{Authority, Door, Reason, Refusal, TenantContext, TenantId, Tier};

use crate::{
    admission::{Admission, Admitted},
    concurrency::{Acquire, Cap, ConcurrencyLimiter, Permit, Resource},
    policy::LimitPolicy,
    quota::Cost,
    rate::Denial,
};

pub use self::{
    builder::{InvalidLimits, LimitsBuilder},
    entered::{Basis, Denied, Entered, Standings},
    rules::CannotReplace,
};
use self::{
    rates::{Decided, Rates},
    rules::{Rule, Rules},
};

/// What rates are counted by. Identity is exact.
type RateKey = (TenantId, Resource);

/// What tenants may do, and what they do now. Clones share it.
#[derive(Clone)]
pub struct Limits {
    shared: Arc<Shared>,
}

struct Shared {
    authority: Authority,
    rules: ArcSwap<Rules>,
    rates: Rates,
    permits: ConcurrencyLimiter,
    admission: Option<Admission>,
}

impl Limits {
    /// Limits by a policy, for the tenants of an authority.
    pub fn builder(authority: &Authority, policy: LimitPolicy) -> LimitsBuilder {
        LimitsBuilder::new(authority, policy)
    }

    /// The door to a resource. Make it once, where a route or a service is declared.
    ///
    /// # Errors
    ///
    /// When the policy does not speak of that resource.
    pub fn resource(&self, name: &str) -> Result<ResourceLimits, UnknownResource> {
        let resource = self.shared.rules.load().resource(name).ok_or(UnknownResource)?;
        Ok(ResourceLimits { limits: self.clone(), resource })
    }

    /// Puts another policy in the place of the present one. What tenants have taken and have under way
    /// still counts.
    ///
    /// # Errors
    ///
    /// When it is for other tiers or other resources, or there are too many different quotas. Then the
    /// present one stays in force.
    pub fn replace(&self, policy: LimitPolicy) -> Result<(), CannotReplace> {
        let Shared { authority, rules, rates, .. } = &*self.shared;
        let now = authority.clock().monotonic();
        let next = rules.load().succeed(policy, rates, now)?;
        rules.store(Arc::new(next));
        Ok(())
    }

    /// What is under way, for metrics.
    #[must_use]
    pub fn permits(&self) -> &ConcurrencyLimiter {
        &self.shared.permits
    }

    /// What sheds, where something does.
    #[must_use]
    pub fn admission(&self) -> Option<&Admission> {
        self.shared.admission.as_ref()
    }
}

/// The door to one resource. Clones are the same door.
#[derive(Clone)]
pub struct ResourceLimits {
    limits: Limits,
    resource: Resource,
}

/// What came of asking.
#[derive(Debug)]
pub enum Entry {
    /// The work may begin.
    Entered(Entered),
    /// It may once there is room in the process.
    Waits(Waiting),
}

impl ResourceLimits {
    /// Enters, or is refused at once.
    ///
    /// # Errors
    ///
    /// - [`RateExceeded`](Reason::RateExceeded) with the exact wait, or
    ///   [`CostTooLarge`](Reason::CostTooLarge), by the tenant's rate;
    /// - [`ConcurrencyExceeded`](Reason::ConcurrencyExceeded) by what it has under way;
    /// - [`LoadShed`](Reason::LoadShed) by what the process can take;
    /// - and what every door refuses: a context that expired, or of another authority, or whose tenant
    ///   is suspended.
    pub fn try_enter(&self, context: &TenantContext, cost: Cost) -> Result<Entered, Denied> {
        let asked = self.ask(context, cost)?;
        let permit = self.shared().permits.try_acquire(&asked.tenant, asked.cap)?;
        let mut admitted = self.admit(asked.tier, 0)?;
        asked.enter(permit, &mut admitted)
    }

    /// Enters at once, or takes a place in the line for room in the process. In it tenants take turns,
    /// and it is bounded: one who waits counts as under way, and as a call that the rate must have room
    /// for, so that a tenant cannot fill it with what will be refused in the end.
    ///
    /// # Errors
    ///
    /// As [`try_enter`](Self::try_enter), when too many wait already, or the wait would be too long for
    /// the tenant's tier.
    pub fn begin(&self, context: &TenantContext, cost: Cost) -> Result<Entry, Denied> {
        let asked = self.ask(context, cost)?;
        let permits = &self.shared().permits;
        let refused = match permits.try_acquire(&asked.tenant, asked.cap) {
            Ok(permit) => {
                let mut admitted = self.admit(asked.tier, 0)?;
                return asked.enter(permit, &mut admitted).map(Entry::Entered);
            }
            Err(refused) => refused,
        };
        let exceeded = Refusal::new(Reason::ConcurrencyExceeded, Door::Permit);
        // Behind others of its own that wait it may wait too. Who is refused without, as a flood is, does
        // not come to the lock of the line, which is that of all tenants.
        let (held, waits) = permits.own(&asked.tenant, self.resource);
        let own = refused.reason() != Reason::LoadShed && !waits;
        if own || held >= asked.cap.permits() {
            return Err(exceeded.into());
        }
        let line = permits.line(&asked.tenant, self.resource);
        if held.saturating_add(line.own) >= asked.cap.permits() {
            return Err(exceeded.into());
        }
        let rules = self.shared().rules.load();
        asked.fits(line.own.saturating_add(1), asked.rule(&rules)?)?;
        let mut admitted = self.admit(asked.tier, line.ahead)?;
        // At once, so that who comes next sees it in the line, polled or not.
        match permits.acquire(&asked.tenant, asked.cap).begun() {
            Ok(acquire) => Ok(Entry::Waits(Waiting { asked, acquire, admitted })),
            // There is room, as there was not a moment ago.
            Err(permit) => asked.enter(permit?, &mut admitted).map(Entry::Entered),
        }
    }

    /// Enters, after a wait where [`begin`](Self::begin) has one.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    ///
    /// # Cancellation
    ///
    /// Dropped, it has taken nothing, and its place in the line goes to the next.
    pub async fn enter(&self, context: &TenantContext, cost: Cost) -> Result<Entered, Denied> {
        match self.begin(context, cost)? {
            Entry::Entered(entered) => Ok(entered),
            Entry::Waits(waiting) => waiting.enter().await,
        }
    }

    /// How the tenant stands, without taking anything.
    #[must_use]
    pub fn standings(&self, context: &TenantContext) -> Standings {
        let shared = self.shared();
        let rules = shared.rules.load();
        let tenant = context.tenant();
        let Some(Rule { rate: Some(rate), .. }) = rules.rule(self.resource, tenant, context.tier())
        else {
            return Standings::NONE;
        };
        let now = shared.authority.clock().monotonic();
        shared.rates.standings(&(*tenant, self.resource), rate, now)
    }

    fn ask(&self, context: &TenantContext, cost: Cost) -> Result<Asked, Denied> {
        let shared = self.shared();
        shared.authority.check(context, Door::Permit)?;
        let (tenant, tier) = (*context.tenant(), context.tier());
        let rules = shared.rules.load();
        let rule = rules
            .rule(self.resource, &tenant, tier)
            .ok_or(Refusal::new(Reason::UnknownTier, Door::Permit))?;
        let cap = Cap::new(self.resource, rule.in_flight);
        let asked = Asked { door: self.clone(), tenant, tier, cap, cost };
        asked.fits(1, rule)?;
        Ok(asked)
    }

    fn admit(&self, tier: Tier, ahead: u32) -> Result<Option<Admitted>, Refusal> {
        let admission = self.shared().admission.as_ref();
        admission.map(|admission| admission.admit_behind(tier, ahead)).transpose()
    }

    fn shared(&self) -> &Shared {
        &self.limits.shared
    }
}

/// One who asks, and what is known of it.
struct Asked {
    door: ResourceLimits,
    tenant: TenantId,
    tier: Tier,
    cap: Cap,
    cost: Cost,
}

impl Asked {
    /// The last step: nothing is refused after the rate is taken.
    fn enter(self, permit: Permit, admitted: &mut Option<Admitted>) -> Result<Entered, Denied> {
        if let Some(admitted) = admitted {
            admitted.begin();
        }
        let shared = self.door.shared();
        let rules = shared.rules.load();
        // The policy may be another than when it was asked, after a wait.
        let Some(rate) = &self.rule(&rules)?.rate else {
            return Ok(Entered::new(self.door, self.tenant, permit, None, Standings::NONE));
        };
        let now = shared.authority.clock().monotonic();
        let Decided { taken, standings } = shared.rates.take(&self.key(), rate, self.cost, now);
        match taken {
            Ok(charge) => Ok(Entered::new(self.door, self.tenant, permit, charge, standings)),
            Err(denial) => Err(denied(denial, standings)),
        }
    }

    fn rule<'r>(&self, rules: &'r Rules) -> Result<&'r Rule, Refusal> {
        let rule = rules.rule(self.door.resource, &self.tenant, self.tier);
        rule.ok_or(Refusal::new(Reason::UnknownTier, Door::Permit))
    }

    /// Whether the rate has room for this call as the last of so many.
    fn fits(&self, calls: u32, rule: &Rule) -> Result<(), Denied> {
        let Some(rate) = &rule.rate else { return Ok(()) };
        let shared = self.door.shared();
        let now = shared.authority.clock().monotonic();
        let cost = rate.cost_of(calls, self.cost);
        let Decided { taken, standings } = shared.rates.peek(&self.key(), rate, cost, now);
        taken.map(drop).map_err(|denial| denied(denial, standings))
    }

    const fn key(&self) -> RateKey {
        (self.tenant, self.door.resource)
    }
}

fn denied(denial: Denial, standings: Standings) -> Denied {
    let refusal = match denial {
        Denial::Exhausted { retry_after, .. } => {
            Refusal::new(Reason::RateExceeded, Door::Permit).retry_after(retry_after)
        }
        _ => Refusal::new(Reason::CostTooLarge, Door::Permit),
    };
    Denied::new(refusal, standings)
}

/// A place in the line for room in the process.
///
/// # Cancellation
///
/// Dropped, it has taken nothing, and its place goes to the next.
#[must_use = "it keeps its place, and whoever is behind it waiting, until it is polled or dropped"]
pub struct Waiting {
    asked: Asked,
    acquire: Acquire,
    admitted: Option<Admitted>,
}

impl Waiting {
    /// Enters once there is room.
    ///
    /// # Errors
    ///
    /// As [`ResourceLimits::begin`].
    pub async fn enter(self) -> Result<Entered, Denied> {
        let Self { asked, acquire, mut admitted } = self;
        let permit = acquire.await?;
        asked.enter(permit, &mut admitted)
    }
}

/// The policy does not speak of that resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the limits do not speak of that resource")]
pub struct UnknownResource;

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("rates", &self.shared.rates.len())
            .field("admission", &self.shared.admission)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ResourceLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceLimits").field("resource", &self.resource).finish_non_exhaustive()
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting")
            .field("resource", &self.asked.door.resource)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
