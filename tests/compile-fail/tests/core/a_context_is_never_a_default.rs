use tenantkit_core::{SystemWork, TenantContext, TenantId};

fn nobody() {
    let _ = TenantContext::default();
    let _ = TenantId::default();
    let _ = SystemWork::default();
}

fn main() {}
