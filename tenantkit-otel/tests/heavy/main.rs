//! Heavy tenants are seen, and do not crowd out the others.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod latencies;
mod sampler;
mod top;

use tenantkit_core::{
    TenantContext, TenantDirectory, TenantId, TenantRecord, TierSet, test_util::TestAuthority,
};

/// A tenant that is there once it is asked for.
fn tenant(test: &TestAuthority, name: &str) -> TenantContext {
    let id = TenantId::new(name).unwrap();
    if test.directory().find(&id).is_none() {
        let bronze = TierSet::METALS.get("bronze").unwrap();
        test.directory().set(id, TenantRecord::active(bronze));
    }
    test.context(name)
}
