//! [`LimitPolicy`]: what each tier, and each tenant for whom it differs, may do with each resource.
//!
//! In code:
//!
//! ```
//! use tenantkit_core::TierSet;
//! use tenantkit_limit::{policy::{Allowance, LimitPolicy}, quota::Quota};
//!
//! const TIERS: TierSet = TierSet::new(&["bronze", "gold"]);
//! const SLOW: Quota = Quota::per_second(10).burst(20).declare();
//!
//! let policy = LimitPolicy::builder(TIERS)
//!     .tier("exports", "bronze", Allowance::unlimited().rate(SLOW).in_flight(2))
//!     .tier("exports", "gold", Allowance::unlimited().in_flight(8))
//!     .tenant("exports", "acme".parse()?, Allowance::unlimited().rate(SLOW).in_flight(4))
//!     .build()?;
//! # let _ = policy;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Or as a document, in TOML or JSON, of the same shape (features `toml` and `json`). What is not
//! limited is said to be so; what is left out is a mistake, and so is a tier, a resource or a word that
//! is not known:
//!
//! ```toml
//! [resources.exports.tiers]
//! bronze = { rate = { per_second = { count = 10, burst = 20 }, per_minute = 200 }, in_flight = 2 }
//! gold = { rate = "unlimited", in_flight = 8 }
//!
//! [resources.exports.tenants]
//! acme = { rate = { per_second = 10 }, in_flight = 4 }
//! ```

#[cfg(any(feature = "toml", feature = "json"))]
mod document;

use std::collections::{BTreeMap, HashMap};

use tenantkit_core::{TenantId, Tier, TierSet};

use crate::quota::Quota;

#[cfg(any(feature = "toml", feature = "json"))]
pub use self::document::InvalidDocument;

/// What each tier, and each tenant for whom it differs, may do with each resource. All tiers are
/// spoken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitPolicy {
    tiers: TierSet,
    resources: BTreeMap<Box<str>, ResourcePolicy>,
}

/// What may be done with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ResourcePolicy {
    /// By rank.
    pub(crate) tiers: Box<[Allowance]>,
    pub(crate) tenants: HashMap<TenantId, Allowance>,
}

impl LimitPolicy {
    /// The most resources that there can be.
    pub const MAX_RESOURCES: usize = crate::concurrency::Resource::MAX;

    /// A policy for these tiers.
    pub const fn builder(tiers: TierSet) -> LimitPolicyBuilder {
        LimitPolicyBuilder { tiers, resources: BTreeMap::new(), mistake: None }
    }

    /// The tiers that it speaks of.
    #[must_use]
    pub const fn tiers(&self) -> TierSet {
        self.tiers
    }

    /// The resources that it speaks of, in the order of their names.
    pub fn resources(&self) -> impl ExactSizeIterator<Item = &str> {
        self.resources.keys().map(AsRef::as_ref)
    }

    /// What a tenant of that tier may do with the resource, if the policy has it.
    #[must_use]
    pub fn allowance(&self, resource: &str, tenant: &TenantId, tier: Tier) -> Option<Allowance> {
        let resource = self.resources.get(resource)?;
        self.tiers.contains(tier).then(|| resource.allowance(tenant, tier))
    }

    pub(crate) fn into_resources(self) -> BTreeMap<Box<str>, ResourcePolicy> {
        self.resources
    }
}

impl ResourcePolicy {
    /// The tier is one of the policy's.
    pub(crate) fn allowance(&self, tenant: &TenantId, tier: Tier) -> Allowance {
        if !self.tenants.is_empty()
            && let Some(own) = self.tenants.get(tenant)
        {
            return *own;
        }
        self.tiers[tier.rank()]
    }
}

/// What a tenant may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    pub(crate) rate: Option<Quota>,
    pub(crate) in_flight: Option<u32>,
}

impl Allowance {
    /// As much as the process can.
    #[must_use]
    pub const fn unlimited() -> Self {
        Self { rate: None, in_flight: None }
    }

    /// At this rate.
    #[must_use]
    pub const fn rate(self, quota: Quota) -> Self {
        Self { rate: Some(quota), ..self }
    }

    /// So many under way at a time.
    #[must_use]
    pub const fn in_flight(self, at_most: u32) -> Self {
        Self { in_flight: Some(at_most), ..self }
    }
}

/// Makes a [`LimitPolicy`]. The first mistake is kept and told at the end.
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is built"]
pub struct LimitPolicyBuilder {
    tiers: TierSet,
    resources: BTreeMap<Box<str>, Draft>,
    mistake: Option<InvalidPolicy>,
}

#[derive(Debug, Clone, Default)]
struct Draft {
    /// By rank.
    tiers: [Option<Allowance>; TierSet::MAX],
    tenants: HashMap<TenantId, Allowance>,
}

impl LimitPolicyBuilder {
    /// What tenants of a tier may do with a resource.
    pub fn tier(mut self, resource: &str, tier: &str, allowance: Allowance) -> Self {
        if let Err(mistake) = self.set_tier(resource, tier, allowance) {
            self.mistake.get_or_insert(mistake);
        }
        self
    }

    /// What one tenant may do with a resource, whatever its tier.
    pub fn tenant(mut self, resource: &str, tenant: TenantId, allowance: Allowance) -> Self {
        if let Err(mistake) = self.set_tenant(resource, tenant, allowance) {
            self.mistake.get_or_insert(mistake);
        }
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// When there is no resource or there are too many; when one has a bad name, lacks a tier, or has
    /// one that is not in the set; when something is said twice, or allowed zero times.
    pub fn build(self) -> Result<LimitPolicy, InvalidPolicy> {
        if let Some(mistake) = self.mistake {
            return Err(mistake);
        }
        if self.resources.is_empty() {
            return Err(InvalidPolicy::NoResource);
        }
        if self.resources.len() > LimitPolicy::MAX_RESOURCES {
            return Err(InvalidPolicy::TooManyResources);
        }
        let finish = |(name, draft): (Box<str>, Draft)| {
            let resource = draft.finish(&name, self.tiers)?;
            Ok((name, resource))
        };
        let resources = self.resources.into_iter().map(finish).collect::<Result<_, _>>()?;
        Ok(LimitPolicy { tiers: self.tiers, resources })
    }

    fn set_tier(
        &mut self,
        resource: &str,
        tier: &str,
        allowance: Allowance,
    ) -> Result<(), InvalidPolicy> {
        let tier = self.tiers.get(tier).ok_or_else(|| InvalidPolicy::UnknownTier {
            resource: resource.into(),
            tier: tier.chars().take(24).collect(),
        })?;
        let place = &mut self.draft(resource, allowance)?.tiers[tier.rank()];
        if place.replace(allowance).is_some() {
            return Err(InvalidPolicy::TierTwice { resource: resource.into(), tier });
        }
        Ok(())
    }

    fn set_tenant(
        &mut self,
        resource: &str,
        tenant: TenantId,
        allowance: Allowance,
    ) -> Result<(), InvalidPolicy> {
        if self.draft(resource, allowance)?.tenants.insert(tenant, allowance).is_some() {
            return Err(InvalidPolicy::TenantTwice { resource: resource.into() });
        }
        Ok(())
    }

    fn draft(&mut self, resource: &str, allowance: Allowance) -> Result<&mut Draft, InvalidPolicy> {
        if !is_name(resource) {
            return Err(InvalidPolicy::ResourceName);
        }
        if allowance.in_flight == Some(0) {
            return Err(InvalidPolicy::NoneInFlight { resource: resource.into() });
        }
        Ok(self.resources.entry(resource.into()).or_default())
    }
}

impl Draft {
    fn finish(self, name: &str, tiers: TierSet) -> Result<ResourcePolicy, InvalidPolicy> {
        let allowance = |tier: Tier| {
            let missing = || InvalidPolicy::TierMissing { resource: name.into(), tier };
            self.tiers[tier.rank()].ok_or_else(missing)
        };
        let tiers = tiers.iter().map(allowance).collect::<Result<_, _>>()?;
        Ok(ResourcePolicy { tiers, tenants: self.tenants })
    }
}

/// The same form as the name of a tier, so that it can be the label of a metric.
fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    name.len() <= 24
        && bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

/// Why something is not a [`LimitPolicy`]. It never names a tenant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPolicy {
    /// It speaks of nothing.
    #[error("a policy has at least one resource")]
    NoResource,
    /// More than [`LimitPolicy::MAX_RESOURCES`].
    #[error("a policy has at most {} resources", LimitPolicy::MAX_RESOURCES)]
    TooManyResources,
    /// A resource whose name cannot be one.
    #[error("a resource is named in a-z, 0-9 and _, at most 24 of them, a letter first")]
    ResourceName,
    /// A tier that the application did not declare.
    #[error("resource {resource}: there is no tier {tier:?}")]
    UnknownTier {
        /// The resource.
        resource: String,
        /// The first 24 characters of what was taken for a tier.
        tier: String,
    },
    /// A tier for which nothing is said.
    #[error("resource {resource}: nothing is said of tier {tier}")]
    TierMissing {
        /// The resource.
        resource: String,
        /// The tier.
        tier: Tier,
    },
    /// A tier for which two things are said.
    #[error("resource {resource}: tier {tier} stands twice")]
    TierTwice {
        /// The resource.
        resource: String,
        /// The tier.
        tier: Tier,
    },
    /// A tenant for whom two things are said.
    #[error("resource {resource}: a tenant stands twice")]
    TenantTwice {
        /// The resource.
        resource: String,
    },
    /// Zero under way at a time, with which nothing would ever pass.
    #[error("resource {resource}: in_flight must not be zero")]
    NoneInFlight {
        /// The resource.
        resource: String,
    },
}

#[cfg(test)]
mod tests;
