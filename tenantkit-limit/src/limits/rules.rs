//! [`Rules`]: a policy, in the form in which it is looked up for each request.

use std::{collections::HashMap, hash::RandomState, time::Duration};

use tenantkit_core::{TenantId, Tier, TierSet};

use super::rates::{InvalidRate, Rate, Rates};
use crate::{
    concurrency::Resource,
    policy::{Allowance, LimitPolicy, ResourcePolicy},
    quota::QuotaError,
    rate::TooManyPlans,
};

pub(super) struct Rules {
    tiers: TierSet,
    /// By the number of the resource.
    resources: Vec<ResourceRules>,
}

struct ResourceRules {
    name: Box<str>,
    /// By rank.
    tiers: Box<[Rule]>,
    tenants: HashMap<TenantId, Rule, RandomState>,
}

pub(super) struct Rule {
    pub(super) rate: Option<Rate>,
    pub(super) in_flight: u32,
}

impl Rules {
    pub(super) fn of(
        policy: LimitPolicy,
        rates: &Rates,
        now: Duration,
    ) -> Result<Self, InvalidRate> {
        let tiers = policy.tiers();
        let rules = |(name, resource)| ResourceRules::of(name, resource, rates, now);
        let resources = policy.into_resources().into_iter().map(rules).collect::<Result<_, _>>()?;
        Ok(Self { tiers, resources })
    }

    /// Those of another policy, in which every resource has the number that it has here.
    pub(super) fn succeed(
        &self,
        policy: LimitPolicy,
        rates: &Rates,
        now: Duration,
    ) -> Result<Self, CannotReplace> {
        if policy.tiers() != self.tiers {
            return Err(CannotReplace::Tiers);
        }
        // A policy has its resources in the order of their names, so the same names have the same
        // numbers.
        if !policy.resources().eq(self.resources.iter().map(|resource| &*resource.name)) {
            return Err(CannotReplace::Resources);
        }
        Ok(Self::of(policy, rates, now)?)
    }

    pub(super) fn resource(&self, name: &str) -> Option<Resource> {
        self.resources.iter().position(|resource| &*resource.name == name).map(Resource::new)
    }

    pub(super) fn rule(&self, resource: Resource, tenant: &TenantId, tier: Tier) -> Option<&Rule> {
        let rules = self.resources.get(resource.number())?;
        if !self.tiers.contains(tier) {
            return None;
        }
        if !rules.tenants.is_empty()
            && let Some(own) = rules.tenants.get(tenant)
        {
            return Some(own);
        }
        rules.tiers.get(tier.rank())
    }
}

impl ResourceRules {
    fn of(
        name: Box<str>,
        resource: ResourcePolicy,
        rates: &Rates,
        now: Duration,
    ) -> Result<Self, InvalidRate> {
        let rule = |Allowance { rate, in_flight }: Allowance| -> Result<Rule, InvalidRate> {
            let rate = rate.map(|quota| rates.rate(&quota, now)).transpose()?;
            Ok(Rule { rate, in_flight: in_flight.unwrap_or(u32::MAX) })
        };
        let tiers = resource.tiers.into_iter().map(rule).collect::<Result<_, _>>()?;
        let own = |(tenant, allowance)| Ok::<_, InvalidRate>((tenant, rule(allowance)?));
        let tenants = resource.tenants.into_iter().map(own).collect::<Result<_, _>>()?;
        Ok(Self { name, tiers, tenants })
    }
}

/// Why a policy cannot take the place of the present one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CannotReplace {
    /// It is for another set of tiers.
    #[error("the policy is for other tiers")]
    Tiers,
    /// It adds resources or leaves some out. Doors are made for those that there were at the start.
    #[error("the policy speaks of other resources than the one in force")]
    Resources,
    /// It has too many different quotas.
    #[error(transparent)]
    TooManyPlans(#[from] TooManyPlans),
    /// A quota of which a process cannot have a safe share.
    #[error("one process' share of a quota: {0}")]
    SafeShare(#[source] QuotaError),
}

impl From<InvalidRate> for CannotReplace {
    fn from(invalid: InvalidRate) -> Self {
        match invalid {
            InvalidRate::TooManyPlans(many) => Self::TooManyPlans(many),
            InvalidRate::SafeShare(quota) => Self::SafeShare(quota),
        }
    }
}
