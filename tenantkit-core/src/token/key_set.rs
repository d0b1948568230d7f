//! [`KeySet`]: the keys that are trusted just now.

use std::{collections::HashMap, fmt, sync::Arc};

use arc_swap::{ArcSwap, Guard};

use super::key::{SigningKey, VerifyingKey};
use crate::jws::jwk::{self, JwkSet, KeyError};

/// The keys that verify our own tokens. A clone is a handle to the same set, and
/// [`replace`](KeySet::replace) changes it for all of them while they run: a token whose key is no
/// longer in it is refused at once, however recently it was verified.
#[derive(Clone)]
pub struct KeySet(Arc<ArcSwap<Keys>>);

pub(crate) struct Keys {
    /// Grows with each change, so that what was verified with earlier keys is told apart.
    pub(crate) generation: u64,
    by_kid: HashMap<Box<str>, VerifyingKey>,
}

impl KeySet {
    /// These keys.
    ///
    /// # Errors
    ///
    /// When two have the same `kid`, or when there is none.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>) -> Result<Self, KeyError> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(Keys { generation: 0, by_kid: by_kid(keys)? }))))
    }

    /// Reads a JWK set, in which each key is one that [`VerifyingKey::from_jwk`] reads.
    ///
    /// # Errors
    ///
    /// When the document or any key in it is wrong.
    pub fn parse(jwks: &str) -> Result<Self, KeyError> {
        Self::new(read(jwks)?)
    }

    /// Replaces the keys, for everybody who shares this set.
    ///
    /// # Errors
    ///
    /// As [`KeySet::new`]; then the keys stay what they were.
    pub fn replace(&self, keys: impl IntoIterator<Item = VerifyingKey>) -> Result<(), KeyError> {
        let by_kid = by_kid(keys)?;
        self.0.rcu(|before| Keys { generation: before.generation + 1, by_kid: by_kid.clone() });
        Ok(())
    }

    /// Replaces the keys by those of a JWK set.
    ///
    /// # Errors
    ///
    /// As [`KeySet::parse`]; then the keys stay what they were.
    pub fn replace_with(&self, jwks: &str) -> Result<(), KeyError> {
        self.replace(read(jwks)?)
    }

    /// Writes the keys as a JWK set, for services that publish theirs. There is nothing secret in it.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        let keys = self.load();
        let mut jwks: Vec<String> = keys.by_kid.values().map(VerifyingKey::to_jwk).collect();
        // The same keys are the same text.
        jwks.sort_unstable();
        format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
    }

    pub(crate) fn load(&self) -> Guard<Arc<Keys>> {
        self.0.load()
    }
}

impl Keys {
    pub(crate) fn get(&self, kid: &str) -> Option<&VerifyingKey> {
        self.by_kid.get(kid)
    }

    /// The key that verifies what `signing` signs, on the same terms but for the time.
    pub(crate) fn verifying(&self, signing: &SigningKey) -> Option<&VerifyingKey> {
        let public = signing.verifying_key();
        let same = self.get(public.terms().kid()).filter(|known| known.key == public.key)?;
        let (known, signing) = (same.terms(), public.terms());
        let on_same_terms =
            known.key_use() == signing.key_use() && known.workload() == signing.workload();
        on_same_terms.then_some(same)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.load();
        f.debug_struct("KeySet")
            .field("generation", &keys.generation)
            .field("kids", &keys.by_kid.keys())
            .finish_non_exhaustive()
    }
}

fn read(jwks: &str) -> Result<Vec<VerifyingKey>, KeyError> {
    let set: JwkSet<'_> = jwk::read(jwks)?;
    let keys = set.keys.iter().enumerate();
    keys.map(|(index, key)| VerifyingKey::read(key).map_err(|error| error.at(index))).collect()
}

fn by_kid(
    keys: impl IntoIterator<Item = VerifyingKey>,
) -> Result<HashMap<Box<str>, VerifyingKey>, KeyError> {
    let mut by_kid = HashMap::new();
    for (index, key) in keys.into_iter().enumerate() {
        let kid = key.terms().kid().as_str().into();
        if by_kid.insert(kid, key).is_some() {
            return Err(KeyError::DuplicateKid.at(index));
        }
    }
    if by_kid.is_empty() { Err(KeyError::NoUsableKey) } else { Ok(by_kid) }
}
