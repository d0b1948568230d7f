//! [`TenantId`]: parsed once, then trusted.
//!
//! ```
//! use tenantkit_core::{InvalidTenantId, TenantId};
//!
//! let acme: TenantId = "acme".parse()?;
//! assert_eq!(acme, "acme");
//!
//! // An error says what is wrong and where, and never echoes the value.
//! assert_eq!("Acme".parse::<TenantId>(), Err(InvalidTenantId::Byte { position: 0 }));
//! assert_eq!("default".parse::<TenantId>(), Err(InvalidTenantId::Reserved));
//! # Ok::<(), InvalidTenantId>(())
//! ```

use std::{
    borrow::Borrow,
    fmt,
    hash::{Hash, Hasher},
    ops::Deref,
    str::FromStr,
};

/// Names that mean something to a system that a tenant id may travel into.
const RESERVED: [&str; 4] = ["system", "anonymous", "default", "public"];
/// What Postgres keeps for itself.
const RESERVED_PREFIX: &str = "pg_";

/// The name of a tenant: `^[a-z0-9][a-z0-9_-]{0,47}$`, without the reserved names
/// (`system`, `anonymous`, `default`, `public` and everything that starts with `pg_`).
///
/// Safe unescaped in a header, a topic, a path, a Redis key and a log line. `Copy`, stored inline,
/// and hashes and borrows as `str`, so that a map keyed by it is searched with a `&str`.
#[derive(Clone, Copy, Eq)]
pub struct TenantId {
    /// Zero behind `len`, which no text has in it: so all bytes are equal where the texts are.
    bytes: [u8; Self::MAX_LEN],
    len: u8,
}

impl TenantId {
    /// The longest id, in bytes.
    pub const MAX_LEN: usize = 48;

    /// Parses an id.
    ///
    /// # Errors
    ///
    /// When the text is not an id; the error has the position, never the text.
    pub const fn new(text: &str) -> Result<Self, InvalidTenantId> {
        let text = text.as_bytes();
        if text.is_empty() {
            return Err(InvalidTenantId::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidTenantId::TooLong { length: text.len() });
        }
        let mut bytes = [0; Self::MAX_LEN];
        let mut at = 0;
        while at < text.len() {
            match text[at] {
                b'a'..=b'z' | b'0'..=b'9' => {}
                b'_' | b'-' if at > 0 => {}
                _ => return Err(InvalidTenantId::Byte { position: at }),
            }
            bytes[at] = text[at];
            at += 1;
        }
        if is_reserved(text) {
            return Err(InvalidTenantId::Reserved);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_LEN")]
        let len = text.len() as u8;
        Ok(Self { bytes, len })
    }

    /// The id as text.
    #[must_use]
    #[inline]
    pub fn as_str(&self) -> &str {
        // Only ASCII is ever stored, so the fallback is never taken; an empty id is no tenant's.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

/// Why a text is not a [`TenantId`]. It never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTenantId {
    /// There is nothing.
    #[error("a tenant id is empty")]
    Empty,
    /// Longer than [`TenantId::MAX_LEN`].
    #[error("a tenant id has {length} bytes, more than 48")]
    TooLong {
        /// In bytes.
        length: usize,
    },
    /// A byte that may not stand where it stands.
    #[error("a tenant id has a byte at position {position} that may not stand there")]
    Byte {
        /// From 0.
        position: usize,
    },
    /// A name that is kept for something else.
    #[error("a tenant id is a reserved name")]
    Reserved,
}

impl FromStr for TenantId {
    type Err = InvalidTenantId;

    fn from_str(text: &str) -> Result<Self, InvalidTenantId> {
        Self::new(text)
    }
}

impl TryFrom<&[u8]> for TenantId {
    type Error = InvalidTenantId;

    fn try_from(bytes: &[u8]) -> Result<Self, InvalidTenantId> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::new(text),
            Err(error) => Err(InvalidTenantId::Byte { position: error.valid_up_to() }),
        }
    }
}

impl Deref for TenantId {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for TenantId {
    fn as_ref(&self) -> &str {
        self
    }
}

impl Borrow<str> for TenantId {
    fn borrow(&self) -> &str {
        self
    }
}

/// All bytes at once, in three wide words: to call a comparison of any length costs more than that.
impl PartialEq for TenantId {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (words, _) = self.bytes.as_chunks::<16>();
        let (others, _) = other.bytes.as_chunks::<16>();
        let differs = words.iter().zip(others).fold(0, |differs, (word, other)| {
            differs | (u128::from_ne_bytes(*word) ^ u128::from_ne_bytes(*other))
        });
        differs == 0
    }
}

impl Hash for TenantId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl PartialEq<str> for TenantId {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for TenantId {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for TenantId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for TenantId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_str().cmp(other)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl serde::Serialize for TenantId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// How many times an id has been given out. It grows when the directory creates a tenant under an
/// id that was deleted, so that nothing of the deleted tenant is valid for its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(u64);

impl Incarnation {
    /// The first tenant that ever had an id.
    pub const FIRST: Self = Self(1);

    /// The `number`th tenant of an id.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The one that follows when the id is created again.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

const fn is_reserved(text: &[u8]) -> bool {
    let mut at = 0;
    while at < RESERVED.len() {
        let name = RESERVED[at].as_bytes();
        if name.len() == text.len() && starts_with(text, name) {
            return true;
        }
        at += 1;
    }
    starts_with(text, RESERVED_PREFIX.as_bytes())
}

const fn starts_with(text: &[u8], prefix: &[u8]) -> bool {
    if text.len() < prefix.len() {
        return false;
    }
    let mut at = 0;
    while at < prefix.len() {
        if text[at] != prefix[at] {
            return false;
        }
        at += 1;
    }
    true
}
