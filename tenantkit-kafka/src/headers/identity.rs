//! [`RecordIdentity`]: what of a record's headers names a tenant.

use std::fmt;

use tenantkit_core::{MAX_IDENTITY_HEADER_LEN, Reason, TenantId};

use super::{Header, Headers, TENANT_ENVELOPE, TENANT_ID, reserved::is_alike};

/// The identity headers of a record. Nothing of it is verified: that is
/// [`Authority::open`](tenantkit_core::Authority::open)'s.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordIdentity<'a> {
    /// What `tenant_id` says. Without one there is no identity at all.
    pub tenant: Option<TenantId>,
    /// The `tenant_envelope`.
    pub envelope: Option<&'a str>,
}

impl<'a> RecordIdentity<'a> {
    pub(super) fn of(headers: &'a Headers) -> Result<Self, Reason> {
        let (mut tenant, mut envelope) = (None, None);
        for header in headers.iter() {
            for (known, found) in [(TENANT_ID, &mut tenant), (TENANT_ENVELOPE, &mut envelope)] {
                take(known, header, found)?;
            }
        }
        let tenant = tenant.map(TenantId::new).transpose().map_err(|_| Reason::MalformedHeader)?;
        Ok(Self { tenant, envelope })
    }
}

fn take<'a>(
    known: &'static str,
    header: Header<'a>,
    found: &mut Option<&'a str>,
) -> Result<(), Reason> {
    if !is_alike(known, header.name) {
        return Ok(());
    }
    if !header.is_whole || header.name != known.as_bytes() {
        return Err(Reason::AliasedHeader);
    }
    if found.is_some() {
        return Err(Reason::DuplicateHeader);
    }
    let value = header.value.ok_or(Reason::MalformedHeader)?;
    if value.len() > MAX_IDENTITY_HEADER_LEN {
        return Err(Reason::OversizeHeader);
    }
    let is_printable = value.iter().fold(true, |yes, byte| yes & byte.is_ascii_graphic());
    if value.is_empty() || !is_printable {
        return Err(Reason::MalformedHeader);
    }
    *found = std::str::from_utf8(value).ok();
    Ok(())
}

impl fmt::Debug for RecordIdentity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordIdentity").finish_non_exhaustive()
    }
}
