//! A trust domain in which the workload `edge` seals, and `search` opens.

use std::time::Duration;

use serde_json::{Value, json};
use tenantkit_core::{
    Algorithm, Envelopes, KeySet, KeyTerms, KeyUse, Opened, Reason, SigningKey, TierSet, UnixTime,
    WireRecord,
    test_util::{TestAuthority, sign},
};

pub(crate) const SECS: u64 = 1_800_000_000;
pub(crate) const NOW: UnixTime = UnixTime::from_secs(SECS);
pub(crate) const DOMAIN: &str = "acmedocs.example";
pub(crate) const DAY: u64 = 24 * 60 * 60;
pub(crate) const HEADER: &str = r#"{"alg":"EdDSA","typ":"tenant-envelope+jwt","kid":"edge-1"}"#;

pub(crate) fn after(secs: u64) -> UnixTime {
    NOW.saturating_add(Duration::from_secs(secs))
}

pub(crate) fn terms(kid: &str, key_use: KeyUse, workload: &str) -> KeyTerms {
    KeyTerms::new(kid.parse().unwrap(), key_use, workload.parse().unwrap())
}

pub(crate) fn key_on(terms: KeyTerms) -> SigningKey {
    SigningKey::generate(terms, Algorithm::EdDsa).unwrap()
}

pub(crate) fn key(kid: &str, workload: &str) -> SigningKey {
    key_on(terms(kid, KeyUse::Envelope, workload))
}

pub(crate) fn keys<'a>(keys: impl IntoIterator<Item = &'a SigningKey>) -> KeySet {
    KeySet::new(keys.into_iter().map(|key| key.verifying_key().clone())).unwrap()
}

/// The record of all these tests.
pub(crate) fn record() -> WireRecord<'static> {
    WireRecord::new("documents", Some(b"7"), Some(b"changed"))
}

/// The claims of an envelope of [`record`] that holds.
pub(crate) fn claims() -> Value {
    json!({
        "iss": "edge",
        "aud": DOMAIN,
        "iat": SECS,
        "exp": SECS + 30 * DAY,
        "jti": "envelope-1",
        "txn": "txn-1",
        "sub": "alice",
        "tctx": {
            "tenant": "acme",
            "inc": 1,
            "tier": "gold",
            "sub_iss": "https://id.example",
            "region": "eu",
            "act": {"iss": "https://id.example", "sub": "bob"},
        },
        "rec": {
            "topic": "documents",
            // printf 7 | sha256sum, in base64url, and the same of `changed`.
            "key": "eQJpm-Qsio5G-7tFAXJlF-hrIsVqGJ92JabaSQgbJFE",
            "payload": "1n4ulEmUSWyNjsdu7Qz58JZ5RI1YS1Mr6_lBhSo39e0",
        },
    })
}

/// Who seals and who opens, in one authority.
pub(crate) struct World {
    pub(crate) edge: SigningKey,
    pub(crate) test: TestAuthority,
    pub(crate) envelopes: Envelopes,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|envelopes| envelopes)
    }

    pub(crate) fn with(change: impl FnOnce(Envelopes) -> Envelopes) -> Self {
        Self::of(key("edge-1", "edge"), change)
    }

    pub(crate) fn of(edge: SigningKey, change: impl FnOnce(Envelopes) -> Envelopes) -> Self {
        let envelopes = Envelopes::new(DOMAIN, "edge", keys([&edge])).unwrap();
        let envelopes = change(envelopes.signing(edge.clone()).unwrap());
        let registered = envelopes.clone();
        let test = TestAuthority::with(TierSet::METALS, |it| it.envelopes(registered));
        Self { edge, test, envelopes }
    }

    pub(crate) fn seal(&self, record: &WireRecord<'_>) -> String {
        self.test.authority().seal(&self.test.context("acme"), record).unwrap().to_string()
    }

    pub(crate) fn open(&self, envelope: &str, record: &WireRecord<'_>) -> Result<Opened, Reason> {
        let acme = "acme".parse().unwrap();
        let opened = self.test.authority().open(Some(&acme), envelope, record);
        opened.map_err(|refusal| refusal.reason())
    }

    /// Why the envelope of [`record`] is refused.
    pub(crate) fn refused(&self, envelope: &str) -> Result<(), Reason> {
        self.open(envelope, &record()).map(drop)
    }

    /// Signed by the edge, whatever it says.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        sign(&self.edge, HEADER, &claims.to_string())
    }
}
