//! Who is heavy names many tenants: that is work across tenants.

use tenantkit_core::{Authority, SystemWork, TenantContext};
use tenantkit_otel::top::TopTenants;

fn look(top: &TopTenants, work: &SystemWork, tenant: &TenantContext, authority: &Authority) {
    let _ = top.page(work, authority, None);
    let _ = top.page(tenant, authority, None);
}

fn main() {}
