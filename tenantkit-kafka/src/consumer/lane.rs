//! [`Lane`]: in whose line a record waits.

use tenantkit_core::TenantId;

/// In whose line a record waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// A verified tenant's.
    Tenant(TenantId),
    /// That of what could not be verified, whatever it says of itself.
    Unverified,
}
