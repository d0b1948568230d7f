use tenantkit_core::{Incarnation, TenantId, TenantKey};

fn forge(tenant: TenantId) -> TenantKey<&'static str> {
    TenantKey { tenant, incarnation: Incarnation::FIRST, key: "k" }
}

fn main() {}
