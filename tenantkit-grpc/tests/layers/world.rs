//! What the tests share: an authority with every source, and requests for it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use tenantkit_core::{
    Algorithm, AuditEvent, Authority, BearerPolicy, Clock, Identity, Inbound, Incarnation, Jwks,
    KeySet, KeyTerms, KeyUse, ManualClock, MemoryDirectory, Peer, SigningKey, Source,
    TenantContext, TenantId, TenantRecord, TenantStatus, TierSet, TxnTokens, UnixTime,
    test_util::{MemorySink, TestIssuer},
};
use tenantkit_grpc::{TenantClientLayer, TenantLayer};

pub(crate) const GATEWAY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 443);

/// How long a context of a `txn-token` is good for here.
pub(crate) const LIFE: Duration = Duration::from_secs(100);
pub(crate) const GRACE: Duration = Duration::from_secs(30);

pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) clock: ManualClock,
    pub(crate) directory: Arc<MemoryDirectory>,
    issuer: TestIssuer,
    tokens: TxnTokens,
    audit: Arc<MemorySink>,
}

impl World {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::at(UnixTime::from_secs(1_800_000_000));
        let record = || TenantRecord::active(TierSet::METALS.get("gold").unwrap());
        let directory = Arc::new(MemoryDirectory::new([
            ("acme".parse().unwrap(), record()),
            ("globex".parse().unwrap(), record()),
        ]));
        let audit = Arc::new(MemorySink::default());
        let terms = KeyTerms::new("k1".parse().unwrap(), KeyUse::Txn, "edge".parse().unwrap());
        let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
        let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
        let tokens = TxnTokens::new("test", "edge", keys).unwrap().signing(key).unwrap();
        let issuer = TestIssuer::new("https://id.example");
        let policy = BearerPolicy::new("https://id.example", "test").tenant_claim("tenant");
        let authority = Authority::builder(TierSet::METALS)
            .txn_tokens(tokens.clone())
            .bearer(Jwks::parse(&issuer.jwks()).unwrap(), policy.asserts_any_tenant())
            .directory(Arc::clone(&directory))
            .audit(Arc::clone(&audit))
            .clock(clock.clone())
            .grace(GRACE)
            .dangerous()
            .trust_gateway_header(|peer: Peer<'_>| peer.addr == Some(GATEWAY))
            .build()
            .unwrap();
        Self { authority, clock, directory, issuer, tokens, audit }
    }

    /// Between services.
    pub(crate) fn inner_layer(&self) -> TenantLayer {
        TenantLayer::new(&self.authority).admit(Source::TxnToken)
    }

    /// Facing the internet.
    pub(crate) fn edge_layer(&self) -> TenantLayer {
        TenantLayer::new(&self.authority).admit(Source::Bearer)
    }

    pub(crate) fn client_layer(&self) -> TenantClientLayer {
        TenantClientLayer::new(&self.authority)
    }

    pub(crate) fn txn_token(&self, tenant: &str) -> String {
        let now = self.clock.now();
        let identity = Identity::new(
            tenant.parse().unwrap(),
            self.issuer.subject("alice"),
            now.saturating_add(LIFE),
        );
        let identity =
            identity.incarnation(Incarnation::FIRST).transaction("txn-1".parse().unwrap());
        let tier = TierSet::METALS.get("gold").unwrap();
        self.tokens.issue(&identity, tier, now).unwrap().to_string()
    }

    pub(crate) fn bearer(&self, tenant: &str) -> String {
        let tenant: TenantId = tenant.parse().unwrap();
        let now = self.clock.now();
        let token = self.issuer.token("test", "alice", &tenant, now, now.saturating_add(LIFE));
        format!("Bearer {token}")
    }

    /// A context, as if a request of that tenant had come in.
    pub(crate) fn context(&self, tenant: &str) -> TenantContext {
        let mut headers = HeaderMap::new();
        headers.insert("txn-token", self.txn_token(tenant).parse().unwrap());
        let listener = self.authority.listener().admit(Source::TxnToken);
        listener.identify(Inbound::new(&headers)).unwrap()
    }

    /// The same from a bearer token, so that there is nothing to forward.
    pub(crate) fn context_from_outside(&self, tenant: &str) -> TenantContext {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", self.bearer(tenant).parse().unwrap());
        let listener = self.authority.listener().admit(Source::Bearer);
        listener.identify(Inbound::new(&headers)).unwrap()
    }

    pub(crate) fn set_status(&self, tenant: &str, status: TenantStatus) {
        let record = TenantRecord::active(TierSet::METALS.get("gold").unwrap()).status(status);
        self.directory.set(tenant.parse().unwrap(), record);
    }

    /// The reasons of the refusals that were audited.
    pub(crate) fn audited(&self) -> Vec<(&'static str, Option<TenantId>)> {
        let refused = |event: AuditEvent| match event.action {
            tenantkit_core::AuditAction::Refused(it) => Some((it.reason().as_str(), event.tenant)),
            _ => None,
        };
        self.audit.events().into_iter().filter_map(refused).collect()
    }
}

pub(crate) fn request(headers: &[(&str, &str)]) -> Request<Body> {
    let is_grpc = headers.iter().any(|(_, value)| value.starts_with("application/grpc"));
    let method = if is_grpc { Method::POST } else { Method::GET };
    let request = Request::builder().method(method).uri("http://acmedocs.example/v1/documents");
    let request = headers.iter().fold(request, |it, (name, value)| it.header(*name, *value));
    request.body(Body::empty()).unwrap()
}

/// Who this thread acts for just now.
pub(crate) fn current() -> Option<String> {
    TenantContext::with_current(|it| it.map(|it| it.tenant().to_string()))
}

pub(crate) async fn text<B>(answer: Response<B>) -> String
where
    B: http_body::Body<Data: Send, Error: std::fmt::Debug>,
{
    let bytes = answer.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}
