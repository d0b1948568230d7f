//! Whose work this thread does, and the attributes that say so.

use std::sync::Arc;

use opentelemetry::{KeyValue, StringValue, Value};
use tenantkit_core::TenantContext;
#[cfg(feature = "limit")]
use tenantkit_core::TenantId;

use crate::{names, system};

/// So many attributes say it at most.
pub(crate) const MOST: usize = 3;

/// Takes attributes.
pub(crate) trait Put: FnMut(&'static str, StringValue) {}

impl<F: FnMut(&'static str, StringValue)> Put for F {}

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

/// As [`tell_now`], behind other attributes.
pub(crate) fn push_now(attributes: &mut Vec<KeyValue>) {
    tell_now(&mut |key: &'static str, value: StringValue| {
        attributes.push(KeyValue::new(key, Value::String(value)));
    });
}

/// Nothing is allocated: the tier is the program's own text, and the others are shared.
fn tell_tenant(tenant: &TenantContext, put: &mut impl Put) {
    put(names::TENANT_ID, tenant.shared_id().into());
    put(names::TENANT_TIER, tenant.tier().as_str().into());
    put(names::TRANSACTION_ID, Arc::<str>::from(tenant.transaction().clone()).into());
}
