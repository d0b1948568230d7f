//! [`SystemWork`] and [`CrossTenant`]: work that belongs to no single tenant. Loud, greppable, and
//! accepted by no tenant's door.

use std::{fmt, sync::Arc, time::Duration};

use super::{Authority, proofs::Proofs};
use crate::{
    AuditEvent, Door, Identity, Provenance, Reason, Refusal, Source, SourceSet, Subject,
    TenantContext, TenantId, Text, UnixTime,
};

/// Something that belongs to no single tenant and that the application declares that it does.
///
/// ```
/// use std::time::Duration;
/// use tenantkit_core::Capability;
///
/// const MIGRATE: Capability = Capability::system("migrate", Duration::from_secs(600));
/// const SUPPORT: Capability = Capability::cross_tenant("support-search", Duration::from_secs(900));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capability {
    name: &'static str,
    kind: Kind,
    at_most: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    System,
    CrossTenant,
}

impl Capability {
    /// Work of the service itself: health checks, migrations, cron. A grant lasts `at_most` so long.
    #[must_use]
    pub const fn system(name: &'static str, at_most: Duration) -> Self {
        Self { name, kind: Kind::System, at_most }
    }

    /// Work over many tenants: support search, analytics, fraud. A grant lasts `at_most` so long.
    #[must_use]
    pub const fn cross_tenant(name: &'static str, at_most: Duration) -> Self {
        Self { name, kind: Kind::CrossTenant, at_most }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// Who asks for a capability, why, and for how long.
#[derive(Debug, Clone)]
pub struct Grant {
    actor: Subject,
    reason: Text,
    lasts: Duration,
}

impl Grant {
    /// `actor` asks because of `reason`, for so long.
    #[must_use]
    pub const fn new(actor: Subject, reason: Text, lasts: Duration) -> Self {
        Self { actor, reason, lasts }
    }
}

/// Work of the service itself, which sees no tenant's data. No tenant's door accepts it.
#[derive(Clone)]
pub struct SystemWork(Arc<Granted>);

/// Work over many tenants. No tenant's door accepts it.
#[derive(Clone)]
pub struct CrossTenant(Arc<Granted>);

struct Granted {
    authority: Authority,
    capability: Capability,
    actor: Subject,
    reason: Text,
    expires: UnixTime,
}

impl Authority {
    /// Grants work of the service itself. It is audited, durably, before it is granted.
    ///
    /// # Errors
    ///
    /// [`NotAllowed`](crate::RefusalCode::NotAllowed) when the capability was not declared or lasts
    /// less long, [`Mismatch`](crate::RefusalCode::Mismatch) in a tenant's scope, [`Overloaded`](crate::RefusalCode::Overloaded) when it cannot be audited.
    ///
    /// # Cancellation
    ///
    /// Nothing is granted. The audit event may have been written.
    pub async fn system_work(
        &self,
        capability: Capability,
        grant: Grant,
    ) -> Result<SystemWork, Refusal> {
        self.grant(Kind::System, capability, grant).await.map(SystemWork)
    }

    /// Grants work over many tenants. It is audited, durably, before it is granted.
    ///
    /// # Errors
    ///
    /// As [`Authority::system_work`].
    ///
    /// # Cancellation
    ///
    /// As [`Authority::system_work`].
    pub async fn cross_tenant(
        &self,
        capability: Capability,
        grant: Grant,
    ) -> Result<CrossTenant, Refusal> {
        self.grant(Kind::CrossTenant, capability, grant).await.map(CrossTenant)
    }

    async fn grant(
        &self,
        kind: Kind,
        capability: Capability,
        grant: Grant,
    ) -> Result<Arc<Granted>, Refusal> {
        let declared = self.0.capabilities.contains(&capability) && capability.kind == kind;
        let refused = if !declared {
            Some(Reason::CapabilityNotGranted)
        } else if grant.lasts > capability.at_most {
            Some(Reason::GrantTooLong)
        } else if in_a_scope() {
            Some(Reason::ScopeDisagrees)
        } else {
            None
        };
        if let Some(reason) = refused {
            let refusal = Refusal::new(reason, Door::Grant);
            self.audit_refusal(refusal, None, |event| {
                event.granting(capability.name, &grant.actor, &grant.reason)
            });
            return Err(refusal);
        }
        let expires = self.now().saturating_add(grant.lasts);
        let granted = Arc::new(Granted {
            authority: self.clone(),
            capability,
            actor: grant.actor,
            reason: grant.reason,
            expires,
        });
        granted.audit(None).await?;
        Ok(granted)
    }
}

impl Granted {
    /// Writes, durably, that this is used, and on which tenant.
    async fn audit(&self, tenant: Option<&TenantId>) -> Result<(), Refusal> {
        let event = AuditEvent::granted(self.authority.now(), self.expires)
            .granting(self.capability.name, &self.actor, &self.reason)
            .on(tenant);
        let committed = self.authority.0.auditor.commit(event).await;
        committed.map_err(|_| {
            self.refuse(
                &self.authority,
                Refusal::new(Reason::AuditUnavailable, Door::Grant),
                tenant,
            )
        })
    }

    /// A refusal, audited where it is refused.
    fn refuse(&self, at: &Authority, refusal: Refusal, tenant: Option<&TenantId>) -> Refusal {
        at.audit_refusal(refusal, tenant, |event| {
            event.granting(self.capability.name, &self.actor, &self.reason)
        });
        refusal
    }

    fn check(&self, authority: &Authority, door: Door) -> Result<(), Refusal> {
        let refused = if *authority != self.authority {
            Reason::ForeignAuthority
        } else if in_a_scope() {
            Reason::ScopeDisagrees
        } else if authority.now() >= self.expires {
            Reason::Expired
        } else {
            return Ok(());
        };
        Err(self.refuse(authority, Refusal::new(refused, door), None))
    }

    /// A context for one tenant that names who really acts.
    async fn act_as(&self, tenant: TenantId) -> Result<TenantContext, Refusal> {
        self.check(&self.authority, Door::Grant)?;
        let now = self.authority.now();
        let identity = Identity::new(tenant, self.actor.clone(), self.expires)
            .actor(self.actor.clone())
            .issued(now);
        let provenance = Provenance {
            established_by: Source::Grant(self.capability.name),
            agreed: SourceSet::EMPTY,
        };
        let context = self.authority.issue(Proofs::one(Arc::new(identity)), provenance, now);
        let context = context.map_err(|reason| {
            self.refuse(&self.authority, Refusal::new(reason, Door::Grant), Some(&tenant))
        })?;
        self.audit(Some(&tenant)).await?;
        Ok(context)
    }
}

/// A tenant's request must not turn into somebody else's work half-way.
fn in_a_scope() -> bool {
    TenantContext::with_current(|current| current.is_some())
}

macro_rules! work {
    ($($type:ident, $for_tenant:ident: $doc:literal;)+) => {$(
        impl $type {
            #[doc = $doc]
            ///
            /// The context names who really acts, and is audited, durably, before it exists.
            ///
            /// # Errors
            ///
            /// When this has expired, when a tenant's scope is active, when the directory has no such
            /// tenant or says that it may not act, or when it cannot be audited.
            ///
            /// # Cancellation
            ///
            /// No context is issued. The audit event may have been written.
            pub async fn $for_tenant(&self, tenant: TenantId) -> Result<TenantContext, Refusal> {
                self.0.act_as(tenant).await
            }

            /// Checks it again, as every door for such work does: it was granted by `authority`, has
            /// not expired, and no tenant's scope is active.
            ///
            /// # Errors
            ///
            /// When one of these does not hold.
            pub fn check(&self, authority: &Authority, door: Door) -> Result<(), Refusal> {
                self.0.check(authority, door)
            }

            /// Writes, durably, that this is used.
            ///
            /// # Errors
            ///
            /// [`Overloaded`](crate::RefusalCode::Overloaded) when it cannot be written. Then the
            /// work is not to be done.
            ///
            /// # Cancellation
            ///
            /// The event may have been written.
            pub async fn audit(&self) -> Result<(), Refusal> {
                self.0.audit(None).await
            }

            /// Who acts.
            #[must_use]
            pub fn actor(&self) -> &Subject {
                &self.0.actor
            }

            /// Why.
            #[must_use]
            pub fn reason(&self) -> &Text {
                &self.0.reason
            }

            /// Under which capability.
            #[must_use]
            pub fn capability(&self) -> Capability {
                self.0.capability
            }

            /// From when on it is refused.
            #[must_use]
            pub fn expires(&self) -> UnixTime {
                self.0.expires
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($type))
                    .field("capability", &self.0.capability.name)
                    .field("reason", &self.0.reason)
                    .finish_non_exhaustive()
            }
        }
    )+};
}

work! {
    SystemWork, for_tenant: "Continues as one tenant: cron that runs for each.";
    CrossTenant, act_as: "Continues as one tenant: support that opens a customer's page.";
}
