//! [`Scopes`]: what an identity may do, as its issuer lists it.
//!
//! ```
//! use tenantkit_core::Scopes;
//!
//! let scopes: Scopes = "documents.read documents.write".parse()?;
//! assert!(scopes.contains("documents.read"));
//! assert!(!scopes.contains("documents"));
//! assert!("a \"quoted\" scope".parse::<Scopes>().is_err());
//! # Ok::<(), tenantkit_core::InvalidScopes>(())
//! ```

use std::{str::FromStr, sync::Arc};

/// Scopes, separated by spaces (RFC 6749, section 3.3). There may be none. They are carried, not
/// interpreted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scopes(Option<Arc<str>>);

impl Scopes {
    /// The longest list, in bytes. It travels in each token.
    pub const MAX_LEN: usize = 1024;

    /// Parses a list.
    ///
    /// # Errors
    ///
    /// When it is too long, or has a byte that no scope has; the error never holds the list.
    pub fn new(list: &str) -> Result<Self, InvalidScopes> {
        if list.len() > Self::MAX_LEN {
            return Err(InvalidScopes::TooLong { length: list.len() });
        }
        match list.bytes().position(|byte| byte != b' ' && !is_scope_byte(byte)) {
            Some(position) => Err(InvalidScopes::Byte { position }),
            None => Ok(Self((!list.is_empty()).then(|| list.into()))),
        }
    }

    /// The list as it stands in a token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// Each scope.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_str().split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether `scope` is one of them.
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|granted| granted == scope)
    }
}

/// `NQCHAR` of RFC 6749, appendix A: neither a quote nor a backslash.
const fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

/// Why a string is no list of scopes. It never holds the string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidScopes {
    /// Longer than [`Scopes::MAX_LEN`].
    #[error("the scopes have {length} bytes, more than 1024")]
    TooLong {
        /// In bytes.
        length: usize,
    },
    /// A byte that no scope has.
    #[error("the scopes have a byte at position {position} that no scope has")]
    Byte {
        /// From 0.
        position: usize,
    },
}

impl FromStr for Scopes {
    type Err = InvalidScopes;

    fn from_str(list: &str) -> Result<Self, InvalidScopes> {
        Self::new(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_rfc_6749_lets_into_a_scope_is_one() {
        for byte in 0..=127_u8 {
            let scope = char::from(byte).to_string();
            let allowed = byte == b' ' || (byte.is_ascii_graphic() && !b"\"\\".contains(&byte));
            assert_eq!(Scopes::new(&scope).is_ok(), allowed, "{byte}");
        }
        assert_eq!(Scopes::new("read \u{e9}"), Err(InvalidScopes::Byte { position: 5 }));
    }

    #[test]
    fn a_list_is_bounded_and_may_be_empty() {
        assert!(Scopes::new(&"s".repeat(Scopes::MAX_LEN)).is_ok());
        let length = Scopes::MAX_LEN + 1;
        assert_eq!(Scopes::new(&"s".repeat(length)), Err(InvalidScopes::TooLong { length }));
        assert_eq!(Scopes::new(""), Ok(Scopes::default()));
        assert_eq!(Scopes::default().iter().count(), 0);
    }
}
