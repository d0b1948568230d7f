//! Keys of our own tokens: what each is for, and for how long.

use std::{fmt, sync::Arc};

use base64::Engine;
use serde_json::{Map, Value};

use crate::{
    Text, UnixTime,
    jws::{
        Algorithm, BASE64, PrivateKey, PublicKey,
        cache::KeyWindow,
        json::Str,
        jwk::{self, Jwk, KeyError},
        random,
    },
};

/// What a key signs. It is refused for anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyUse {
    /// Transaction tokens.
    Txn,
    /// Envelopes of records.
    Envelope,
    /// Jobs.
    Job,
}

impl KeyUse {
    const ALL: [Self; 3] = [Self::Txn, Self::Envelope, Self::Job];

    /// Its name: the member `tenantkit_use` of a JWK.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Txn => "txn",
            Self::Envelope => "envelope",
            Self::Job => "job",
        }
    }
}

/// On which terms a key is trusted: its name, what it signs, whose it is, and from when until when.
/// It is refused outside them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTerms {
    kid: Text,
    key_use: KeyUse,
    workload: Text,
    window: KeyWindow,
}

impl KeyTerms {
    /// The key `kid` of `workload`, without a bound in time.
    #[must_use]
    pub const fn new(kid: Text, key_use: KeyUse, workload: Text) -> Self {
        Self { kid, key_use, workload, window: KeyWindow::ALWAYS }
    }

    /// Only from `from` on, and no longer at `until`.
    #[must_use]
    pub fn valid(self, from: UnixTime, until: UnixTime) -> Self {
        Self { window: KeyWindow { from, until }, ..self }
    }

    /// Its name.
    #[must_use]
    pub const fn kid(&self) -> &Text {
        &self.kid
    }

    /// What it signs.
    #[must_use]
    pub const fn key_use(&self) -> KeyUse {
        self.key_use
    }

    /// Whose it is.
    #[must_use]
    pub const fn workload(&self) -> &Text {
        &self.workload
    }

    pub(crate) const fn window(&self) -> KeyWindow {
        self.window
    }

    fn from_jwk(jwk: &Jwk<'_>) -> Result<Self, KeyError> {
        let member = |name, member: &Option<Str<'_>>| {
            let text = member.as_deref().ok_or(KeyError::Member(name))?;
            Text::new(text).map_err(|_| KeyError::Member(name))
        };
        let name = member("tenantkit_use", &jwk.tenantkit_use)?;
        let key_use = KeyUse::ALL.into_iter().find(|known| known.as_str() == &*name);
        Ok(Self {
            kid: member("kid", &jwk.kid)?,
            key_use: key_use.ok_or(KeyError::Member("tenantkit_use"))?,
            workload: member("tenantkit_workload", &jwk.tenantkit_workload)?,
            window: window(jwk)?,
        })
    }

    /// The members of a JWK that hold the terms.
    fn members(&self) -> Map<String, Value> {
        let mut members = Map::new();
        let mut put = |name: &str, value: Value| members.insert(name.to_owned(), value);
        put("kid", self.kid.as_str().into());
        put("use", "sig".into());
        put("tenantkit_use", self.key_use.as_str().into());
        put("tenantkit_workload", self.workload.as_str().into());
        if self.window.from != UnixTime::EPOCH {
            put("nbf", self.window.from.as_secs().into());
        }
        if self.window.until != UnixTime::MAX {
            put("exp", self.window.until.as_secs().into());
        }
        members
    }
}

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

/// From when until when a key is good. One that never is, is a mistake.
fn window(jwk: &Jwk<'_>) -> Result<KeyWindow, KeyError> {
    let time = |name, secs: Option<u64>, otherwise| match secs {
        Some(secs) if secs > UnixTime::MAX.as_secs() => Err(KeyError::Member(name)),
        secs => Ok(secs.map_or(otherwise, UnixTime::from_secs)),
    };
    let window = KeyWindow {
        from: time("nbf", jwk.nbf, UnixTime::EPOCH)?,
        until: time("exp", jwk.exp, UnixTime::MAX)?,
    };
    if window.from < window.until { Ok(window) } else { Err(KeyError::Member("exp")) }
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
