//! What trusts more than a proof, behind a name that says so.

use std::{fmt, sync::Arc, time::Duration};

use super::{Authority, AuthorityBuilder};
use crate::{
    Asserts, Claim, Door, Identity, IdentitySource, Peer, Presented, Reason, Refusal, Source,
    Subject, TenantContext, TenantId, Text, UnixTime,
};

const GATEWAY_HEADER: &str = "x-tenant-id";

/// How long identity from a gateway header is good for: it stands for one request.
const GATEWAY_LIFE: Duration = Duration::from_secs(300);

/// How long identity from a plain record is good for: it stands for one attempt.
const PLAIN_RECORD_LIFE: Duration = Duration::from_secs(120);

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

    /// Lets a consumer take a record's tenant from its plain `tenant_id` header, for topics and until times
    /// that the consumer lists: [`Authority::believe`], [`Source::PlainRecord`].
    ///
    /// What it costs: whoever can write to such a topic is every tenant. It is for the time in which the
    /// producers of a topic learn to seal.
    #[must_use]
    pub fn trust_plain_records(self) -> AuthorityBuilder {
        let mut builder = self.0;
        builder.trusts_plain_records = true;
        builder.dangers.push("trust-plain-records");
        builder
    }
}

impl Authority {
    /// Whether it was told to [trust plain records](DangerousBuilder::trust_plain_records).
    #[must_use]
    pub fn trusts_plain_records(&self) -> bool {
        self.0.trusts_plain_records
    }

    /// Issues a context for one attempt at a record that only names its tenant, good for 120 s.
    ///
    /// # Errors
    ///
    /// [`Unverified`](crate::RefusalCode::Unverified) unless the authority was built to
    /// [trust plain records](DangerousBuilder::trust_plain_records); else as the directory says. A refusal is
    /// audited.
    pub fn believe(&self, named: &TenantId) -> Result<TenantContext, Refusal> {
        let now = self.now();
        let (issuer, sub) = (Text::from_static("plain-record"), Text::from_static("anonymous"));
        let expires = now.saturating_add(PLAIN_RECORD_LIFE);
        let identity = Identity::new(*named, Subject::new(issuer, sub), expires);
        let issued = match self.trusts_plain_records() {
            true => self.issue_alone(identity, Source::PlainRecord, now),
            false => Err(Reason::NotAdmitted),
        };
        issued.map_err(|reason| {
            let refusal = Refusal::new(reason, Door::Consume);
            self.audit_refusal(refusal, None, |mut event| {
                event.source = Some(Source::PlainRecord);
                event
            });
            refusal
        })
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
