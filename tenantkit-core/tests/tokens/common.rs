//! A trust domain for tests: the workload `edge` signs, and `documents` verifies.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tenantkit_core::{
    Algorithm, Authority, AuthorityBuilder, BearerPolicy, Inbound, Jwks, KeySet, KeyTerms, KeyUse,
    ManualClock, MemoryDirectory, Reason, Refusal, SigningKey, Source, TenantContext, TenantRecord,
    Text, TierSet, TxnTokens, UnixTime,
    test_util::{MemorySink, TestIssuer, sign},
};

pub(crate) const SECS: u64 = 1_800_000_000;
pub(crate) const NOW: UnixTime = UnixTime::from_secs(SECS);
pub(crate) const DOMAIN: &str = "acmedocs.example";
pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const TXN_HEADER: &str = r#"{"alg":"EdDSA","typ":"txntoken+jwt","kid":"edge-1"}"#;

pub(crate) fn text(text: &str) -> Text {
    text.parse().unwrap()
}

pub(crate) fn after(secs: u64) -> UnixTime {
    NOW.saturating_add(Duration::from_secs(secs))
}

pub(crate) fn terms(kid: &str, key_use: KeyUse, workload: &str) -> KeyTerms {
    KeyTerms::new(text(kid), key_use, text(workload))
}

pub(crate) fn key(kid: &str, workload: &str) -> SigningKey {
    SigningKey::generate(terms(kid, KeyUse::Txn, workload), Algorithm::EdDsa).unwrap()
}

pub(crate) fn keys<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> KeySet {
    KeySet::new(keys.into_iter().map(|key| key.verifying_key().clone())).unwrap()
}

/// The edge's key, and who verifies with it.
pub(crate) fn pair() -> (SigningKey, TxnTokens) {
    let edge = key("edge-1", "edge");
    let documents = TxnTokens::new(DOMAIN, "documents", keys([&edge])).unwrap();
    (edge, documents)
}

/// An object, as members whose values are raw JSON.
#[derive(Clone)]
pub(crate) struct Members(pub(crate) Vec<(&'static str, String)>);

impl Members {
    /// The claims of a transaction token that holds.
    pub(crate) fn txn() -> Self {
        Self(vec![
            ("iat", SECS.to_string()),
            ("aud", format!("{DOMAIN:?}")),
            ("exp", (SECS + 120).to_string()),
            ("txn", r#""txn-1""#.into()),
            ("sub", r#""alice""#.into()),
            ("scope", r#""read write""#.into()),
            ("req_wl", r#""edge""#.into()),
            ("tctx", Self::tctx().json()),
        ])
    }

    /// The `tctx` of a transaction token that holds.
    pub(crate) fn tctx() -> Self {
        Self(vec![
            ("tenant", r#""acme""#.into()),
            ("inc", "1".into()),
            ("tier", r#""gold""#.into()),
            ("sub_iss", format!("{ISSUER:?}")),
            ("region", r#""eu""#.into()),
            ("epoch", "3".into()),
            ("act", r#"{"iss":"https://id.example","sub":"bob"}"#.into()),
        ])
    }

    /// The claims of a bearer token that holds.
    pub(crate) fn bearer() -> Self {
        Self(vec![
            ("iss", format!("{ISSUER:?}")),
            ("aud", r#""acmedocs""#.into()),
            ("iat", SECS.to_string()),
            ("nbf", SECS.to_string()),
            ("exp", (SECS + 300).to_string()),
            ("sub", r#""alice""#.into()),
            ("tenant", r#""acme""#.into()),
            ("scope", r#""read write""#.into()),
        ])
    }

    pub(crate) fn json(&self) -> String {
        let members: Vec<_> =
            self.0.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value.into(),
            None => self.0.push((name, value.into())),
        }
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self
    }

    pub(crate) fn twice(mut self, name: &str) -> Self {
        let member = self.0.iter().find(|(known, _)| *known == name).unwrap().clone();
        self.0.push(member);
        self
    }
}

/// A token of the edge with these claims.
pub(crate) fn txn(edge: &SigningKey, claims: &Members) -> String {
    sign(edge, TXN_HEADER, &claims.json())
}

/// Why a token is refused at [`NOW`].
pub(crate) fn refused(tokens: &TxnTokens, token: &str) -> Result<(), Reason> {
    tokens.verify(token, NOW).map(|_| ())
}

/// An authority with `acme`, `globex` and a clock at [`NOW`].
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) clock: ManualClock,
    pub(crate) audit: Arc<MemorySink>,
}

impl World {
    pub(crate) fn new(build: impl FnOnce(AuthorityBuilder) -> AuthorityBuilder) -> Self {
        let record = |tier| TenantRecord::active(TierSet::METALS.get(tier).unwrap());
        let directory = MemoryDirectory::new([
            ("acme".parse().unwrap(), record("gold")),
            ("globex".parse().unwrap(), record("bronze")),
        ]);
        let (clock, audit) = (ManualClock::at(NOW), Arc::new(MemorySink::default()));
        let builder = Authority::builder(TierSet::METALS)
            .directory(directory)
            .audit(Arc::clone(&audit))
            .clock(clock.clone());
        Self { authority: build(builder).build().unwrap(), clock, audit }
    }

    /// With one issuer of bearer tokens, which may assert every tenant.
    pub(crate) fn of(issuer: &TestIssuer) -> Self {
        let jwks = Jwks::parse(&issuer.jwks()).unwrap();
        let policy = BearerPolicy::new(issuer.issuer(), "acmedocs").asserts_any_tenant();
        Self::new(|builder| builder.bearer(jwks, policy))
    }

    pub(crate) fn identify(
        &self,
        source: Source,
        header: &'static str,
        value: &str,
    ) -> Result<TenantContext, Refusal> {
        let mut headers = HeaderMap::new();
        headers.insert(HeaderName::from_static(header), HeaderValue::from_str(value).unwrap());
        self.authority.listener().admit(source).identify(Inbound::new(&headers))
    }

    pub(crate) fn txn(&self, token: &str) -> Result<TenantContext, Reason> {
        self.identify(Source::TxnToken, "txn-token", token).map_err(|refusal| refusal.reason())
    }

    pub(crate) fn bearer(&self, token: &str) -> Result<TenantContext, Reason> {
        self.authorization(&format!("Bearer {token}"))
    }

    pub(crate) fn authorization(&self, value: &str) -> Result<TenantContext, Reason> {
        self.identify(Source::Bearer, "authorization", value).map_err(|refusal| refusal.reason())
    }
}
