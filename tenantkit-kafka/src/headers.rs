//! Headers of records, read whatever stands in them.
//!
//! rdkafka panics on a header name that is not UTF-8, reads `tenant_id\0evil` as `tenant_id`, and shows
//! headers that cannot be parsed as no headers. [`Headers::read`] does none of that, and is bounded in
//! count and bytes.
//!
//! [`Headers::identity`] is what of them names a tenant: exactly one `tenant_id`, at most one
//! `tenant_envelope`, and nothing that a reader in another language could take for either.

mod identity;
mod raw;
mod reserved;

use std::{fmt, ops::Range};

use rdkafka::message::BorrowedMessage;
use tenantkit_core::Reason;

pub use self::identity::RecordIdentity;
pub use self::reserved::is_reserved;

/// The header that names the tenant: plain UTF-8, what other languages read and write. Exactly one.
pub const TENANT_ID: &str = "tenant_id";

/// The header with the signed envelope.
pub const TENANT_ENVELOPE: &str = "tenant_envelope";

/// All headers of a record, in order, copied out of librdkafka's memory.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Eq)]
struct Entry {
    name: Range<usize>,
    value: Option<Range<usize>>,
    is_whole: bool,
}

/// One header.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its name, which need not be UTF-8.
    pub name: &'a [u8],
    /// Its value; `None` is null.
    pub value: Option<&'a [u8]>,
    /// Whether `name` is all of it. librdkafka shows a name only up to its first NUL; this is false where
    /// a header that shows this name goes on behind one.
    pub is_whole: bool,
}

/// How much of a record's headers is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How many headers; [`Bounds::MOST`] at most. That a name goes on behind a NUL is told of each of up to
    /// 128 headers, and where there are more, of those that could be taken for ours.
    pub count: usize,
    /// How many bytes in names and values together.
    pub bytes: usize,
}

impl Bounds {
    /// 128 headers of 64 KiB together.
    pub const DEFAULT: Self = Self { count: 128, bytes: 64 * 1024 };

    /// The most headers that are ever read of one record.
    pub const MOST: usize = 16_384;
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why headers were not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadersError {
    /// They are not what the protocol says. That is not the same as none.
    #[error("the record's headers cannot be parsed")]
    Unreadable,
    /// More than [`Bounds::count`].
    #[error("the record has {count} headers")]
    TooMany {
        /// How many there are.
        count: usize,
    },
    /// More than [`Bounds::bytes`].
    #[error("the record's headers have more than {most} bytes")]
    TooLarge {
        /// How many they may have.
        most: usize,
    },
}

impl HeadersError {
    /// As what a door refuses the record for.
    #[must_use]
    pub const fn reason(self) -> Reason {
        match self {
            Self::Unreadable => Reason::UnreadableHeaders,
            Self::TooMany { .. } | Self::TooLarge { .. } => Reason::TooManyHeaders,
        }
    }
}

impl Headers {
    /// Reads the headers of a record that was consumed. The record is borrowed exclusively, because
    /// librdkafka parses at the first look and keeps the result in the record.
    ///
    /// # Errors
    ///
    /// When they cannot be parsed, or are more than `bounds` allows. Nothing is kept of them then.
    pub fn read(message: &mut BorrowedMessage<'_>, bounds: Bounds) -> Result<Self, HeadersError> {
        raw::read(message, bounds)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What they take in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len() + self.entries.len() * size_of::<Entry>()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = Header<'_>> {
        self.entries.iter().map(|entry| Header {
            name: &self.bytes[entry.name.clone()],
            value: entry.value.clone().map(|value| &self.bytes[value]),
            is_whole: entry.is_whole,
        })
    }

    /// What of them names a tenant.
    ///
    /// # Errors
    ///
    /// When something could be read in two ways: an alias, a duplicate, a null, a value that is no
    /// tenant id. Why, as [`Reason`].
    pub fn identity(&self) -> Result<RecordIdentity<'_>, Reason> {
        RecordIdentity::of(self)
    }

    /// Adds one at the end.
    pub(crate) fn push(&mut self, name: &[u8], value: Option<&[u8]>) {
        let mut keep = |bytes: &[u8]| {
            let start = self.bytes.len();
            self.bytes.extend_from_slice(bytes);
            start..self.bytes.len()
        };
        let (name, value) = (keep(name), value.map(keep));
        self.entries.push(Entry { name, value, is_whole: true });
    }

    /// Marks all of that name: one of them at least goes on behind a NUL.
    fn mark_cut(&mut self, name: &[u8]) {
        for entry in &mut self.entries {
            entry.is_whole &= self.bytes[entry.name.clone()] != *name;
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What they hold is secret.
        f.debug_struct("Headers").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Header").field("is_whole", &self.is_whole).finish_non_exhaustive()
    }
}
