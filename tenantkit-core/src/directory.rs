//! [`TenantDirectory`]: which tenants exist, and how they stand.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::ArcSwap;

use crate::{Incarnation, RoutingEpoch, TenantId, Tier, UnixTime};

/// Answers from memory whether a tenant exists and how it stands. It is asked at every door, so it
/// takes nanoseconds and does no input or output.
pub trait TenantDirectory: fmt::Debug + Send + Sync + 'static {
    /// The tenant, if there is one of that id.
    fn find(&self, tenant: &TenantId) -> Option<TenantRecord>;

    /// When what it answers was last known to be true. Past the authority's bound on staleness every
    /// door refuses, rather than guesses. `None` is for a directory that is itself the truth.
    fn as_of(&self) -> Option<UnixTime>;
}

/// How a tenant stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TenantRecord {
    /// What it bought. It wins over what a token says.
    pub tier: Tier,
    /// Whether it may act.
    pub status: TenantStatus,
    /// Which tenant of its id it is.
    pub incarnation: Incarnation,
    /// When this incarnation was created. Identity that was issued before is an earlier tenant's, and
    /// so is a bearer token that could have been, by the leeway of its issuer's clock.
    pub created: Option<UnixTime>,
    /// Where its routing stands.
    pub epoch: RoutingEpoch,
}

impl TenantRecord {
    /// An active tenant, the first of its id.
    #[must_use]
    pub const fn active(tier: Tier) -> Self {
        Self {
            tier,
            status: TenantStatus::Active,
            incarnation: Incarnation::FIRST,
            created: None,
            epoch: RoutingEpoch(0),
        }
    }

    /// The same, with another status.
    #[must_use]
    pub const fn status(self, status: TenantStatus) -> Self {
        Self { status, ..self }
    }

    /// The same, as another incarnation, created at `created`.
    #[must_use]
    pub const fn incarnation(self, incarnation: Incarnation, created: UnixTime) -> Self {
        Self { incarnation, created: Some(created), ..self }
    }

    /// The same, at another routing epoch.
    #[must_use]
    pub const fn epoch(self, epoch: RoutingEpoch) -> Self {
        Self { epoch, ..self }
    }
}

/// Whether a tenant may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TenantStatus {
    /// It may.
    Active,
    /// It may not, until the operator says so.
    Suspended,
    /// It may not just now, because it is being moved.
    Moving,
}

/// A directory in memory, changed while running. Readers never wait.
///
/// Keep a handle to change it, and give the authority another:
///
/// ```
/// use std::sync::Arc;
/// use tenantkit_core::{MemoryDirectory, TenantDirectory, TenantRecord, TenantStatus, TierSet};
///
/// let record = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
/// let directory = Arc::new(MemoryDirectory::new([("acme".parse()?, record)]));
/// // Authority::builder(..).directory(Arc::clone(&directory))
///
/// directory.set("acme".parse()?, record.status(TenantStatus::Suspended));
/// assert_eq!(directory.find(&"acme".parse()?).unwrap().status, TenantStatus::Suspended);
/// # Ok::<(), tenantkit_core::InvalidTenantId>(())
/// ```
#[derive(Debug)]
pub struct MemoryDirectory(ArcSwap<Known>);

/// What is known, and as of when. Swapped as one, so that no old content is ever taken for new.
#[derive(Debug, Clone)]
struct Known {
    tenants: Arc<HashMap<TenantId, TenantRecord>>,
    /// `None` when this is the truth itself.
    as_of: Option<UnixTime>,
}

impl MemoryDirectory {
    /// A directory that is itself the truth, and so is never stale.
    #[must_use]
    pub fn new(tenants: impl IntoIterator<Item = (TenantId, TenantRecord)>) -> Self {
        Self(ArcSwap::from_pointee(Known {
            tenants: Arc::new(tenants.into_iter().collect()),
            as_of: None,
        }))
    }

    /// A copy of a truth elsewhere, as it was at `as_of`.
    #[must_use]
    pub fn replica(
        tenants: impl IntoIterator<Item = (TenantId, TenantRecord)>,
        as_of: UnixTime,
    ) -> Self {
        Self(ArcSwap::from_pointee(Known {
            tenants: Arc::new(tenants.into_iter().collect()),
            as_of: Some(as_of),
        }))
    }

    /// Replaces everything by the truth as it is at `as_of`. What is older than what is known is
    /// ignored, so that of two refreshes that overtake each other the later truth stays: `as_of` is when
    /// the truth was asked for, by a clock that agrees with the authority's.
    pub fn replace(
        &self,
        tenants: impl IntoIterator<Item = (TenantId, TenantRecord)>,
        as_of: UnixTime,
    ) {
        let tenants = Arc::new(tenants.into_iter().collect());
        self.0.rcu(|known| match known.as_of {
            Some(later) if as_of < later => Arc::clone(known),
            known => Arc::new(Known { tenants: Arc::clone(&tenants), as_of: known.map(|_| as_of) }),
        });
    }

    /// Tells that nothing has changed until `as_of`. A directory that is the truth stays that.
    pub fn confirm(&self, as_of: UnixTime) {
        self.0.rcu(|known| {
            let as_of = known.as_of.map(|before| before.max(as_of));
            Known { as_of, ..Known::clone(known) }
        });
    }

    /// Adds or changes one tenant. It copies the directory: for many, [`MemoryDirectory::replace`].
    pub fn set(&self, tenant: TenantId, record: TenantRecord) {
        self.change(|tenants| {
            tenants.insert(tenant, record);
        });
    }

    /// Removes one tenant. Create its successor with the [`next`](Incarnation::next) incarnation.
    pub fn remove(&self, tenant: &TenantId) {
        self.change(|tenants| {
            tenants.remove(tenant);
        });
    }

    /// Every tenant, in no order, whether or not it may act: for work that runs for each.
    #[must_use]
    pub fn tenants(&self) -> Vec<TenantId> {
        self.0.load().tenants.keys().copied().collect()
    }

    fn change(&self, change: impl Fn(&mut HashMap<TenantId, TenantRecord>)) {
        self.0.rcu(|known| {
            let mut known = Known::clone(known);
            change(Arc::make_mut(&mut known.tenants));
            known
        });
    }
}

impl TenantDirectory for MemoryDirectory {
    fn find(&self, tenant: &TenantId) -> Option<TenantRecord> {
        self.0.load().tenants.get(tenant).copied()
    }

    fn as_of(&self) -> Option<UnixTime> {
        self.0.load().as_of
    }
}

impl<D: TenantDirectory + ?Sized> TenantDirectory for Arc<D> {
    fn find(&self, tenant: &TenantId) -> Option<TenantRecord> {
        (**self).find(tenant)
    }

    fn as_of(&self) -> Option<UnixTime> {
        (**self).as_of()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TierSet;

    fn id(tenant: &str) -> TenantId {
        tenant.parse().unwrap()
    }

    fn gold() -> TenantRecord {
        TenantRecord::active(TierSet::METALS.get("gold").unwrap())
    }

    #[test]
    fn every_tenant_is_listed_whether_or_not_it_may_act() {
        let suspended = gold().status(TenantStatus::Suspended);
        let directory = MemoryDirectory::new([(id("acme"), gold()), (id("globex"), suspended)]);
        let listed = || {
            let mut tenants = directory.tenants();
            tenants.sort_unstable();
            tenants
        };
        assert_eq!(listed(), [id("acme"), id("globex")]);
        directory.remove(&id("acme"));
        assert_eq!(listed(), [id("globex")]);
    }

    #[test]
    fn a_change_of_one_tenant_makes_a_replica_no_fresher() {
        let then = UnixTime::from_secs(1_800_000_000);
        let replica = MemoryDirectory::replica([(id("acme"), gold())], then);
        replica.set(id("globex"), gold());
        replica.remove(&id("acme"));
        assert_eq!(replica.as_of(), Some(then));
        assert_eq!((replica.find(&id("acme")), replica.find(&id("globex"))), (None, Some(gold())));
    }

    #[test]
    fn a_record_keeps_what_it_was_told() {
        let created = UnixTime::from_secs(1_800_000_000);
        let record = gold()
            .epoch(RoutingEpoch(7))
            .incarnation(Incarnation::FIRST.next(), created)
            .status(TenantStatus::Moving);
        assert_eq!((record.epoch, record.created), (RoutingEpoch(7), Some(created)));
        assert_eq!(
            (record.incarnation, record.status),
            (Incarnation::FIRST.next(), TenantStatus::Moving)
        );
        assert_eq!(record.tier, gold().tier);
    }
}
