//! [`Owner`]: whose work something is, and the attributes that say so.

use std::sync::Arc;

use opentelemetry::StringValue;
use tenantkit_core::TenantContext;
#[cfg(feature = "limit")]
use tenantkit_core::TenantId;

use crate::{
    names,
    system::{self, Granted},
};

/// Takes attributes.
pub(crate) trait Put: FnMut(&'static str, StringValue) {}

impl<F: FnMut(&'static str, StringValue)> Put for F {}

/// Whose work something is.
#[derive(Clone)]
#[cfg_attr(
    not(feature = "tracing"),
    expect(dead_code, reason = "only spans that begin late keep it")
)]
pub(crate) enum Owner {
    Tenant(TenantContext),
    System(Arc<Granted>),
    Nobody,
}

#[cfg(feature = "tracing")]
impl Owner {
    /// Whose work this thread does.
    pub(crate) fn now() -> Self {
        TenantContext::with_current(|tenant| tenant.cloned().map(Self::Tenant))
            .or_else(|| system::with_current(|granted| granted.cloned().map(Self::System)))
            .unwrap_or(Self::Nobody)
    }

    /// Whether this thread does somebody's work, and somebody else's than this.
    pub(crate) fn is_another_now(&self) -> bool {
        TenantContext::with_current(|tenant| tenant.map(|tenant| !self.is_tenant(tenant)))
            .or_else(|| system::with_current(|granted| granted.map(|granted| !self.is(granted))))
            .unwrap_or(false)
    }

    /// Of the same transaction as well, which is an attribute too.
    fn is_tenant(&self, tenant: &TenantContext) -> bool {
        matches!(self, Self::Tenant(mine) if mine.is_same_tenant(tenant)
            && mine.transaction() == tenant.transaction())
    }

    fn is(&self, granted: &Arc<Granted>) -> bool {
        matches!(self, Self::System(mine) if Arc::ptr_eq(mine, granted))
    }
}

impl Owner {
    /// Whose scope it was.
    #[cfg(feature = "limit")]
    pub(crate) fn tenant(&self) -> Option<TenantId> {
        match self {
            Self::Tenant(tenant) => Some(*tenant.tenant()),
            Self::System(_) | Self::Nobody => None,
        }
    }

    /// Tells its attributes.
    pub(crate) fn tell(&self, put: &mut impl Put) {
        match self {
            Self::Tenant(tenant) => tell_tenant(tenant, put),
            Self::System(granted) => granted.tell(put),
            Self::Nobody => {}
        }
    }
}

/// In whose scope this thread is.
#[cfg(feature = "limit")]
pub(crate) fn tenant_now() -> Option<TenantId> {
    TenantContext::with_current(|tenant| tenant.map(|tenant| *tenant.tenant()))
}

/// Tells the attributes of whose work this thread does.
pub(crate) fn tell_now(put: &mut impl Put) {
    let told = TenantContext::with_current(|tenant| tenant.map(|tenant| tell_tenant(tenant, put)));
    if told.is_none() {
        system::with_current(|granted| granted.map(|granted| granted.tell(put)));
    }
}

/// One allocation: the tier is the program's own text, and the transaction is shared.
fn tell_tenant(tenant: &TenantContext, put: &mut impl Put) {
    put(names::TENANT_ID, Arc::<str>::from(tenant.tenant().as_str()).into());
    put(names::TENANT_TIER, tenant.tier().as_str().into());
    put(names::TRANSACTION_ID, Arc::<str>::from(tenant.transaction().clone()).into());
}
