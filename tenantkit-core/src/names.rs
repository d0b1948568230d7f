//! [`NameScheme`]: names made from a tenant's id, by one injective function.
//!
//! ```
//! use tenantkit_core::{NameScheme, TenantId};
//!
//! const SCHEMAS: NameScheme = NameScheme::postgres("tenant_");
//! const EVENTS: NameScheme = NameScheme::topic("documents.");
//!
//! let acme: TenantId = "acme-eu".parse()?;
//! assert_eq!(SCHEMAS.name(&acme).as_str(), "tenant_acme-eu");
//! assert_eq!(SCHEMAS.name(&acme).quoted(), r#""tenant_acme-eu""#);
//! assert_eq!(EVENTS.name(&acme).as_str(), "documents.acme-eu");
//!
//! // The way back, for what reads a catalog.
//! assert_eq!(SCHEMAS.tenant("tenant_acme-eu"), Some(acme));
//! assert_eq!(SCHEMAS.tenant("public"), None);
//! # Ok::<(), tenantkit_core::InvalidTenantId>(())
//! ```
//!
//! A prefix that could make a name too long, so that the target cuts it and two tenants share one,
//! does not compile:
//!
//! ```compile_fail,E0080
//! # use tenantkit_core::NameScheme;
//! const TOO_LONG: NameScheme = NameScheme::postgres("a_prefix_of_sixteen_");
//! ```

use std::fmt;

use crate::TenantId;

/// The longest identifier in Postgres (`NAMEDATALEN` less one), in bytes. A longer one is cut, without
/// an error.
const POSTGRES_MAX: usize = 63;
/// The longest topic in Kafka, in bytes.
const TOPIC_MAX: usize = 249;

/// How a tenant's schema, database, role or topic is called: a prefix and the id.
///
/// One scheme never gives two tenants one name, and never a name that its target would cut, fold or
/// take for its own. Two schemes for things of one kind are kept apart by prefixes of which neither
/// starts with the other; for topics, also when `.` is read as `_`, because brokers refuse a topic whose
/// name differs from another's in that alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NameScheme {
    prefix: &'static str,
    target: Target,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Postgres,
    Topic,
}

/// A name that one scheme made for one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TenantName {
    quoted: String,
    /// The bytes of quotes at each end.
    quotes: usize,
}

impl NameScheme {
    /// Names of schemas, databases and roles in Postgres. Use it in a `const`, and a bad prefix does
    /// not compile.
    ///
    /// # Panics
    ///
    /// When the prefix is not `^([a-z_][a-z0-9_]{0,13})?_$`, or is one that Postgres keeps for itself:
    /// `information_`, or what starts with `pg_`. It ends with `_` so that no id completes it to
    /// `pg_monitor`, `public`, `postgres` or `template1`.
    #[must_use]
    pub const fn postgres(prefix: &'static str) -> Self {
        let bytes = prefix.as_bytes();
        assert!(
            !bytes.is_empty(),
            "without a prefix a tenant could be called as something else is"
        );
        assert!(
            bytes.len() + TenantId::MAX_LEN <= POSTGRES_MAX,
            "the prefix has more than 15 bytes: Postgres would cut the longest names"
        );
        assert!(
            matches!(bytes, [.., b'_']),
            "the prefix does not end with _: with an id behind it, it could be a name of Postgres' own"
        );
        assert!(!matches!(bytes, [b'p', b'g', b'_', ..]), "Postgres keeps pg_ for itself");
        assert!(!matches!(bytes, b"information_"), "Postgres has information_schema");
        assert!(!bytes[0].is_ascii_digit(), "the prefix starts with a digit");
        let mut at = 0;
        while at < bytes.len() {
            assert!(
                matches!(bytes[at], b'a'..=b'z' | b'0'..=b'9' | b'_'),
                "the prefix has something else than a-z, 0-9 and _"
            );
            at += 1;
        }
        Self { prefix, target: Target::Postgres }
    }

    /// Names of topics in Kafka. Use it in a `const`, and a bad prefix does not compile.
    ///
    /// # Panics
    ///
    /// When the prefix is not `^[a-zA-Z0-9._-]{1,201}$`, or starts with `__`, which brokers keep for
    /// themselves.
    #[must_use]
    pub const fn topic(prefix: &'static str) -> Self {
        let bytes = prefix.as_bytes();
        assert!(
            !bytes.is_empty(),
            "without a prefix a tenant could be called as something else is"
        );
        assert!(
            bytes.len() + TenantId::MAX_LEN <= TOPIC_MAX,
            "the prefix has more than 201 bytes: the longest names would be refused"
        );
        assert!(!matches!(bytes, [b'_', b'_', ..]), "brokers keep __ for themselves");
        let mut at = 0;
        while at < bytes.len() {
            assert!(
                matches!(bytes[at], b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'_' | b'-'),
                "the prefix has something else than a-z, A-Z, 0-9, '.', '_' and '-'"
            );
            at += 1;
        }
        Self { prefix, target: Target::Topic }
    }

    /// The name for one tenant.
    #[must_use]
    pub fn name(&self, tenant: &TenantId) -> TenantName {
        let prefix = self.prefix;
        match self.target {
            // Neither part has a quote in it.
            Target::Postgres => TenantName { quoted: format!("\"{prefix}{tenant}\""), quotes: 1 },
            Target::Topic => TenantName { quoted: format!("{prefix}{tenant}"), quotes: 0 },
        }
    }

    /// Whose name it is, if this scheme made it.
    #[must_use]
    pub fn tenant(&self, name: &str) -> Option<TenantId> {
        name.strip_prefix(self.prefix)?.parse().ok()
    }
}

impl TenantName {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.quoted[self.quotes..self.quoted.len() - self.quotes]
    }

    /// The name as it stands in the target's own language: in SQL, a quoted identifier.
    #[must_use]
    pub fn quoted(&self) -> &str {
        &self.quoted
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
