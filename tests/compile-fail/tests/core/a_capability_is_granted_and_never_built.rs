use tenantkit_core::{Capability, CrossTenant, SystemWork};

fn forge(capability: Capability) {
    let _ = SystemWork::new("migrate");
    let _ = CrossTenant(capability);
}

fn main() {}
