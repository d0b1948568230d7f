//! The doors of envelopes: [`Authority::seal`], [`Authority::open`], and what was [`Opened`].

use std::{fmt, sync::Arc};

use super::{WireRecord, sealed::Sealed};
use crate::{
    Authority, Door, Identity, Incarnation, Reason, Refusal, Source, TenantContext, TenantId, Text,
    UnixTime,
};

impl Authority {
    /// Seals a record for a context: the envelope to put beside it.
    ///
    /// # Errors
    ///
    /// Refuses like every door ([`Authority::check`]); and
    /// [`NotAllowed`](crate::RefusalCode::NotAllowed) when there is no key to seal with, or it is outside
    /// its validity. A refusal is audited.
    pub fn seal(
        &self,
        context: &TenantContext,
        record: &WireRecord<'_>,
    ) -> Result<Arc<str>, Refusal> {
        self.check(context, Door::Produce)?;
        let sealed = match self.envelopes() {
            Some(envelopes) => envelopes.seal(context, record, self.now()),
            None => Err(Reason::CannotMint),
        };
        sealed.map_err(|reason| {
            let refusal = Refusal::new(reason, Door::Produce);
            self.audit_refusal(refusal, Some(context.tenant()), |event| event.of(context));
            refusal
        })
    }

    /// Verifies the envelope of a record: that it holds, that it is this record's, and that it is of
    /// `named`, the tenant that stands beside it, where one does.
    ///
    /// The directory is not asked: that is [`Opened::context`]'s, at each attempt.
    ///
    /// # Errors
    ///
    /// [`Unverified`](crate::RefusalCode::Unverified) with the reason why it does not hold, or not for
    /// this record; [`Mismatch`](crate::RefusalCode::Mismatch) when `named` is another tenant. A refusal
    /// is audited.
    pub fn open(
        &self,
        named: Option<&TenantId>,
        envelope: &str,
        record: &WireRecord<'_>,
    ) -> Result<Opened, Refusal> {
        let now = self.now();
        let verified = match self.envelopes() {
            Some(envelopes) => envelopes.verified(envelope, record, now),
            None => Err(Reason::NotAdmitted.into()),
        };
        let sealed = verified.map_err(|fault| {
            let refusal = Refusal::new(fault.reason, Door::Consume);
            self.audit_refusal(refusal, None, |event| event.blaming(fault.claim));
            refusal
        })?;
        let opened = Opened { authority: self.clone(), sealed };
        if named.is_some_and(|named| *named != opened.sealed.tenant) {
            return Err(opened.refuse(Reason::SourcesDisagree));
        }
        Ok(opened)
    }
}

/// An envelope that holds, for the record that it was opened for.
#[derive(Clone)]
pub struct Opened {
    authority: Authority,
    sealed: Arc<Sealed>,
}

impl Opened {
    /// Issues a context for one attempt at the record, good for
    /// [`Envelopes::attempt`](crate::Envelopes::attempt). It has no scopes: what the one who caused the
    /// record could do then, nobody may do with it later.
    ///
    /// # Errors
    ///
    /// [`NotAllowed`](crate::RefusalCode::NotAllowed), [`Suspended`](crate::RefusalCode::Suspended),
    /// [`Moving`](crate::RefusalCode::Moving) and [`Overloaded`](crate::RefusalCode::Overloaded) as the
    /// directory says; [`Unverified`](crate::RefusalCode::Unverified) when the tenant is another one of
    /// the same id. A refusal is audited.
    pub fn context(&self) -> Result<TenantContext, Refusal> {
        let (sealed, now) = (&*self.sealed, self.authority.now());
        let attempt = self.authority.envelopes().map(|envelopes| envelopes.attempt);
        let expires = now.saturating_add(attempt.unwrap_or_default());
        let expires = sealed.expires.map_or(expires, |sealed| sealed.min(expires));
        if now >= expires {
            return Err(self.refuse(Reason::Expired));
        }
        let mut identity = Identity::new(sealed.tenant, sealed.subject.clone(), expires)
            .incarnation(sealed.incarnation)
            .workload(sealed.workload.clone())
            .transaction(sealed.txn.clone());
        identity.actor.clone_from(&sealed.actor);
        identity.region.clone_from(&sealed.region);
        self.authority
            .issue_alone(identity, Source::Envelope, now)
            .map_err(|reason| self.refuse(reason))
    }

    /// The tenant. That it exists and may act, only a [context](Opened::context) says.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.sealed.tenant
    }

    /// Which tenant of that id.
    #[must_use]
    pub fn incarnation(&self) -> Incarnation {
        self.sealed.incarnation
    }

    /// The name of the envelope, which no other has: the same one again is the same record again.
    #[must_use]
    pub fn jti(&self) -> &Text {
        &self.sealed.jti
    }

    /// The workload that sealed it.
    #[must_use]
    pub fn workload(&self) -> &Text {
        &self.sealed.workload
    }

    /// The transaction that the record belongs to.
    #[must_use]
    pub fn transaction(&self) -> &Text {
        &self.sealed.txn
    }

    /// When it was sealed, by the clock of who did.
    #[must_use]
    pub fn sealed_at(&self) -> UnixTime {
        self.sealed.issued
    }

    /// Refuses the record for what the caller found out of it, [`Reason::DuplicateRecord`] for one. It is
    /// audited.
    #[must_use]
    pub fn refuse(&self, reason: Reason) -> Refusal {
        let sealed = &*self.sealed;
        let refusal = Refusal::new(reason, Door::Consume);
        self.authority.audit_refusal(refusal, Some(&sealed.tenant), |mut event| {
            event.tenant = Some(sealed.tenant);
            event.subject = Some(sealed.subject.clone());
            event.actor.clone_from(&sealed.actor);
            event.workload = Some(sealed.workload.clone());
            event.transaction = Some(sealed.txn.clone());
            event.source = Some(Source::Envelope);
            event
        });
        refusal
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("tenant", &self.sealed.tenant)
            .field("jti", &self.sealed.jti)
            .finish_non_exhaustive()
    }
}
