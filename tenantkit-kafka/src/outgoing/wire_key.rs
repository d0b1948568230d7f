//! The key of a record on a compacted topic.

use tenantkit_core::TenantId;

/// No tenant id has it.
const SEPARATOR: u8 = b':';

/// The key on the wire of a compacted topic: `<tenant>:<key>`. Compaction keeps the last record of each
/// key, and so must not take two tenants' for one. An id has no `:`, so no two pairs give the same bytes.
///
/// ```
/// use tenantkit_core::TenantId;
/// use tenantkit_kafka::{tenant_key, without_tenant};
///
/// let acme: TenantId = "acme".parse()?;
/// let key = tenant_key(&acme, b"7");
/// assert_eq!(key, b"acme:7");
/// assert_eq!(without_tenant(&acme, &key), Some(&b"7"[..]));
/// assert_eq!(without_tenant(&"globex".parse()?, &key), None);
/// # Ok::<(), tenantkit_core::InvalidTenantId>(())
/// ```
#[must_use]
pub fn tenant_key(tenant: &TenantId, key: &[u8]) -> Vec<u8> {
    [tenant.as_bytes(), &[SEPARATOR], key].concat()
}

/// The application's key of one on the wire; `None` when it is not `tenant`'s.
#[must_use]
pub fn without_tenant<'k>(tenant: &TenantId, wire: &'k [u8]) -> Option<&'k [u8]> {
    wire.strip_prefix(tenant.as_bytes())?.strip_prefix(&[SEPARATOR])
}
