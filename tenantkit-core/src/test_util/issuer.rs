//! [`TestIssuer`]: plays an identity provider.

use base64::Engine;
use serde_json::json;

use crate::{
    Algorithm, KeyTerms, KeyUse, SigningKey, Subject, TenantId, Text, UnixTime, jws::BASE64,
};

/// Plays an identity provider, for tests and demonstrations: it signs bearer tokens with a key that
/// it makes, and whoever registers its [`jwks`](TestIssuer::jwks) believes them.
#[derive(Debug, Clone)]
pub struct TestIssuer {
    issuer: Text,
    key: SigningKey,
}

impl TestIssuer {
    /// An issuer of that name (`iss`), with a new Ed25519 key.
    ///
    /// # Panics
    ///
    /// When the name is no [`Text`], or the operating system gives no randomness.
    #[must_use]
    pub fn new(issuer: &str) -> Self {
        let issuer = match Text::new(issuer) {
            Ok(issuer) => issuer,
            Err(error) => panic!("{error}"),
        };
        let terms = KeyTerms::new(Text::from_static("test-1"), KeyUse::Txn, issuer.clone());
        match SigningKey::generate(terms, Algorithm::EdDsa) {
            Ok(key) => Self { issuer, key },
            Err(error) => panic!("{error}"),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn issuer(&self) -> &Text {
        &self.issuer
    }

    /// The name of its key.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.key.verifying_key().terms().kid()
    }

    /// What it calls `sub`.
    ///
    /// # Panics
    ///
    /// When the name is no [`Text`].
    #[must_use]
    pub fn subject(&self, sub: &str) -> Subject {
        match Text::new(sub) {
            Ok(sub) => Subject::new(self.issuer.clone(), sub),
            Err(error) => panic!("{error}"),
        }
    }

    /// Its public key, as the document that [`Jwks::parse`](crate::Jwks::parse) reads.
    #[must_use]
    pub fn jwks(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, self.key.verifying_key().to_jwk())
    }

    /// A token for `audience` in which `sub` acts for `tenant` (the claim `tenant`) until `expires`.
    #[must_use]
    pub fn token(
        &self,
        audience: &str,
        sub: &str,
        tenant: &TenantId,
        issued: UnixTime,
        expires: UnixTime,
    ) -> String {
        let claims = json!({
            "iss": self.issuer,
            "aud": audience,
            "sub": sub,
            "tenant": tenant,
            "iat": issued.as_secs(),
            "exp": expires.as_secs(),
        });
        self.sign(&claims.to_string())
    }

    /// A token with these claims, whatever they are.
    #[must_use]
    pub fn sign(&self, claims: &str) -> String {
        let header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": self.kid() });
        sign(&self.key, &header.to_string(), claims)
    }
}

/// Signs a header and claims, whatever they are.
///
/// # Panics
///
/// When the operating system gives no randomness.
#[must_use]
pub fn sign(key: &SigningKey, header: &str, claims: &str) -> String {
    let mut token = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
    let Ok(signature) = key.private().sign(token.as_bytes()) else {
        panic!("the operating system gives no randomness");
    };
    token.push('.');
    BASE64.encode_string(signature, &mut token);
    token
}
