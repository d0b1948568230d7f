use tenantkit_core::{Refusal, TenantContext, TenantKey};

fn lookup(tenant: &str) -> Result<TenantKey<u64>, Refusal> {
    TenantContext::key(tenant, 7)
}

fn main() {}
