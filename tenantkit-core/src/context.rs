//! [`TenantContext`]: who is acting, as verified.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    Authority, Door, Identity, Incarnation, Refusal, RoutingEpoch, Source, SourceSet, Subject,
    TenantId, TenantKey, Text, Tier, UnixTime, token::Minted,
};

/// Who is acting, as verified by an [`Authority`]. Every door to a shared resource asks for one.
///
/// It has no public constructor, no `Default` and no `Deserialize`: a context that exists was
/// issued. A clone shares it by reference count. Reading from it never fails; a door checks it again
/// ([`Authority::check`]), because it may have expired or its tenant may be suspended since.
///
/// ```compile_fail,E0433
/// let forged = tenantkit_core::TenantContext::new("acme");
/// # use nothing::at_all;
/// ```
#[derive(Clone)]
pub struct TenantContext(Arc<Issued>);

/// What an authority issued.
struct Issued {
    authority: Authority,
    identity: Arc<Identity>,
    incarnation: Incarnation,
    tier: Tier,
    txn: Text,
    provenance: Provenance,
    /// The token that goes with outbound calls, minted at the first.
    minted: Mutex<Option<Minted>>,
}

/// What proved an identity, and what agreed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provenance {
    pub(crate) established_by: Source,
    pub(crate) agreed: SourceSet,
}

impl Provenance {
    /// The source that carried the proof.
    #[must_use]
    pub const fn established_by(&self) -> Source {
        self.established_by
    }

    /// Every source that was present, all of which agreed.
    #[must_use]
    pub const fn agreed(&self) -> SourceSet {
        self.agreed
    }
}

impl TenantContext {
    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.0.identity.tenant
    }

    /// The tenant's id as text that outlives the context, without a copy for each that keeps it.
    #[doc(hidden)]
    #[must_use]
    pub fn shared_id(&self) -> Arc<str> {
        let identity = &self.0.identity;
        identity.shared_id.get_or_init(|| identity.tenant.as_str().into()).clone()
    }

    /// Which tenant of that id, when the id was created more than once.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.0.incarnation
    }

    /// What the tenant bought.
    #[must_use]
    pub fn tier(&self) -> Tier {
        self.0.tier
    }

    /// On whose behalf.
    #[must_use]
    pub fn subject(&self) -> &Subject {
        &self.0.identity.subject
    }

    /// Who acts for the subject, when it is not the subject.
    #[must_use]
    pub fn actor(&self) -> Option<&Subject> {
        self.0.identity.actor.as_ref()
    }

    /// The workload that asked.
    #[must_use]
    pub fn workload(&self) -> Option<&Text> {
        self.0.identity.workload.as_ref()
    }

    /// What it may do.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.identity.scopes.iter()
    }

    /// Whether it may do `scope`.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.identity.scopes.contains(scope)
    }

    /// Where the tenant's data lives.
    #[must_use]
    pub fn region(&self) -> Option<&Text> {
        self.0.identity.region.as_ref()
    }

    /// The transaction that this work belongs to, through every service.
    #[must_use]
    pub fn transaction(&self) -> &Text {
        &self.0.txn
    }

    /// What proved it.
    #[must_use]
    pub fn provenance(&self) -> Provenance {
        self.0.provenance
    }

    /// From when on every door refuses it.
    #[must_use]
    pub fn expires(&self) -> UnixTime {
        self.0.identity.expires
    }

    /// The routing epoch that it was issued under. A hint: the directory decides.
    #[must_use]
    pub fn epoch(&self) -> Option<RoutingEpoch> {
        self.0.identity.epoch
    }

    /// The authority that issued it.
    #[must_use]
    pub fn authority(&self) -> &Authority {
        &self.0.authority
    }

    /// Makes a key of a cache, a single flight or a batcher that no other tenant's equals.
    ///
    /// # Errors
    ///
    /// Refuses like every door ([`Authority::check`]).
    pub fn key<K>(&self, key: K) -> Result<TenantKey<K>, Refusal> {
        self.authority().check(self, Door::Key)?;
        Ok(TenantKey::of(self, key))
    }

    /// Whether both act for the same tenant: the same id, the same incarnation, the same authority.
    #[must_use]
    pub fn is_same_tenant(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
            || (self.tenant() == other.tenant()
                && self.0.incarnation == other.0.incarnation
                && self.0.authority == other.0.authority)
    }

    /// Only an authority calls this.
    pub(crate) fn issue(
        authority: Authority,
        identity: Arc<Identity>,
        (tier, incarnation): (Tier, Incarnation),
        txn: Text,
        provenance: Provenance,
    ) -> Self {
        Self(Arc::new(Issued {
            authority,
            identity,
            incarnation,
            tier,
            txn,
            provenance,
            minted: Mutex::new(None),
        }))
    }

    pub(crate) fn identity(&self) -> &Arc<Identity> {
        &self.0.identity
    }

    pub(crate) fn minted(&self) -> MutexGuard<'_, Option<Minted>> {
        // What is under the lock is replaced as a whole.
        self.0.minted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TenantContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A person's name and a token have no place in a log line that someone made with `{:?}`.
        f.debug_struct("TenantContext")
            .field("tenant", self.tenant())
            .field("incarnation", &self.incarnation().get())
            .field("tier", &self.tier())
            .field("transaction", self.transaction())
            .field("established_by", &self.provenance().established_by)
            .finish_non_exhaustive()
    }
}
