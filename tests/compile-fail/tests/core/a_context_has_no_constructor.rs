use tenantkit_core::{Identity, TenantContext};

fn forge(identity: Identity) {
    let _ = TenantContext::new("acme");
    let _ = TenantContext(identity);
    let _ = TenantContext::from("acme");
}

fn main() {}
