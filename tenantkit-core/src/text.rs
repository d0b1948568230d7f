//! [`Text`]: a short string from outside that is safe to keep, log and forward.

use std::{fmt, ops::Deref, sync::Arc};

/// At most [`Text::MAX_LEN`] bytes without control characters, not empty, shared by reference count.
/// What an issuer, a subject, a workload or a reason is made of, so that nothing unbounded and no
/// line break reaches a log, an audit event or a header.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

impl Text {
    /// The longest text, in bytes.
    pub const MAX_LEN: usize = 256;

    /// Parses a text.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or has a control character; the error never holds the text.
    pub fn new(text: &str) -> Result<Self, InvalidText> {
        if text.is_empty() {
            return Err(InvalidText::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(InvalidText::TooLong { length: text.len() });
        }
        match text.char_indices().find(|(_, c)| is_unsafe(*c)) {
            Some((position, _)) => Err(InvalidText::Control { position }),
            None => Ok(Self(text.into())),
        }
    }

    /// A text that the source code has.
    pub(crate) fn from_static(text: &'static str) -> Self {
        debug_assert!(Self::new(text).is_ok(), "written in this crate");
        Self(text.into())
    }

    /// Thirty-two hexadecimal digits.
    pub(crate) fn from_hex(high: u64, low: u64) -> Self {
        Self(format!("{high:016x}{low:016x}").into())
    }

    /// As a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Controls, line and paragraph separators, and the bidirectional overrides that make a log line
/// read as another.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Why a string is not a [`Text`]. It never holds the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidText {
    /// There is nothing.
    #[error("the text is empty")]
    Empty,
    /// Longer than [`Text::MAX_LEN`].
    #[error("the text has {length} bytes, more than 256")]
    TooLong {
        /// In bytes.
        length: usize,
    },
    /// A control character, or one that changes the direction or the line.
    #[error("the text has a control character at position {position}")]
    Control {
        /// In bytes, from 0.
        position: usize,
    },
}

impl std::str::FromStr for Text {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        Self::new(text)
    }
}

impl From<Text> for Arc<str> {
    /// The same bytes, by reference count.
    fn from(text: Text) -> Self {
        text.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}
