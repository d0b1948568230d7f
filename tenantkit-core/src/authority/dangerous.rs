//! What trusts more than a proof, behind a name that says so.

use std::{fmt, sync::Arc, time::Duration};

use super::AuthorityBuilder;
use crate::{
    Asserts, Claim, Identity, IdentitySource, Peer, Presented, Reason, Source, Subject, TenantId,
    Text, UnixTime,
};

const GATEWAY_HEADER: &str = "x-tenant-id";

/// How long identity from a gateway header is good for: it stands for one request.
const GATEWAY_LIFE: Duration = Duration::from_secs(300);

/// What trusts more than a proof. Each call is audited when the authority is built.
#[derive(Debug)]
pub struct DangerousBuilder(AuthorityBuilder);

impl DangerousBuilder {
    pub(super) const fn new(builder: AuthorityBuilder) -> Self {
        Self(builder)
    }

    /// Takes the tenant from the `x-tenant-id` header of peers that `is_gateway` recognises, by
    /// address or certificate: [`Source::GatewayHeader`].
    ///
    /// What it costs: whoever can send as such a peer is every tenant, and no token says who the user
    /// was. It is for a gateway that has verified the caller and strips the header from outside.
    #[must_use]
    pub fn trust_gateway_header(self, is_gateway: impl GatewayPeer) -> AuthorityBuilder {
        let mut builder =
            self.0.establish(GatewayHeader { peers: Arc::new(is_gateway) }, Asserts::Any);
        builder.dangers.push("trust-gateway-header");
        builder
    }
}

/// Tells the operator's gateways from everybody else. A closure `Fn(Peer) -> bool` is one.
pub trait GatewayPeer: Send + Sync + 'static {
    /// Whether this peer is one.
    fn is_gateway(&self, peer: Peer<'_>) -> bool;
}

impl<F: Fn(Peer<'_>) -> bool + Send + Sync + 'static> GatewayPeer for F {
    fn is_gateway(&self, peer: Peer<'_>) -> bool {
        self(peer)
    }
}

struct GatewayHeader {
    peers: Arc<dyn GatewayPeer>,
}

impl IdentitySource for GatewayHeader {
    fn source(&self) -> Source {
        Source::GatewayHeader
    }

    fn headers(&self) -> &[&'static str] {
        &[GATEWAY_HEADER]
    }

    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
        let Some(tenant) = presented.header(GATEWAY_HEADER) else { return Ok(None) };
        if !self.peers.is_gateway(presented.peer()) {
            return Err(Reason::UntrustedPeer);
        }
        let tenant: TenantId = tenant.parse().map_err(|_| Reason::MalformedHeader)?;
        let (issuer, sub) = (Text::from_static("gateway"), Text::from_static("anonymous"));
        let identity =
            Identity::new(tenant, Subject::new(issuer, sub), now.saturating_add(GATEWAY_LIFE));
        Ok(Some(Claim::Establishes(Arc::new(identity.issued(now)))))
    }
}

impl fmt::Debug for GatewayHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayHeader").finish_non_exhaustive()
    }
}
