//! [`AuditEvent`]: one thing that happened, in bounded fields free of control characters.

use std::net::SocketAddr;

use crate::{
    Door, Identity, Reason, Refusal, Source, Subject, TenantContext, TenantId, Text, UnixTime,
};

/// One thing that happened. Every field is bounded and free of control characters, and none holds a
/// token or a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditEvent {
    /// When.
    pub at: UnixTime,
    /// What.
    pub action: AuditAction,
    /// The verified tenant.
    pub tenant: Option<TenantId>,
    /// On whose behalf.
    pub subject: Option<Subject>,
    /// Who really acted.
    pub actor: Option<Subject>,
    /// The workload that asked.
    pub workload: Option<Text>,
    /// The transaction.
    pub transaction: Option<Text>,
    /// What proved the tenant.
    pub source: Option<Source>,
    /// The claim of a token that is missing or wrong: its name, never its value.
    pub claim: Option<&'static str>,
    /// The far end.
    pub peer: Option<SocketAddr>,
    /// The capability that was asked for or used.
    pub capability: Option<&'static str>,
    /// Why, in the words of who asked.
    pub why: Option<Text>,
    /// Until when.
    pub expires: Option<UnixTime>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum AuditAction {
    /// A door said no.
    Refused(Refusal),
    /// A capability was granted or used.
    Granted,
    /// Something was built that trusts more than a proof.
    Dangerous(&'static str),
    /// So many events of one kind were not recorded one by one. Without a tenant: refusals without a
    /// verified one, or those of more tenants than are told apart.
    Dropped {
        /// The reason that the refusals had; `None` for events that are no refusals.
        reason: Option<Reason>,
        /// The door; `None` for a mixture.
        door: Option<Door>,
        /// How many.
        count: u64,
    },
}

impl AuditAction {
    /// Its stable name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Refused(_) => "refused",
            Self::Granted => "granted",
            Self::Dangerous(_) => "dangerous",
            Self::Dropped { .. } => "dropped",
        }
    }
}

impl AuditEvent {
    /// An event with nothing but what and when.
    #[must_use]
    pub const fn new(at: UnixTime, action: AuditAction) -> Self {
        Self {
            at,
            action,
            tenant: None,
            subject: None,
            actor: None,
            workload: None,
            transaction: None,
            source: None,
            claim: None,
            peer: None,
            capability: None,
            why: None,
            expires: None,
        }
    }

    pub(crate) const fn granted(at: UnixTime, expires: UnixTime) -> Self {
        let mut event = Self::new(at, AuditAction::Granted);
        event.expires = Some(expires);
        event
    }

    /// With everything that a context tells.
    #[must_use]
    pub fn of(self, context: &TenantContext) -> Self {
        Self {
            transaction: Some(context.transaction().clone()),
            source: Some(context.provenance().established_by()),
            ..self.proven(context.identity())
        }
    }

    /// With what was proved before something else failed.
    pub(crate) fn proven(self, identity: &Identity) -> Self {
        Self {
            tenant: Some(identity.tenant),
            subject: Some(identity.subject.clone()),
            actor: identity.actor.clone(),
            workload: identity.workload.clone(),
            transaction: identity.txn.clone(),
            ..self
        }
    }

    /// With the far end.
    #[must_use]
    pub fn from(self, peer: Option<SocketAddr>) -> Self {
        Self { peer, ..self }
    }

    pub(crate) fn blaming(self, claim: Option<&'static str>) -> Self {
        Self { claim, ..self }
    }

    /// With the tenant that is acted on.
    #[must_use]
    pub fn on(self, tenant: Option<&TenantId>) -> Self {
        Self { tenant: tenant.copied(), ..self }
    }

    pub(crate) fn granting(self, capability: &'static str, actor: &Subject, why: &Text) -> Self {
        Self {
            capability: Some(capability),
            actor: Some(actor.clone()),
            why: Some(why.clone()),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_proved_is_told_and_nothing_else_is_lost() {
        let who =
            |sub: &str| Subject::new("https://id.example".parse().unwrap(), sub.parse().unwrap());
        let (workload, txn): (Text, Text) = ("edge".parse().unwrap(), "t-1".parse().unwrap());
        let identity = Identity::new("acme".parse().unwrap(), who("ann"), UnixTime::MAX)
            .actor(who("bob"))
            .workload(workload.clone())
            .transaction(txn.clone());
        let peer = "192.0.2.1:443".parse().ok();
        let told =
            AuditEvent::new(UnixTime::EPOCH, AuditAction::Granted).from(peer).proven(&identity);
        assert_eq!((told.peer, told.tenant.as_deref()), (peer, Some("acme")));
        assert_eq!((told.subject, told.actor), (Some(who("ann")), Some(who("bob"))));
        assert_eq!((told.workload, told.transaction), (Some(workload), Some(txn)));
    }
}
