//! [`Outbound`]: whose call it is, whether it may go there, and the token that goes with it.

use http::{HeaderMap, header, request::Request};
use tenantkit_core::{
    AuditAction, AuditEvent, Authority, Carrier, Door, Reason, Refusal, TenantContext,
};

use super::trust::TrustDomain;
use crate::trace::Inject;

const TXN_TOKEN: &str = "txn-token";

/// The headers that name a tenant on the wire. `authorization` is none of them between services.
const IDENTITY_HEADERS: [&str; 2] = [TXN_TOKEN, "x-tenant-id"];

/// What a client layer does with a host that is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Elsewhere {
    /// The caller meant to go there, which is an error.
    Refuse,
    /// A redirect leads there, with nothing.
    CarryNothing,
}

#[derive(Debug, Clone)]
pub(super) struct Outbound {
    authority: Authority,
    pub(super) trusted: TrustDomain,
    pub(super) trace: Inject,
}

impl Outbound {
    pub(super) fn new(authority: &Authority) -> Self {
        Self {
            authority: authority.clone(),
            trusted: TrustDomain::default(),
            trace: Inject::default(),
        }
    }

    /// Decides whose call it is, and refuses what may not go out.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<TenantContext, Refusal> {
        let context = self.whose(request)?;
        self.authority.check(&context, Door::Call)?;
        self.refuse_own_identity(request.headers(), &context)?;
        self.refuse_elsewhere(request, &context)?;
        Ok(context)
    }

    /// Decides whose call it is, and adds the token; `None` where nothing goes along.
    pub(super) fn send<B>(
        &self,
        request: &mut Request<B>,
        elsewhere: Elsewhere,
    ) -> Result<Option<TenantContext>, Refusal> {
        let context = self.whose(request)?;
        if elsewhere == Elsewhere::CarryNothing {
            // That of an earlier hop, if there is one.
            request.headers_mut().strip(TXN_TOKEN);
        }
        self.refuse_own_identity(request.headers(), &context)?;
        if elsewhere == Elsewhere::CarryNothing && !self.trusts(request) {
            self.trace.strip(request.headers_mut());
            // No token is asked for, and it is a door all the same.
            return self.authority.check(&context, Door::Call).map(|()| None);
        }
        self.refuse_elsewhere(request, &context)?;
        let token = self.authority.outbound_token(&context)?;
        let put = request.headers_mut().put(TXN_TOKEN, &token);
        put.map_err(|_| self.refused(Reason::MalformedToken, Some(&context)))?;
        Ok(Some(context))
    }

    /// What the caller put into the extensions, else the scope. That the two agree is checked by the
    /// authority.
    fn whose<B>(&self, request: &Request<B>) -> Result<TenantContext, Refusal> {
        let explicit = request.extensions().get::<TenantContext>().cloned();
        explicit
            .or_else(|| TenantContext::current().ok())
            .ok_or_else(|| self.refused(Reason::NoIdentity, None))
    }

    fn refuse_own_identity(
        &self,
        headers: &HeaderMap,
        context: &TenantContext,
    ) -> Result<(), Refusal> {
        let own = headers.keys().any(|name| is_identity(name.as_str()));
        let hop_by_hop = headers
            .get_all(header::CONNECTION)
            .iter()
            .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
            .any(|option| str::from_utf8(option.trim_ascii()).is_ok_and(is_identity));
        match (own, hop_by_hop) {
            (true, _) => Err(self.refused(Reason::NotAdmitted, Some(context))),
            (_, true) => Err(self.refused(Reason::HopByHopHeader, Some(context))),
            _ => Ok(()),
        }
    }

    fn refuse_elsewhere<B>(
        &self,
        request: &Request<B>,
        context: &TenantContext,
    ) -> Result<(), Refusal> {
        if self.trusts(request) {
            return Ok(());
        }
        Err(self.refused(Reason::OutsideTrustDomain, Some(context)))
    }

    fn trusts<B>(&self, request: &Request<B>) -> bool {
        self.trusted.contains(request.uri(), request.headers())
    }

    /// A refusal, audited.
    fn refused(&self, reason: Reason, context: Option<&TenantContext>) -> Refusal {
        let refusal = Refusal::new(reason, Door::Call);
        let event = AuditEvent::new(self.authority.now(), AuditAction::Refused(refusal));
        self.authority.record(match context {
            Some(context) => event.of(context),
            None => event,
        });
        refusal
    }
}

/// Whether some hop would take it for an identity header: without regard to case, and whatever stands
/// between the words (a CGI makes `_` of all of it).
fn is_identity(name: &str) -> bool {
    let fold =
        |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' };
    IDENTITY_HEADERS.iter().any(|known| known.bytes().eq(name.bytes().map(fold)))
}
