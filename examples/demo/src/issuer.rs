//! Whoever issues tokens in the world outside: here a few lines over `ring`, which share no code with
//! what verifies them.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL};
use ring::{
    rand::{SecureRandom, SystemRandom},
    signature::{Ed25519KeyPair, KeyPair},
};
use serde_json::{Value, json};

use crate::Failed;

/// An Ed25519 key, and the tokens that it signs.
#[derive(Debug)]
pub struct Issuer {
    kid: &'static str,
    seed: Seed,
    pair: Ed25519KeyPair,
}

/// Not shown by `{:?}`.
struct Seed([u8; 32]);

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

impl Issuer {
    /// A new key.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn new(kid: &'static str) -> Result<Self, Failed> {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).map_err(|_| "no randomness")?;
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| "no key")?;
        Ok(Self { kid, seed: Seed(seed), pair })
    }

    /// The public key, RFC 8037.
    #[must_use]
    pub fn public_jwk(&self) -> Value {
        let x = BASE64URL.encode(self.pair.public_key().as_ref());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x })
    }

    /// The public key with the terms on which the services trust it.
    #[must_use]
    pub fn service_jwk(&self) -> Value {
        self.jwk_on_terms("txn", crate::EDGE_WORKLOAD)
    }

    /// The public key with the terms on which the records that it seals are opened.
    #[must_use]
    pub fn envelope_jwk(&self) -> Value {
        self.jwk_on_terms("envelope", "documents")
    }

    /// The private key of a service, RFC 8037.
    #[must_use]
    pub fn private_service_jwk(&self) -> Value {
        self.private(self.service_jwk())
    }

    /// The private key that seals records, RFC 8037.
    #[must_use]
    pub fn private_envelope_jwk(&self) -> Value {
        self.private(self.envelope_jwk())
    }

    /// A compact JWS, RFC 7515.
    #[must_use]
    pub fn sign(&self, typ: &str, claims: &Value) -> String {
        let header = json!({ "alg": "EdDSA", "kid": self.kid, "typ": typ });
        let signed = [header.to_string(), claims.to_string()].map(|part| BASE64URL.encode(part));
        let signed = signed.join(".");
        let signature = BASE64URL.encode(self.pair.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    /// What an identity provider gives to `user` of `tenant`, good from `issued` for five minutes.
    #[must_use]
    pub fn bearer(&self, tenant: &str, user: &str, issued: u64) -> String {
        let claims = json!({
            "iss": crate::ISSUER, "aud": crate::AUDIENCE, "sub": user, "tenant": tenant,
            "iat": issued, "exp": issued + 300,
        });
        self.sign("at+jwt", &claims)
    }

    /// What a service gives to another one that it calls for `user` of `tenant`.
    #[must_use]
    pub fn txn_token(&self, tenant: &str, user: &str, issued: u64) -> String {
        let claims = json!({
            "aud": crate::TRUST_DOMAIN, "sub": user, "txn": format!("demo-{issued}"), "scope": "",
            "req_wl": crate::EDGE_WORKLOAD, "iat": issued, "exp": issued + 120,
            "tctx": { "tenant": tenant, "inc": 1, "tier": "gold", "sub_iss": crate::ISSUER },
        });
        self.sign("txntoken+jwt", &claims)
    }
}

impl Issuer {
    fn jwk_on_terms(&self, key_use: &str, workload: &str) -> Value {
        let mut jwk = self.public_jwk();
        jwk["tenantkit_use"] = key_use.into();
        jwk["tenantkit_workload"] = workload.into();
        jwk
    }

    fn private(&self, mut jwk: Value) -> Value {
        jwk["d"] = BASE64URL.encode(self.seed.0).into();
        jwk
    }
}

/// Now, in seconds since 1970.
#[must_use]
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}
