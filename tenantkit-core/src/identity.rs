//! [`Identity`]: what one source proved, before the authority turns it into a context.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use crate::{Incarnation, Scopes, TenantId, Text, UnixTime};

/// Who acts: an issuer and the name that it gave. Neither means anything without the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    issuer: Text,
    sub: Text,
}

impl Subject {
    /// The subject that `issuer` calls `sub`.
    #[must_use]
    pub const fn new(issuer: Text, sub: Text) -> Self {
        Self { issuer, sub }
    }

    /// Who vouches for the name.
    #[must_use]
    pub const fn issuer(&self) -> &Text {
        &self.issuer
    }

    /// The name that the issuer gave.
    #[must_use]
    pub const fn sub(&self) -> &Text {
        &self.sub
    }
}

/// Where an operator's routing stands. A hint: the directory decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct RoutingEpoch(pub u64);

/// What one establishing source proved about a request. An [`IdentitySource`](crate::IdentitySource)
/// makes it; only an [`Authority`](crate::Authority) turns it into a
/// [`TenantContext`](crate::TenantContext), after it agrees with every other source and the
/// directory.
#[derive(Clone)]
pub struct Identity {
    pub(crate) tenant: TenantId,
    /// The tenant's id once more, made when it is first asked for: spans and log records keep it as this.
    pub(crate) shared_id: OnceLock<Arc<str>>,
    pub(crate) subject: Subject,
    pub(crate) expires: UnixTime,
    pub(crate) issued: Option<UnixTime>,
    pub(crate) incarnation: Option<Incarnation>,
    pub(crate) actor: Option<Subject>,
    pub(crate) workload: Option<Text>,
    pub(crate) scopes: Scopes,
    pub(crate) region: Option<Text>,
    pub(crate) txn: Option<Text>,
    pub(crate) epoch: Option<RoutingEpoch>,
    /// The token itself, when it is one that may be forwarded.
    pub(crate) token: Option<Arc<str>>,
}

impl Identity {
    /// `subject` acts for `tenant` until `expires`.
    #[must_use]
    pub fn new(tenant: TenantId, subject: Subject, expires: UnixTime) -> Self {
        Self {
            tenant,
            shared_id: OnceLock::new(),
            subject,
            expires,
            issued: None,
            incarnation: None,
            actor: None,
            workload: None,
            scopes: Scopes::default(),
            region: None,
            txn: None,
            epoch: None,
            token: None,
        }
    }

    /// When it was proved, by this process's clock: what another clock says, less what that may be
    /// ahead. Identity from before the tenant's present incarnation is refused.
    #[must_use]
    pub fn issued(self, at: UnixTime) -> Self {
        Self { issued: Some(at), ..self }
    }

    /// The incarnation that it is for. Another one than the directory's is refused.
    #[must_use]
    pub fn incarnation(self, incarnation: Incarnation) -> Self {
        Self { incarnation: Some(incarnation), ..self }
    }

    /// Who acts for the subject.
    #[must_use]
    pub fn actor(self, actor: Subject) -> Self {
        Self { actor: Some(actor), ..self }
    }

    /// The workload that asks.
    #[must_use]
    pub fn workload(self, workload: Text) -> Self {
        Self { workload: Some(workload), ..self }
    }

    /// What it may do: nothing that asks for a scope unless told. Where several sources prove one caller
    /// it may do what each of them says.
    #[must_use]
    pub fn scopes(self, scopes: Scopes) -> Self {
        Self { scopes, ..self }
    }

    /// Where the tenant's data lives.
    #[must_use]
    pub fn region(self, region: Text) -> Self {
        Self { region: Some(region), ..self }
    }

    /// The transaction that it belongs to. Without one the authority begins one.
    #[must_use]
    pub fn transaction(self, txn: Text) -> Self {
        Self { txn: Some(txn), ..self }
    }

    /// The routing epoch that it was issued under.
    #[must_use]
    pub fn epoch(self, epoch: RoutingEpoch) -> Self {
        Self { epoch: Some(epoch), ..self }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the token, and without the personal part of the subject.
        f.debug_struct("Identity")
            .field("tenant", &self.tenant)
            .field("issuer", &self.subject.issuer)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
