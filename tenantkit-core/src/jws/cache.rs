//! [`VerifiedCache`]: tokens whose signature was checked a moment ago.

use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::Arc,
};

use quick_cache::{Equivalent, Weighter, sync::Cache};

use super::{
    Fault,
    claims::{Bounds, Validity},
};
use crate::{Identity, Reason, UnixTime};

/// What a token weighs besides its text: what was read from it, and the cache's own part.
const OVERHEAD: u64 = 1024;
/// How much of a token's end is hashed.
const TAIL: usize = 24;

/// Tokens whose signature held, with what they say. Bounded in bytes.
///
/// A token is found by its whole text, compared byte by byte. Only the end of it is hashed, with a
/// key of this process: that is the signature's end, and nothing gets in before its signature was
/// verified, so tokens that all meet in one place would have to be signed by a key that is trusted,
/// with signatures that end alike, which no signer can choose. Nothing that was refused gets in, so
/// garbage drives nothing out. Every hit is checked again: the time, the key's window, and whether
/// the keys are still the same; the cache only stands for the signature. A token that has expired
/// stays until others need the room, because to refuse it from here costs the least.
pub(crate) struct VerifiedCache<V = Verified>(Arc<Cache<Token, V, Bytes>>);

/// A token whose signature held.
#[derive(Clone)]
pub(crate) struct Verified {
    pub(crate) identity: Arc<Identity>,
    pub(crate) validity: Validity,
    pub(crate) key: KeyWindow,
    /// Of the keys that it was verified with.
    pub(crate) generation: u64,
    /// Which issuer's they were.
    pub(crate) issuer: usize,
}

impl Verified {
    /// Everything that may be different from when the signature was checked, but for the keys: whoever
    /// asks may share the cache with one who accepts more.
    pub(crate) fn recheck(&self, now: UnixTime, bounds: &Bounds) -> Result<(), Fault> {
        if !self.key.contains(now) {
            return Err(Reason::UnknownKey.into());
        }
        Ok(self.validity.bounded(bounds)?.check(now, bounds)?)
    }
}

/// When a key is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KeyWindow {
    pub(crate) from: UnixTime,
    pub(crate) until: UnixTime,
}

impl KeyWindow {
    pub(crate) const ALWAYS: Self = Self { from: UnixTime::EPOCH, until: UnixTime::MAX };

    pub(crate) fn contains(&self, now: UnixTime) -> bool {
        self.from <= now && now < self.until
    }
}

impl<V: Clone> VerifiedCache<V> {
    /// A cache of at most so many bytes.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let items = usize::try_from(max_bytes / (OVERHEAD + 512)).unwrap_or(usize::MAX);
        Self(Arc::new(Cache::with_weighter(items, max_bytes, Bytes)))
    }

    pub(crate) fn get(&self, token: &str) -> Option<V> {
        self.0.get(&Presented(token))
    }

    /// How often a token was found, and how often not.
    pub(crate) fn stats(&self) -> (u64, u64) {
        (self.0.hits(), self.0.misses())
    }

    pub(crate) fn insert(&self, token: Arc<str>, verified: V) {
        self.0.insert(Token(token), verified);
    }
}

impl<V> Clone for VerifiedCache<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V: Clone> fmt::Debug for VerifiedCache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the tokens.
        f.debug_struct("VerifiedCache").field("bytes", &self.0.weight()).finish_non_exhaustive()
    }
}

#[derive(PartialEq, Eq)]
struct Token(Arc<str>);

struct Presented<'a>(&'a str);

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Presented(&self.0).hash(state);
    }
}

impl Hash for Presented<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let token = self.0.as_bytes();
        state.write(&token[token.len().saturating_sub(TAIL)..]);
    }
}

impl Equivalent<Token> for Presented<'_> {
    fn equivalent(&self, token: &Token) -> bool {
        *self.0 == *token.0
    }
}

#[derive(Clone)]
struct Bytes;

impl<V> Weighter<Token, V> for Bytes {
    fn weight(&self, token: &Token, _: &V) -> u64 {
        token.0.len() as u64 + OVERHEAD
    }
}
