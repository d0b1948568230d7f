use tenantkit_core::{TenantRecord, Tier};

fn guess() {
    let _ = TenantRecord::active("gold");
    let _ = Tier { rank: 2, name: "gold" };
}

fn main() {}
