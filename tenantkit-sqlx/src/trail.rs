//! [`Trail`]: whom a transaction belongs to, for the audit log.

use std::fmt;

use tenantkit_core::{
    AuditAction, AuditEvent, Authority, Capability, CrossTenant, Door, Reason, Refusal, Subject,
    SystemWork, TenantContext, Text,
};

use crate::error::is_forbidden_row;

/// Tells the audit log what only the database notices: that a row of another tenant was to be
/// written, or that a statement has changed whose transaction it is. Either way somebody has made the
/// service run what it should not.
pub(crate) struct Trail {
    authority: Authority,
    whose: Whose,
}

enum Whose {
    Tenant(TenantContext),
    Granted { capability: Capability, actor: Subject, why: Text },
}

impl Trail {
    pub(crate) fn of_tenant(context: &TenantContext) -> Self {
        Self { authority: context.authority().clone(), whose: Whose::Tenant(context.clone()) }
    }

    pub(crate) fn of_system(authority: &Authority, work: &SystemWork) -> Self {
        Self::granted(authority, work.capability(), work.actor(), work.reason())
    }

    pub(crate) fn across_tenants(authority: &Authority, work: &CrossTenant) -> Self {
        Self::granted(authority, work.capability(), work.actor(), work.reason())
    }

    fn granted(authority: &Authority, capability: Capability, actor: &Subject, why: &Text) -> Self {
        let whose = Whose::Granted { capability, actor: actor.clone(), why: why.clone() };
        Self { authority: authority.clone(), whose }
    }

    /// The tenant, where it belongs to one.
    pub(crate) const fn tenant(&self) -> Option<&TenantContext> {
        match &self.whose {
            Whose::Tenant(context) => Some(context),
            Whose::Granted { .. } => None,
        }
    }

    /// Tells of a row of another tenant, if that is why the statement failed.
    pub(crate) fn failed(&self, error: &sqlx::Error) {
        if is_forbidden_row(error) {
            self.refused(Reason::RowForbidden);
        }
    }

    /// Tells that a statement changed whose transaction this is, or ended it.
    pub(crate) fn lost(&self) {
        self.refused(Reason::BindingLost);
    }

    fn refused(&self, reason: Reason) {
        let refusal = Refusal::new(reason, Door::Transaction);
        let mut event = AuditEvent::new(self.authority.now(), AuditAction::Refused(refusal));
        match &self.whose {
            Whose::Tenant(context) => event = event.of(context),
            Whose::Granted { capability, actor, why } => {
                event.capability = Some(capability.name());
                event.actor = Some(actor.clone());
                event.why = Some(why.clone());
            }
        }
        self.authority.record(event);
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").finish_non_exhaustive()
    }
}
