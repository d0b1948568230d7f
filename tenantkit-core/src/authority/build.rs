//! [`AuthorityBuilder`]: keys and policies, once at start.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use super::{
    Authority, Capability, DangerousBuilder, Inner, Registered, Role, Transactions,
    checks::{CheckBounds, Checks, half_the_cores},
};
use crate::{
    Asserts, AuditSink, BearerPolicy, Clock, Envelopes, Jwks, Source, SourceSet, SystemClock,
    TenantDirectory, TierSet, TxnTokens,
    audit::{Auditor, Sampling},
    bearer::Bearers,
    inbound::{MAX_IDENTITY_HEADERS, is_alike},
    jws,
    source::IdentitySource,
};

/// Where identity travels, whether or not a source for it is registered: what stands there and is
/// not admitted is refused.
const WIRE_HEADERS: [&str; 3] = ["txn-token", "authorization", "x-tenant-id"];

/// A shorter window would let a flood through.
const MIN_SAMPLING_WINDOW: Duration = Duration::from_secs(1);

/// Builds an [`Authority`].
#[derive(Debug)]
pub struct AuthorityBuilder {
    tiers: TierSet,
    clock: Arc<dyn Clock>,
    directory: Option<Arc<dyn TenantDirectory>>,
    max_staleness: Duration,
    grace: Duration,
    sink: Option<Arc<dyn AuditSink>>,
    sampling: Sampling,
    bearers: Vec<(Jwks, BearerPolicy)>,
    bearer_cache: u64,
    bearer_failures: Option<u32>,
    txn_tokens: Option<TxnTokens>,
    envelopes: Option<Envelopes>,
    sources: Vec<(Box<dyn IdentitySource>, Option<Asserts>)>,
    capabilities: Vec<Capability>,
    checks: CheckBounds,
    /// What `.dangerous()` was asked for, to be audited before the authority exists.
    pub(super) dangers: Vec<&'static str>,
    pub(super) trusts_plain_records: bool,
}

/// Why an authority cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// `.directory(..)` was not called.
    #[error("an authority needs a directory of its tenants: call `.directory(..)`")]
    NoDirectory,
    /// `.audit(..)` was not called.
    #[error("an authority needs somewhere to write what an auditor reads: call `.audit(..)`")]
    NoAudit,
    /// Nothing that establishes identity was registered.
    #[error("an authority needs a source that establishes identity: call `.bearer(..)` or another")]
    NoSource,
    /// Two bearer policies for one issuer.
    #[error("an issuer of bearer tokens is registered twice")]
    DuplicateIssuer,
    /// A bearer policy whose issuer or audience is empty, too long or has control characters.
    #[error("a bearer policy has an issuer or an audience that is empty or malformed")]
    BearerNames,
    /// The same source was registered twice.
    #[error("the source '{0}' is registered twice")]
    DuplicateSource(Source),
    /// More sources or headers than an authority keeps.
    #[error("an authority has at most 32 sources and 16 identity headers")]
    TooManySources,
    /// A header name that is not in lower case, or not a header name.
    #[error("the source '{0}' reads a header whose name is not in lower case")]
    HeaderName(Source),
    /// A header that could be taken for another source's, or for `connection`.
    #[error("the source '{0}' reads a header that could be taken for another one")]
    AlikeHeader(Source),
    /// The same capability was declared twice.
    #[error("the capability '{0}' is declared twice")]
    DuplicateCapability(&'static str),
    /// A window in which refusals are sampled that bounds nothing.
    #[error("the window of `.sample_refusals(..)` is at least 1 s")]
    SamplingWindow,
    /// What `.dangerous()` allows must be audited first, and could not be.
    #[error("the audit log cannot be written, and `.dangerous()` must be audited")]
    AuditUnavailable,
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    NoRandomness,
}

impl AuthorityBuilder {
    pub(super) fn new(tiers: TierSet) -> Self {
        Self {
            tiers,
            clock: Arc::new(SystemClock::new()),
            directory: None,
            max_staleness: Duration::from_secs(300),
            grace: Duration::from_secs(30),
            sink: None,
            sampling: Sampling {
                at_most: const { NonZeroU32::new(20).unwrap() },
                window: Duration::from_secs(10),
            },
            bearers: Vec::new(),
            bearer_cache: 8 * 1024 * 1024,
            bearer_failures: None,
            txn_tokens: None,
            envelopes: None,
            sources: Vec::new(),
            capabilities: Vec::new(),
            checks: CheckBounds { at_once: half_the_cores(), waiting: 1024, first_lane: 16 },
            dangers: Vec::new(),
            trusts_plain_records: false,
        }
    }

    /// Admits bearer tokens of one more issuer, verified against its keys: [`Source::Bearer`].
    #[must_use]
    pub fn bearer(mut self, jwks: Jwks, policy: BearerPolicy) -> Self {
        self.bearers.push((jwks, policy));
        self
    }

    /// How many bytes of verified bearer tokens are kept. 8 MiB unless told.
    #[must_use]
    pub fn bearer_cache(self, max_bytes: u64) -> Self {
        Self { bearer_cache: max_bytes, ..self }
    }

    /// How many bearer tokens that do not hold are checked for one peer in a second, before its
    /// tokens are refused unseen, except those that are in the cache. No bound unless told.
    ///
    /// Only for a listener that its callers reach directly: the peer is that of the connection, so
    /// behind a proxy or a load balancer one caller's bad tokens would refuse everybody. Where the
    /// peer is not known nobody is refused.
    #[must_use]
    pub fn bearer_failures_per_second(self, at_most: u32) -> Self {
        Self { bearer_failures: Some(at_most), ..self }
    }

    /// How many tokens are checked at once in this process. Half of its cores unless told, and at
    /// least one. Tokens that were checked before do not count.
    #[must_use]
    pub fn concurrent_checks(mut self, at_most: NonZeroUsize) -> Self {
        self.checks.at_once = at_most;
        self
    }

    /// How many requests wait in each lane for their token to be checked. 1024 unless told; beyond it
    /// they are refused, [`Overloaded`](crate::RefusalCode::Overloaded).
    #[must_use]
    pub fn waiting_checks(mut self, at_most: usize) -> Self {
        self.checks.waiting = at_most;
        self
    }

    /// From how many checks on that failed, or are not done yet, the others of a peer take the second
    /// lane for the rest of the second. 16 unless told; checks that hold do not count. Nobody is
    /// refused for it.
    #[must_use]
    pub fn second_lane_after(mut self, checks: u32) -> Self {
        self.checks.first_lane = checks;
        self
    }

    /// Verifies transaction tokens, and mints them where there is a signing key:
    /// [`Source::TxnToken`].
    #[must_use]
    pub fn txn_tokens(self, tokens: TxnTokens) -> Self {
        Self { txn_tokens: Some(tokens), ..self }
    }

    /// Opens the envelopes of records, and seals where there is a signing key.
    #[must_use]
    pub fn envelopes(self, envelopes: Envelopes) -> Self {
        Self { envelopes: Some(envelopes), ..self }
    }

    /// Registers a source that carries a proof, for the tenants that it may assert.
    #[must_use]
    pub fn establish(mut self, source: impl IdentitySource, asserts: Asserts) -> Self {
        self.sources.push((Box::new(source), Some(asserts)));
        self
    }

    /// Registers a source that only names a tenant (a host, a path): where it does, it must name the
    /// proven one.
    #[must_use]
    pub fn corroborate(mut self, source: impl IdentitySource) -> Self {
        self.sources.push((Box::new(source), None));
        self
    }

    /// What trusts more than a proof. Each is audited when the authority is built.
    #[must_use]
    pub fn dangerous(self) -> DangerousBuilder {
        DangerousBuilder::new(self)
    }

    /// Which tenants exist, and how they stand.
    #[must_use]
    pub fn directory(self, directory: impl TenantDirectory) -> Self {
        Self { directory: Some(Arc::new(directory)), ..self }
    }

    /// How old the directory may be and still be believed. 300 s unless told.
    #[must_use]
    pub fn max_staleness(self, max_staleness: Duration) -> Self {
        Self { max_staleness, ..self }
    }

    /// How long a stream or body in flight may go on after its context has expired, or after its
    /// tenant was seen to be suspended or re-created. 30 s unless told.
    #[must_use]
    pub fn grace(self, grace: Duration) -> Self {
        Self { grace, ..self }
    }

    /// Where audit events go.
    #[must_use]
    pub fn audit(self, sink: impl AuditSink) -> Self {
        Self { sink: Some(Arc::new(sink)), ..self }
    }

    /// How many refusals of each reason and known tenant are recorded one by one in a window; of
    /// the rest the count is recorded. 20 in 10 s unless told. Of those without a known tenant, which
    /// anybody can cause, it is one more a window after the first.
    #[must_use]
    pub fn sample_refusals(self, at_most: NonZeroU32, window: Duration) -> Self {
        Self { sampling: Sampling { at_most, window }, ..self }
    }

    /// Declares work that belongs to no single tenant, and so may be granted.
    #[must_use]
    pub fn allow(mut self, capability: Capability) -> Self {
        self.capabilities.push(capability);
        self
    }

    /// The source of time. The machine's unless told.
    #[must_use]
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Builds it.
    ///
    /// # Errors
    ///
    /// When something is missing or stands twice, or when what `.dangerous()` allows cannot be
    /// audited. It may wait for the audit sink then.
    pub fn build(mut self) -> Result<Authority, BuildError> {
        let directory = self.directory.take().ok_or(BuildError::NoDirectory)?;
        let sink = self.sink.take().ok_or(BuildError::NoAudit)?;
        if self.sampling.window < MIN_SAMPLING_WINDOW {
            return Err(BuildError::SamplingWindow);
        }
        let auditor = Auditor::new(sink, Arc::clone(&self.clock), self.sampling);
        let bearers = self.bearers()?;
        let bearer_cache = bearers.as_ref().map(Bearers::cache);
        let (sources, headers) = self.register(bearers)?;
        for (at, capability) in self.capabilities.iter().enumerate() {
            if self.capabilities[..at].iter().any(|before| before.name() == capability.name()) {
                return Err(BuildError::DuplicateCapability(capability.name()));
            }
        }
        for danger in &self.dangers {
            let committed = auditor.dangerous(danger, self.clock.now());
            committed.map_err(|_| BuildError::AuditUnavailable)?;
        }
        Ok(Authority(Arc::new(Inner {
            tiers: self.tiers,
            clock: self.clock,
            directory,
            max_staleness: self.max_staleness,
            grace: self.grace,
            auditor,
            sources,
            headers,
            txn_tokens: self.txn_tokens,
            bearer_cache,
            envelopes: self.envelopes,
            trusts_plain_records: self.trusts_plain_records,
            capabilities: self.capabilities,
            checks: Checks::new(self.checks),
            transactions: Transactions { prefix: random()?, next: AtomicU64::new(0) },
        })))
    }

    /// All issuers of bearer tokens, if there is one.
    fn bearers(&mut self) -> Result<Option<Bearers>, BuildError> {
        let registered = std::mem::take(&mut self.bearers);
        if registered.is_empty() {
            return Ok(None);
        }
        Bearers::new(registered, self.bearer_cache, self.bearer_failures).map(Some)
    }

    /// The sources with the places of their headers, and the headers.
    fn register(
        &mut self,
        bearers: Option<Bearers>,
    ) -> Result<(Vec<Registered>, Vec<&'static str>), BuildError> {
        // What carries a proof of its own says itself which tenants its issuers may assert.
        let mut all: Vec<(Box<dyn IdentitySource>, Option<Asserts>)> = Vec::new();
        if let Some(tokens) = &self.txn_tokens {
            all.push((Box::new(tokens.clone()), Some(Asserts::Any)));
        }
        if let Some(bearers) = bearers {
            all.push((Box::new(bearers), Some(Asserts::Any)));
        }
        all.append(&mut self.sources);
        // A service that only consumes has no other source than its envelopes.
        if self.envelopes.is_none() && !all.iter().any(|(_, establishes)| establishes.is_some()) {
            return Err(BuildError::NoSource);
        }

        let mut headers = WIRE_HEADERS.to_vec();
        let mut registered: Vec<Registered> = Vec::new();
        for (source, establishes) in all {
            let name = source.source();
            if registered.iter().any(|known| known.source.source() == name) {
                return Err(BuildError::DuplicateSource(name));
            }
            let mut reads = 0;
            for header in source.headers() {
                if !is_header_name(header) {
                    return Err(BuildError::HeaderName(name));
                }
                let alike = |known: &&str| is_alike(known.as_bytes(), header.as_bytes());
                if alike(&"connection") || headers.iter().any(|it| it != header && alike(it)) {
                    return Err(BuildError::AlikeHeader(name));
                }
                let at = headers.iter().position(|known| known == header);
                reads |= 1
                    << at.unwrap_or_else(|| {
                        headers.push(header);
                        headers.len() - 1
                    });
                if headers.len() > MAX_IDENTITY_HEADERS {
                    return Err(BuildError::TooManySources);
                }
            }
            let role = establishes.map_or(Role::Corroborates, Role::Establishes);
            registered.push(Registered { source, role, reads });
        }
        if registered.len() > SourceSet::MAX {
            return Err(BuildError::TooManySources);
        }
        Ok((registered, headers))
    }
}

fn is_header_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

fn random() -> Result<u64, BuildError> {
    jws::random().map(u64::from_ne_bytes).map_err(|_| BuildError::NoRandomness)
}
