//! [`Authority`]: the only thing that issues contexts, and what every door asks again.

mod build;
mod checks;
mod dangerous;
mod grant;
mod listener;
mod proofs;
mod token_cache;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

pub use build::{AuthorityBuilder, BuildError};
use checks::Checks;
pub use checks::{CheckPermit, Turn};
pub use dangerous::{DangerousBuilder, GatewayPeer};
pub use grant::{Capability, CrossTenant, Grant, SystemWork};
pub use listener::{Begun, Listener};
use proofs::Proofs;
pub use token_cache::TokenCacheStats;

use crate::{
    AuditEvent, Clock, Door, Envelopes, Identity, Provenance, Reason, Refusal, Source, SourceSet,
    TenantContext, TenantDirectory, TenantId, TenantRecord, TenantStatus, Text, TierSet, TxnTokens,
    UnixTime, audit::Auditor, jws::cache::VerifiedCache, source::IdentitySource,
};

/// What an application builds once at start, from its keys and policies: the only thing that issues
/// contexts. Every door is built from a handle to it; a clone is a handle to the same one.
///
/// ```
/// # use tenantkit_core::{Algorithm, KeySet, KeyTerms, KeyUse, SigningKey, test_util::MemorySink};
/// use tenantkit_core::{Authority, MemoryDirectory, TenantRecord, TierSet, TxnTokens};
///
/// # let terms = KeyTerms::new("edge-1".parse()?, KeyUse::Txn, "edge".parse()?);
/// # let key = SigningKey::generate(terms, Algorithm::EdDsa)?;
/// # let keys = KeySet::new([key.verifying_key().clone()])?;
/// # let sink = MemorySink::default();
/// let gold = TierSet::METALS.get("gold").unwrap();
/// let authority = Authority::builder(TierSet::METALS)
///     .txn_tokens(TxnTokens::new("acmedocs.example", "edge", keys)?.signing(key)?)
///     .directory(MemoryDirectory::new([("acme".parse()?, TenantRecord::active(gold))]))
///     .audit(sink)
///     .build()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Authority(Arc<Inner>);

struct Inner {
    tiers: TierSet,
    clock: Arc<dyn Clock>,
    directory: Arc<dyn TenantDirectory>,
    max_staleness: Duration,
    grace: Duration,
    auditor: Auditor,
    sources: Vec<Registered>,
    /// The identity headers of all sources, and those that identity travels in elsewhere.
    headers: Vec<&'static str>,
    txn_tokens: Option<TxnTokens>,
    bearer_cache: Option<VerifiedCache>,
    envelopes: Option<Envelopes>,
    trusts_plain_records: bool,
    capabilities: Vec<Capability>,
    transactions: Transactions,
    checks: Checks,
}

/// A source, and what the application said of it.
struct Registered {
    source: Box<dyn IdentitySource>,
    role: Role,
    /// The places of its headers.
    reads: u32,
}

enum Role {
    /// It carries a proof, for these tenants.
    Establishes(crate::Asserts),
    /// It only names a tenant.
    Corroborates,
}

impl Authority {
    /// Builds an authority for an application with these tiers.
    #[must_use]
    pub fn builder(tiers: TierSet) -> AuthorityBuilder {
        AuthorityBuilder::new(tiers)
    }

    /// Checks a context again, as every door does before it opens: it was issued here, it has not
    /// expired, its tenant is still the same and may act, and no other tenant's scope is active.
    /// In memory, in nanoseconds. A refusal is audited.
    ///
    /// What was opened before the context expired may finish: a transaction commits, a handler
    /// answers, a body goes on for [`Authority::grace`]. Nothing new is opened.
    ///
    /// # Errors
    ///
    /// [`Unverified`](crate::RefusalCode::Unverified) when it is another authority's, has expired or
    /// is that of an earlier incarnation; [`Mismatch`](crate::RefusalCode::Mismatch) inside another
    /// tenant's scope; [`NotAllowed`](crate::RefusalCode::NotAllowed),
    /// [`Suspended`](crate::RefusalCode::Suspended) or [`Moving`](crate::RefusalCode::Moving) as the
    /// directory says; [`Overloaded`](crate::RefusalCode::Overloaded) when the directory is too old.
    pub fn check(&self, context: &TenantContext, door: Door) -> Result<(), Refusal> {
        self.examine(context).map_err(|reason| {
            let refusal = Refusal::new(reason, door);
            self.audit_refusal(refusal, Some(context.tenant()), |event| event.of(context));
            refusal
        })
    }

    pub(crate) fn examine(&self, context: &TenantContext) -> Result<(), Reason> {
        if context.authority() != self {
            return Err(Reason::ForeignAuthority);
        }
        let disagrees = TenantContext::with_current(|current| {
            current.is_some_and(|current| !current.is_same_tenant(context))
        });
        if disagrees {
            return Err(Reason::ScopeDisagrees);
        }
        let now = self.now();
        if now >= context.expires() {
            return Err(Reason::Expired);
        }
        self.stands(context, now)
    }

    /// Whether a context's tenant is still the same and may act, whatever the time and the scope.
    /// In memory, in nanoseconds, and not audited: for what is in flight and is looked at again and
    /// again, not for a door. That is [`Authority::check`].
    ///
    /// # Errors
    ///
    /// The directory's reasons of [`Authority::check`].
    pub fn still_acts(&self, context: &TenantContext) -> Result<(), Reason> {
        if context.authority() != self {
            return Err(Reason::ForeignAuthority);
        }
        self.stands(context, self.now())
    }

    fn stands(&self, context: &TenantContext, now: UnixTime) -> Result<(), Reason> {
        let record = self.find(context.tenant(), now)?;
        if record.incarnation != context.incarnation() {
            return Err(Reason::StaleIncarnation);
        }
        may_act(&record)
    }

    /// The token that goes with an outbound call: the one that came in, unmodified, or one that is
    /// minted for the rest of the context's life, at most.
    ///
    /// # Errors
    ///
    /// Refuses like every door; and [`NotAllowed`](crate::RefusalCode::NotAllowed) when there is
    /// nothing to forward and no key to mint with.
    pub fn outbound_token(&self, context: &TenantContext) -> Result<Arc<str>, Refusal> {
        self.check(context, Door::Call)?;
        if let Some(token) = &context.identity().token {
            return Ok(Arc::clone(token));
        }
        self.minted(context).map_err(|reason| {
            let refusal = Refusal::new(reason, Door::Mint);
            self.audit_refusal(refusal, Some(context.tenant()), |event| event.of(context));
            refusal
        })
    }

    /// Under the context's lock, which is free again before a sink is told of a failure.
    fn minted(&self, context: &TenantContext) -> Result<Arc<str>, Reason> {
        let now = self.now();
        let tokens = self.0.txn_tokens.as_ref().ok_or(Reason::CannotMint)?;
        let mut minted = context.minted();
        if let Some(kept) = minted.as_ref().filter(|kept| tokens.is_current(kept, now)) {
            return Ok(Arc::clone(&kept.token));
        }
        let new = tokens.mint(context, now)?;
        Ok(Arc::clone(&minted.insert(new).token))
    }

    /// The tiers that the application declared.
    #[must_use]
    pub fn tiers(&self) -> TierSet {
        self.0.tiers
    }

    /// The time, by the authority's clock.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// The authority's clock.
    #[must_use]
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }

    /// How long a stream or body in flight may go on after its context has expired, or after its
    /// tenant was seen to be suspended or re-created.
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.0.grace
    }

    /// Records an event that an adapter saw. It never blocks. A refusal is sampled, by its reason and
    /// the event's tenant, which must be a verified one.
    pub fn record(&self, event: AuditEvent) {
        self.0.auditor.record(event);
    }

    /// Writes an event durably, before what it tells of is done: whatever goes on only because somebody
    /// said `.dangerous()`.
    ///
    /// # Errors
    ///
    /// [`AuditUnavailable`](Reason::AuditUnavailable) at `door`, when it could not be made durable. Then
    /// it is not to be done.
    ///
    /// # Cancellation
    ///
    /// The event is written all the same, or not; nobody is told.
    pub async fn commit(&self, event: AuditEvent, door: Door) -> Result<(), Refusal> {
        let committed = self.0.auditor.commit(event).await;
        committed.map_err(|_| Refusal::new(Reason::AuditUnavailable, door))
    }

    /// Records how many refusals were only counted until now. Otherwise that follows with the first
    /// event after the window, and when the last handle to the authority is dropped.
    pub fn flush_audit(&self) {
        self.0.auditor.flush();
    }

    /// What the directory says, if it can be believed.
    fn find(&self, tenant: &TenantId, now: UnixTime) -> Result<TenantRecord, Reason> {
        // Out of the future as little as out of the past: one of the two clocks is wrong, and the
        // answer may be of any age.
        let believable = |as_of| now.since(as_of).max(as_of.since(now)) <= self.0.max_staleness;
        if !self.0.directory.as_of().is_none_or(believable) {
            return Err(Reason::StaleDirectory);
        }
        let record = self.0.directory.find(tenant).ok_or(Reason::UnknownTenant)?;
        if !self.0.tiers.contains(record.tier) {
            return Err(Reason::UnknownTier);
        }
        Ok(record)
    }

    /// Turns what was proved into a context, if the directory has such a tenant.
    fn issue(
        &self,
        proofs: Proofs,
        provenance: Provenance,
        now: UnixTime,
    ) -> Result<TenantContext, Reason> {
        let record = self.find(&proofs.identity.tenant, now)?;
        if !proofs.all().all(|proof| is_of(proof, &record)) {
            return Err(Reason::StaleIncarnation);
        }
        may_act(&record)?;
        let identity = proofs.identity;
        let txn = match &identity.txn {
            Some(txn) => txn.clone(),
            None => self.0.transactions.next(),
        };
        let found = (record.tier, record.incarnation);
        Ok(TenantContext::issue(self.clone(), identity, found, txn, provenance))
    }

    /// Issues a context for what one source proved that no listener admits.
    pub(crate) fn issue_alone(
        &self,
        identity: Identity,
        source: Source,
        now: UnixTime,
    ) -> Result<TenantContext, Reason> {
        let provenance = Provenance { established_by: source, agreed: SourceSet::EMPTY };
        self.issue(Proofs::one(Arc::new(identity)), provenance, now)
    }

    /// Whether it has a key to seal records with ([`Authority::seal`]).
    #[must_use]
    pub fn can_seal(&self) -> bool {
        self.0.envelopes.as_ref().is_some_and(Envelopes::is_signing)
    }

    pub(crate) fn envelopes(&self) -> Option<&Envelopes> {
        self.0.envelopes.as_ref()
    }

    pub(crate) fn audit_refusal(
        &self,
        refusal: Refusal,
        tenant: Option<&TenantId>,
        describe: impl FnOnce(AuditEvent) -> AuditEvent,
    ) {
        self.0.auditor.refused(refusal, tenant, describe);
    }
}

/// Whether an identity is that of the tenant that has the id now, and not of an earlier one.
fn is_of(identity: &Identity, record: &TenantRecord) -> bool {
    match (identity.incarnation, record.created) {
        (Some(incarnation), _) => incarnation == record.incarnation,
        (None, None) => true,
        (None, Some(created)) => identity.issued.is_some_and(|issued| issued >= created),
    }
}

fn may_act(record: &TenantRecord) -> Result<(), Reason> {
    match record.status {
        TenantStatus::Active => Ok(()),
        TenantStatus::Suspended => Err(Reason::TenantSuspended),
        TenantStatus::Moving => Err(Reason::TenantMoving),
    }
}

impl PartialEq for Authority {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Authority {}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("tiers", &self.0.tiers).finish_non_exhaustive()
    }
}

/// Names for transactions that begin here: a random part a process, and a number. Unique, and made
/// without asking the operating system for randomness at each request.
struct Transactions {
    prefix: u64,
    next: AtomicU64,
}

impl Transactions {
    fn next(&self) -> Text {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Text::from_hex(self.prefix, number)
    }
}
