//! Whose call it is.

use http::Request;
use tenantkit_core::{AuditAction, AuditEvent, Authority, Door, Reason, Refusal, TenantContext};

/// What the caller put into the extensions, else the scope that the call is made in.
pub(super) fn admit<B>(
    authority: &Authority,
    request: &Request<B>,
) -> Result<TenantContext, Refusal> {
    let explicit = request.extensions().get::<TenantContext>().cloned();
    let Some(context) = explicit.or_else(|| TenantContext::current().ok()) else {
        let refusal = Refusal::new(Reason::NoIdentity, Door::Call);
        authority.record(AuditEvent::new(authority.now(), AuditAction::Refused(refusal)));
        return Err(refusal);
    };
    authority.check(&context, Door::Call)?;
    Ok(context)
}
