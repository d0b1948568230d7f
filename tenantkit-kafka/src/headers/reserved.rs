//! Which header names are this crate's.

use super::{TENANT_ENVELOPE, TENANT_ID};

/// What this crate writes beside the identity: dead letters, for one.
const PREFIX: &str = "tenantkit_";

/// Whether a header name is one that this crate sets, or could be taken for one: without regard to case,
/// and with every separator alike.
#[must_use]
pub fn is_reserved(name: &[u8]) -> bool {
    let prefix = name.get(..PREFIX.len()).unwrap_or_default();
    is_alike(TENANT_ID, name) || is_alike(TENANT_ENVELOPE, name) || is_alike(PREFIX, prefix)
}

/// Whether somebody could take one name for the other: what lowercases, what makes `-` of `_`, what ends a
/// name at a NUL, and what trims it.
pub(super) fn is_alike(known: &str, name: &[u8]) -> bool {
    let name = name.split(|byte| *byte == 0).next().unwrap_or_default().trim_ascii();
    known.len() == name.len() && known.bytes().map(fold).eq(name.iter().copied().map(fold))
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'_' }
}
