//! [`Listener`]: which sources one listener admits, and how what they say becomes a context.

use std::{sync::Arc, time::Duration};

use super::{
    Authority, Role,
    checks::{Entry, Passed, Turn},
    proofs::Proofs,
};
use crate::{
    Claim, Door, Identity, Inbound, Presented, Provenance, Reason, Refusal, Source, SourceSet,
    TenantContext, TenantId, UnixTime, inbound::Allowance,
};

/// How long to wait where even the lines are full. They are short: it is for who comes in masses.
const LINES_ARE_FULL: Duration = Duration::from_secs(1);

/// One listener's view of an authority: the sources that it admits. One that faces the internet
/// admits `Source::Bearer`; one between services admits `Source::TxnToken`.
#[derive(Debug, Clone)]
pub struct Listener {
    authority: Authority,
    admitted: SourceSet,
    door: Door,
}

/// How far [`Listener::begin`] came.
#[derive(Debug)]
pub enum Begun {
    /// To the end.
    Identified(TenantContext),
    /// A token has to be checked, and has to wait for its turn.
    Waiting(Turn),
}

/// What a refusal is audited with.
#[derive(Default)]
struct Seen {
    proven: Option<Arc<Identity>>,
    /// The claim that is missing or wrong.
    claim: Option<&'static str>,
}

/// Everything that was present and held.
struct Gathered {
    agreed: SourceSet,
    established: Option<(Source, Proofs)>,
    named: Option<TenantId>,
    /// The places of the headers that some source took as its own.
    taken: u32,
}

impl Authority {
    /// A listener that admits nothing yet, for the door of inbound requests.
    #[must_use]
    pub fn listener(&self) -> Listener {
        Listener { authority: self.clone(), admitted: SourceSet::EMPTY, door: Door::Request }
    }
}

impl Listener {
    /// Admits a source.
    ///
    /// # Panics
    ///
    /// When the authority has no such source: an error in the wiring of the application, which would
    /// otherwise show as a refusal of everybody.
    #[must_use]
    #[track_caller]
    pub fn admit(self, source: Source) -> Self {
        let registered = &self.authority.0.sources;
        let at = registered.iter().position(|known| known.source.source() == source);
        let Some(at) = at else {
            panic!("the authority has no source '{source}' to admit: register it on the builder");
        };
        Self { admitted: self.admitted.with(at), ..self }
    }

    /// The same, for another door.
    #[must_use]
    pub fn door(self, door: Door) -> Self {
        Self { door, ..self }
    }

    /// The authority.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// Reads, verifies and cross-checks every identity that is there, and issues a context.
    ///
    /// A source that is there and does not hold refuses, and is never skipped for another. All that
    /// hold must agree on the tenant and the subject, before the directory is asked. A refusal is
    /// audited.
    ///
    /// It does not wait: where a token has to be checked and too many are being checked just now, it
    /// refuses. A server calls [`Listener::begin`], of which this is the short form.
    ///
    /// # Errors
    ///
    /// [`NoTenant`](crate::RefusalCode::NoTenant) when nothing is there,
    /// [`Unverified`](crate::RefusalCode::Unverified) when something does not hold or is not admitted,
    /// [`Mismatch`](crate::RefusalCode::Mismatch) when two disagree, what the directory says of the
    /// tenant after that, and [`Overloaded`](crate::RefusalCode::Overloaded) when it would have to
    /// wait.
    pub fn identify(&self, inbound: Inbound<'_>) -> Result<TenantContext, Refusal> {
        match self.begin(inbound)? {
            Begun::Identified(context) => Ok(context),
            Begun::Waiting(_) => Err(self.refuse(Reason::TooManyChecks, inbound, &Seen::default())),
        }
    }

    /// Does what [`Listener::identify`] does, but for a request whose token has to be checked when
    /// too many are being checked just now: that gets a place in the line.
    ///
    /// What was checked before never stands in it. In front is who comes from a peer whose tokens
    /// hold; the requests of one of which too many failed in this second follow one by one, so that
    /// a flood of bad tokens from one peer costs others next to nothing, and who shares a peer with
    /// it, as behind a proxy, is not refused.
    ///
    /// ```
    /// # use tenantkit_core::{Begun, Inbound, Listener, Refusal, TenantContext};
    /// async fn identify(listener: &Listener, headers: http::HeaderMap) -> Result<TenantContext, Refusal> {
    ///     let turn = match listener.begin(Inbound::new(&headers))? {
    ///         Begun::Identified(context) => return Ok(context),
    ///         Begun::Waiting(turn) => turn,
    ///     };
    ///     turn.await.identify(Inbound::new(&headers))
    /// }
    /// # let test = tenantkit_core::test_util::TestAuthority::new();
    /// # use tenantkit_core::test_util::{TestAuthority, block_on};
    /// # let listener = test.authority().listener().admit(TestAuthority::SOURCE);
    /// # let mut headers = http::HeaderMap::new();
    /// # headers.insert(TestAuthority::HEADER, "acme".parse().unwrap());
    /// # assert_eq!(block_on(identify(&listener, headers)).unwrap().tenant(), "acme");
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Listener::identify`]; [`Overloaded`](crate::RefusalCode::Overloaded) when the line is full.
    pub fn begin(&self, inbound: Inbound<'_>) -> Result<Begun, Refusal> {
        let asking = Allowance::new(false);
        let outcome = self.judge(inbound, &asking, || ());
        if !asking.was_asked() {
            return outcome.map(Begun::Identified);
        }
        // Whatever a source made of it that it was told to wait.
        let checks = &self.authority.0.checks;
        match checks.enter(inbound.peer_addr(), self.authority.now()) {
            Ok(Entry::Passed(passed)) => self.finish(inbound, passed).map(Begun::Identified),
            Ok(Entry::Waits(waits)) => Ok(Begun::Waiting(Turn::new(self.clone(), waits))),
            Err(reason) => Err(self.refuse(reason, inbound, &Seen::default())),
        }
    }

    /// The rest of it, once the gate was passed.
    pub(super) fn finish(
        &self,
        inbound: Inbound<'_>,
        passed: Passed,
    ) -> Result<TenantContext, Refusal> {
        let granted = Allowance::new(true);
        self.judge(inbound, &granted, || match granted.has_failed() {
            true => drop(passed),
            false => passed.held(),
        })
    }

    /// `checked` is called when all sources were asked, so that nobody waits for what follows.
    fn judge(
        &self,
        inbound: Inbound<'_>,
        allowance: &Allowance,
        checked: impl FnOnce(),
    ) -> Result<TenantContext, Refusal> {
        let now = self.authority.now();
        let mut seen = Seen::default();
        let gathered = self.gather(inbound, allowance, now, &mut seen);
        checked();
        gathered
            .and_then(|(proofs, provenance)| self.authority.issue(proofs, provenance, now))
            .map_err(|reason| {
                if allowance.was_asked() {
                    // It is not the last word, so it is not audited.
                    return Refusal::new(reason, self.door);
                }
                seen.claim = allowance.blamed();
                self.refuse(reason, inbound, &seen)
            })
    }

    fn refuse(&self, reason: Reason, inbound: Inbound<'_>, seen: &Seen) -> Refusal {
        let refusal = Refusal::new(reason, self.door);
        let refusal = match reason {
            Reason::TooManyChecks => refusal.retry_after(LINES_ARE_FULL),
            _ => refusal,
        };
        // Any other name may be invented, and must not take the room of a tenant that is real.
        let known = seen.proven.as_ref().filter(|_| is_of_a_known_tenant(reason));
        let tenant = known.map(|identity| identity.tenant);
        self.authority.audit_refusal(refusal, tenant.as_ref(), |event| {
            let event = event.from(inbound.peer_addr()).blaming(seen.claim);
            match &seen.proven {
                Some(identity) => event.proven(identity),
                None => event,
            }
        });
        refusal
    }

    /// `seen` is told as soon as something is proven, so that a refusal after it is audited with it.
    fn gather(
        &self,
        inbound: Inbound<'_>,
        allowance: &Allowance,
        now: UnixTime,
        seen: &mut Seen,
    ) -> Result<(Proofs, Provenance), Reason> {
        if self.admitted.is_empty() {
            return Err(Reason::NoLayer);
        }
        let presented = Presented::read(&self.authority.0.headers, inbound, allowance)?;
        self.refuse_headers_not_admitted(&presented)?;

        let mut gathered =
            Gathered { agreed: SourceSet::EMPTY, established: None, named: None, taken: 0 };
        for (at, known) in self.authority.0.sources.iter().enumerate() {
            if !self.admitted.has(at) {
                continue;
            }
            let Some(claim) = known.source.claim(&presented, now)? else { continue };
            gathered.taken |= known.reads;
            gathered.agreed = gathered.agreed.with(at);
            match (claim, &known.role) {
                (Claim::Establishes(identity), Role::Establishes(asserts)) => {
                    if !asserts.allows(&identity.tenant) {
                        return Err(Reason::IssuerNotAllowed);
                    }
                    if now >= identity.expires {
                        return Err(Reason::Expired);
                    }
                    seen.proven.get_or_insert_with(|| Arc::clone(&identity));
                    gathered.established(known.source.source(), identity)?;
                }
                (Claim::Corroborates(tenant), _) => gathered.named(tenant)?,
                // A source that was registered as one that only corroborates proves nothing.
                (Claim::Establishes(identity), Role::Corroborates) => {
                    gathered.named(identity.tenant)?;
                }
            }
        }
        // Something stands in an identity header, and no source took it for its own.
        if presented.present().any(|at| gathered.taken & 1 << at == 0) {
            return Err(Reason::MalformedHeader);
        }
        gathered.conclude()
    }

    fn refuse_headers_not_admitted(&self, presented: &Presented<'_>) -> Result<(), Reason> {
        let sources = self.authority.0.sources.iter().enumerate();
        let admitted = sources
            .filter(|(at, _)| self.admitted.has(*at))
            .fold(0, |admitted, (_, known)| admitted | known.reads);
        if presented.present().any(|at| admitted & 1 << at == 0) {
            return Err(Reason::NotAdmitted);
        }
        Ok(())
    }
}

/// Whether the directory has the tenant, as this is told only of one that it has.
const fn is_of_a_known_tenant(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::StaleIncarnation
            | Reason::TenantSuspended
            | Reason::TenantMoving
            | Reason::UnknownTier
    )
}

impl Gathered {
    fn established(&mut self, source: Source, identity: Arc<Identity>) -> Result<(), Reason> {
        self.named(identity.tenant)?;
        match &mut self.established {
            None => self.established = Some((source, Proofs::one(identity))),
            Some((_, proofs)) => proofs.add(identity)?,
        }
        Ok(())
    }

    fn named(&mut self, tenant: TenantId) -> Result<(), Reason> {
        if *self.named.get_or_insert(tenant) != tenant {
            return Err(Reason::SourcesDisagree);
        }
        Ok(())
    }

    fn conclude(self) -> Result<(Proofs, Provenance), Reason> {
        match self.established {
            Some((established_by, proofs)) => {
                Ok((proofs, Provenance { established_by, agreed: self.agreed }))
            }
            None if self.agreed.is_empty() => Err(Reason::NoIdentity),
            None => Err(Reason::NotEstablished),
        }
    }
}
