//! A tenant's id as the label of a metric: a series for every tenant, for ever.

use tenantkit_core::{TenantContext, TenantId};
use tenantkit_otel::metrics::TenantMeter;

fn count(meter: &TenantMeter, tenant: &TenantContext) {
    let requests = meter.counter::<TenantId>("test.requests", "{request}", "").unwrap();
    requests.add(1, *tenant.tenant());
}

fn main() {}
