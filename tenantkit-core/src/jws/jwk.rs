//! JSON Web Keys and sets of them (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use base64::Engine;
use serde::Deserialize;

use super::{
    Algorithm, BASE64, PrivateKey, PublicKey,
    cache::KeyWindow,
    json::{self, Present, Str, given},
};
use crate::{Reason, UnixTime};

/// The longest document, in bytes.
const MAX_DOCUMENT_LEN: usize = 256 * 1024;

/// Why a key, or a document of keys, cannot be used. It never holds what was in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a JSON document of the expected shape, too long, or with a member that stands twice.
    #[error("the document is not the JSON of a key or of a set of keys, or has a member twice")]
    Document,
    /// A `kty`, `crv` or `alg` that is not used here, or that do not belong together.
    #[error("the key's `kty`, `crv` and `alg` are none that are used here")]
    Kind,
    /// A member that is missing or wrong.
    #[error("the key's `{0}` is missing or wrong")]
    Member(&'static str),
    /// Numbers that are no key of that kind, or one that is too weak.
    #[error("the key's numbers are no key of its kind, or one that is too weak")]
    Numbers,
    /// A private key where public ones belong. It is to be replaced: others may have read it.
    #[error("a private key stands where public keys belong: replace it, others may have read it")]
    PrivateKey,
    /// Two keys of one `kid`.
    #[error("another key has the same `kid`")]
    DuplicateKid,
    /// A document without any key that could verify a token.
    #[error("the document has no key that could verify a token")]
    NoUsableKey,
    /// A key that is not for this use.
    #[error("the key is for another use")]
    Use,
    /// A key of another workload.
    #[error("the key is another workload's")]
    Workload,
    /// A key to sign with whose public half is not among the keys that verify, so that nobody would
    /// believe what it signs.
    #[error("the key's public half is not among the keys that verify")]
    NotVerified,
    /// A key to sign with, for a service that was built to sign nothing.
    #[error("the service was built without a key to sign with")]
    NotSigning,
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    NoRandomness,
    /// One key of a document.
    #[error("key {index} of the document: {error}")]
    At {
        /// Counted from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<Self>,
    },
}

impl KeyError {
    /// The same, of one key of a document.
    pub(crate) fn at(self, index: usize) -> Self {
        Self::At { index, error: Box::new(self) }
    }
}

#[derive(Deserialize)]
pub(crate) struct JwkSet<'a> {
    #[serde(borrow)]
    pub(crate) keys: Vec<Jwk<'a>>,
}

/// A key as it stands in a document.
#[derive(Deserialize)]
pub(crate) struct Jwk<'a> {
    #[serde(borrow)]
    kty: Str<'a>,
    #[serde(borrow, default, deserialize_with = "given")]
    crv: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    x: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    y: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    n: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    e: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    d: Option<Str<'a>>,
    /// A symmetric key, all of which is secret.
    #[serde(default)]
    k: Present,
    #[serde(borrow, default, deserialize_with = "given")]
    pub(crate) kid: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    alg: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given", rename = "use")]
    purpose: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    key_ops: Option<Vec<Str<'a>>>,
    /// As in OpenID Federation 1.0, section 8.7.2.
    #[serde(default, deserialize_with = "given")]
    nbf: Option<u64>,
    #[serde(default, deserialize_with = "given")]
    exp: Option<u64>,
    #[serde(borrow, default, deserialize_with = "given")]
    pub(crate) tenantkit_use: Option<Str<'a>>,
    #[serde(borrow, default, deserialize_with = "given")]
    pub(crate) tenantkit_workload: Option<Str<'a>>,
}

/// Reads a key, or a set of keys.
pub(crate) fn read<'a, T: Deserialize<'a>>(document: &'a str) -> Result<T, KeyError> {
    if document.len() > MAX_DOCUMENT_LEN {
        return Err(KeyError::Document);
    }
    json::read(document.as_bytes(), Reason::BadClaim).map_err(|_| KeyError::Document)
}

impl Jwk<'_> {
    /// How it signs; `None` when it is of a kind that is not used here.
    pub(crate) fn algorithm(&self) -> Option<Algorithm> {
        let algorithm = match (&*self.kty, self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
            ("EC", Some("P-256")) => Algorithm::Es256,
            ("RSA", None) => Algorithm::Rs256,
            _ => return None,
        };
        let is_named = self.alg.as_deref().is_none_or(|alg| algorithm.has_name(alg));
        is_named.then_some(algorithm)
    }

    /// Whether it is meant for signatures.
    pub(crate) fn is_for_signatures(&self, operation: &str) -> bool {
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| **op == *operation))
    }

    /// Whether it has what must stay secret.
    pub(crate) fn is_secret(&self) -> bool {
        self.d.is_some() || self.k == Present::Yes
    }

    /// From when until when it is good. One that never is, is a mistake.
    pub(crate) fn window(&self) -> Result<KeyWindow, KeyError> {
        let time = |name, secs: Option<u64>, otherwise| match secs {
            Some(secs) if secs > UnixTime::MAX.as_secs() => Err(KeyError::Member(name)),
            secs => Ok(secs.map_or(otherwise, UnixTime::from_secs)),
        };
        let window = KeyWindow {
            from: time("nbf", self.nbf, UnixTime::EPOCH)?,
            until: time("exp", self.exp, UnixTime::MAX)?,
        };
        if window.from < window.until { Ok(window) } else { Err(KeyError::Member("exp")) }
    }

    pub(crate) fn public(&self, algorithm: Algorithm) -> Result<PublicKey, KeyError> {
        match algorithm {
            Algorithm::EdDsa => PublicKey::ed25519(&number("x", &self.x)?),
            Algorithm::Es256 => PublicKey::p256(&number("x", &self.x)?, &number("y", &self.y)?),
            Algorithm::Rs256 => PublicKey::rsa(&number("n", &self.n)?, &number("e", &self.e)?),
        }
        .map_err(|_| KeyError::Numbers)
    }

    pub(crate) fn private(&self, algorithm: Algorithm) -> Result<PrivateKey, KeyError> {
        let d = number("d", &self.d)?;
        let x = number("x", &self.x)?;
        match algorithm {
            Algorithm::EdDsa => PrivateKey::ed25519(&d, Some(&x)),
            Algorithm::Es256 => PrivateKey::p256(&d, &x, &number("y", &self.y)?),
            Algorithm::Rs256 => return Err(KeyError::Kind),
        }
        .map_err(|_| KeyError::Numbers)
    }
}

fn number(name: &'static str, member: &Option<Str<'_>>) -> Result<Vec<u8>, KeyError> {
    let text = member.as_deref().ok_or(KeyError::Member(name))?;
    BASE64.decode(text).map_err(|_| KeyError::Member(name))
}
