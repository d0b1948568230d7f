//! Keys of our own tokens.

use std::{fmt, sync::Arc};

use base64::Engine;
use serde_json::{Map, Value};

use super::terms::KeyTerms;
use crate::jws::{
    Algorithm, BASE64, PrivateKey, PublicKey,
    jwk::{self, Jwk, KeyError},
    random,
};

/// A key that verifies, and its terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey {
    pub(crate) terms: KeyTerms,
    pub(crate) key: PublicKey,
}

impl VerifyingKey {
    /// Reads a JWK with the members `kty`, `crv`, `x` (and `y`), `kid`, `tenantkit_use`,
    /// `tenantkit_workload`, and, where its life is bounded, `nbf` and `exp` in seconds.
    ///
    /// # Errors
    ///
    /// When a member is missing or wrong, when the kind is neither Ed25519 nor P-256, and when the
    /// key is a private one.
    pub fn from_jwk(jwk: &str) -> Result<Self, KeyError> {
        Self::read(&jwk::read(jwk)?)
    }

    pub(crate) fn read(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        if jwk.is_secret() {
            return Err(KeyError::PrivateKey);
        }
        Ok(Self { key: jwk.public(algorithm(jwk, "verify")?)?, terms: KeyTerms::from_jwk(jwk)? })
    }

    /// Writes it as a JWK.
    #[must_use]
    pub fn to_jwk(&self) -> String {
        let mut members = self.terms.members();
        put_public(&mut members, &self.key);
        Value::Object(members).to_string()
    }

    /// Its terms.
    #[must_use]
    pub const fn terms(&self) -> &KeyTerms {
        &self.terms
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }
}

/// A key that signs, and its terms. A clone shares it.
#[derive(Clone)]
pub struct SigningKey {
    private: Arc<PrivateKey>,
    public: VerifyingKey,
}

impl SigningKey {
    /// Makes a new key, which lives as long as the process.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness; [`KeyError::Kind`] for RSA.
    pub fn generate(terms: KeyTerms, algorithm: Algorithm) -> Result<Self, KeyError> {
        let private = match algorithm {
            Algorithm::EdDsa => {
                let seed: [u8; 32] = random().map_err(|_| KeyError::NoRandomness)?;
                PrivateKey::ed25519(&seed, None)
            }
            Algorithm::Es256 => PrivateKey::generate_p256(),
            Algorithm::Rs256 => return Err(KeyError::Kind),
        };
        Self::new(private.map_err(|_| KeyError::NoRandomness)?, terms)
    }

    /// Reads a JWK as [`VerifyingKey::from_jwk`] does, with its private member `d`.
    ///
    /// # Errors
    ///
    /// When a member is missing or wrong, when the kind is neither Ed25519 nor P-256, and when the
    /// private and the public half do not belong together.
    pub fn from_jwk(jwk: &str) -> Result<Self, KeyError> {
        let jwk: Jwk<'_> = jwk::read(jwk)?;
        Self::new(jwk.private(algorithm(&jwk, "sign")?)?, KeyTerms::from_jwk(&jwk)?)
    }

    /// Reads an unencrypted PKCS#8 document, DER, of an Ed25519 or a P-256 key.
    ///
    /// # Errors
    ///
    /// [`KeyError::Numbers`] when it is not one, [`KeyError::Kind`] for RSA.
    pub fn from_pkcs8(terms: KeyTerms, algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        if algorithm == Algorithm::Rs256 {
            return Err(KeyError::Kind);
        }
        Self::new(PrivateKey::pkcs8(algorithm, der).map_err(|_| KeyError::Numbers)?, terms)
    }

    fn new(private: PrivateKey, terms: KeyTerms) -> Result<Self, KeyError> {
        let key = private.public().map_err(|_| KeyError::Numbers)?;
        Ok(Self { private: Arc::new(private), public: VerifyingKey { terms, key } })
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.public
    }

    pub(crate) fn private(&self) -> &PrivateKey {
        &self.private
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("terms", &self.public.terms).finish_non_exhaustive()
    }
}

/// The JWK of a new Ed25519 signing key, to be kept in a file or a vault and read with
/// [`SigningKey::from_jwk`].
pub struct SecretJwk(String);

impl SecretJwk {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// When the operating system gives no randomness.
    pub fn generate(terms: &KeyTerms) -> Result<Self, KeyError> {
        let seed: [u8; 32] = random().map_err(|_| KeyError::NoRandomness)?;
        let pair = PrivateKey::ed25519(&seed, None).map_err(|_| KeyError::NoRandomness)?;
        let mut members = terms.members();
        put_public(&mut members, &pair.public().map_err(|_| KeyError::NoRandomness)?);
        members.insert("d".to_owned(), BASE64.encode(seed).into());
        Ok(Self(Value::Object(members).to_string()))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretJwk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretJwk").finish_non_exhaustive()
    }
}

/// Only what we sign with ourselves, and only keys that are for that.
fn algorithm(jwk: &Jwk<'_>, operation: &str) -> Result<Algorithm, KeyError> {
    if !jwk.is_for_signatures(operation) {
        return Err(KeyError::Use);
    }
    jwk.algorithm().filter(|known| *known != Algorithm::Rs256).ok_or(KeyError::Kind)
}

fn put_public(members: &mut Map<String, Value>, key: &PublicKey) {
    let mut put = |name: &str, value: String| members.insert(name.to_owned(), value.into());
    put("alg", key.algorithm().as_str().to_owned());
    match key {
        PublicKey::Ed25519(x) => {
            put("kty", "OKP".to_owned());
            put("crv", "Ed25519".to_owned());
            put("x", BASE64.encode(x));
        }
        PublicKey::P256(point) => {
            put("kty", "EC".to_owned());
            put("crv", "P-256".to_owned());
            put("x", BASE64.encode(&point[1..33]));
            put("y", BASE64.encode(&point[33..]));
        }
        PublicKey::Rsa { n, e } => {
            put("kty", "RSA".to_owned());
            put("n", BASE64.encode(n));
            put("e", BASE64.encode(e));
        }
    }
}
