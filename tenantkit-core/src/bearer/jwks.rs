//! [`Jwks`]: the keys of an issuer.

use std::{fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};

use crate::jws::{
    PublicKey,
    cache::KeyWindow,
    jwk::{self, Jwk, JwkSet, KeyError},
};

/// The keys of an issuer, from a JWK set (RFC 7517). A clone is a handle to the same keys, and
/// [`replace`](Jwks::replace) changes them for all while they run: what fetches an issuer's document
/// over the network calls that. A token never makes anything be fetched.
#[derive(Clone)]
pub struct Jwks(Arc<ArcSwap<Keys>>);

pub(super) struct Keys {
    /// Grows with each change.
    pub(super) generation: u64,
    keys: Vec<Named>,
}

#[derive(Clone)]
pub(super) struct Named {
    kid: Option<Box<str>>,
    pub(super) key: PublicKey,
    pub(super) window: KeyWindow,
}

impl Jwks {
    /// Reads a document. Keys of kinds that are not used here, and those that are not for
    /// signatures, are skipped, as the standard asks. A key that has `nbf` or `exp`, in seconds, is
    /// refused outside them, and so are tokens that were verified with it before.
    ///
    /// # Errors
    ///
    /// When the document is malformed, when two keys have the same `kid`, when a key is malformed,
    /// too weak (RSA below 2048 bits) or a private one, and when no key is left.
    pub fn parse(document: &str) -> Result<Self, KeyError> {
        let keys = read(document)?;
        Ok(Self(Arc::new(ArcSwap::from_pointee(Keys { generation: 0, keys }))))
    }

    /// Replaces the keys, for everybody who shares this handle. Tokens of a key that is gone are
    /// refused at once, however recently they were verified.
    ///
    /// # Errors
    ///
    /// As [`Jwks::parse`]; then the keys stay what they were.
    pub fn replace(&self, document: &str) -> Result<(), KeyError> {
        let keys = read(document)?;
        self.0.rcu(|before| Keys { generation: before.generation + 1, keys: keys.clone() });
        Ok(())
    }

    pub(super) fn load(&self) -> Guard<Arc<Keys>> {
        self.0.load()
    }
}

impl Keys {
    /// The key of that name. A token that names none can only mean the one key of an issuer that has
    /// one.
    pub(super) fn get(&self, kid: Option<&str>) -> Option<&Named> {
        match (kid, &*self.keys) {
            (Some(kid), keys) => keys.iter().find(|named| named.kid.as_deref() == Some(kid)),
            (None, [named]) => Some(named),
            (None, _) => None,
        }
    }
}

impl fmt::Debug for Jwks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.load();
        let kids: Vec<_> = keys.keys.iter().map(|named| &named.kid).collect();
        f.debug_struct("Jwks").field("generation", &keys.generation).field("kids", &kids).finish()
    }
}

fn read(document: &str) -> Result<Vec<Named>, KeyError> {
    let set: JwkSet<'_> = jwk::read(document)?;
    let mut keys: Vec<Named> = Vec::new();
    for (index, jwk) in set.keys.iter().enumerate() {
        let Some(key) = public(jwk).map_err(|error| error.at(index))? else { continue };
        let kid = jwk.kid.as_deref().map(Box::from);
        if kid.is_some() && keys.iter().any(|named| named.kid == kid) {
            return Err(KeyError::DuplicateKid.at(index));
        }
        let window = jwk.window().map_err(|error| error.at(index))?;
        keys.push(Named { kid, key, window });
    }
    if keys.is_empty() { Err(KeyError::NoUsableKey) } else { Ok(keys) }
}

fn public(jwk: &Jwk<'_>) -> Result<Option<PublicKey>, KeyError> {
    if jwk.is_secret() {
        return Err(KeyError::PrivateKey);
    }
    match jwk.algorithm() {
        Some(algorithm) if jwk.is_for_signatures("verify") => jwk.public(algorithm).map(Some),
        _ => Ok(None),
    }
}
