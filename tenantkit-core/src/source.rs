//! [`IdentitySource`]: what names the tenant of a request, and what it proves.

use std::{fmt, sync::Arc};

use crate::{Identity, Presented, Reason, TenantId, UnixTime};

/// Which source it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Source {
    /// The `txn-token` header, between services.
    TxnToken,
    /// The `authorization: Bearer` header, from the outside world.
    Bearer,
    /// The envelope of a record.
    Envelope,
    /// The plain `tenant_id` of a record of a topic that the consumer was told to believe.
    PlainRecord,
    /// The `x-tenant-id` header of a gateway that the operator vouches for.
    GatewayHeader,
    /// One of the application's own, by its name.
    Custom(&'static str),
    /// A capability that the authority granted, by its name.
    Grant(&'static str),
}

impl Source {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TxnToken => "txn-token",
            Self::Bearer => "bearer",
            Self::Envelope => "envelope",
            Self::PlainRecord => "plain-record",
            Self::GatewayHeader => "gateway-header",
            Self::Custom(name) | Self::Grant(name) => name,
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A set of the sources that one authority registered, by their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SourceSet(pub(crate) u32);

impl SourceSet {
    /// The most sources that one authority registers.
    pub const MAX: usize = 32;

    pub(crate) const EMPTY: Self = Self(0);

    pub(crate) const fn with(self, at: usize) -> Self {
        Self(self.0 | 1 << at)
    }

    pub(crate) const fn has(self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }

    /// How many there are.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Something that names the tenant of a request: a token, an API key, a host, a path.
///
/// It is called for every request at a listener that admits it, so it answers from memory.
///
/// API keys, for one. The identity stands for this request: a minute bounds what is done with it.
///
/// ```
/// use std::{collections::HashMap, fmt, sync::Arc, time::Duration};
/// use tenantkit_core::{
///     Claim, Identity, IdentitySource, Presented, Reason, Source, Subject, TenantId, Text, UnixTime,
/// };
///
/// /// The tenant of each key, by the key's SHA-256, so that a lookup tells nothing by its time.
/// struct ApiKeys(HashMap<[u8; 32], TenantId>);
///
/// impl ApiKeys {
///     const SOURCE: Source = Source::Custom("api-key");
/// }
///
/// impl IdentitySource for ApiKeys {
///     fn source(&self) -> Source {
///         Self::SOURCE
///     }
///
///     fn headers(&self) -> &[&'static str] {
///         &["x-api-key"]
///     }
///
///     fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason> {
///         let Some(key) = presented.header("x-api-key") else { return Ok(None) };
///         let tenant = *self.0.get(&sha256(key)).ok_or(Reason::BadCredential)?;
///         let issuer = Text::new("api-keys").map_err(|_| Reason::BadCredential)?;
///         let sub = Text::new(&tenant).map_err(|_| Reason::BadCredential)?;
///         let expires = now.saturating_add(Duration::from_secs(60));
///         let identity = Identity::new(tenant, Subject::new(issuer, sub), expires).issued(now);
///         Ok(Some(Claim::Establishes(Arc::new(identity))))
///     }
/// }
///
/// // Authority::builder(tiers).establish(keys, Asserts::Any), and
/// // TenantLayer::new(&authority).admit(ApiKeys::SOURCE)
/// # impl fmt::Debug for ApiKeys {
/// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str("ApiKeys") }
/// # }
/// # fn sha256(key: &str) -> [u8; 32] { [key.len() as u8; 32] }
/// # let keys = ApiKeys(HashMap::from([(sha256("key-of-acme"), "acme".parse().unwrap())]));
/// # use tenantkit_core::{Asserts, Authority, Inbound, MemoryDirectory, TenantRecord, TierSet};
/// # use tenantkit_core::test_util::MemorySink;
/// # let gold = TenantRecord::active(TierSet::METALS.get("gold").unwrap());
/// # let authority = Authority::builder(TierSet::METALS).establish(keys, Asserts::Any)
/// #     .directory(MemoryDirectory::new([("acme".parse().unwrap(), gold)]))
/// #     .audit(MemorySink::default()).build().unwrap();
/// # let listener = authority.listener().admit(ApiKeys::SOURCE);
/// # let mut headers = http::HeaderMap::new();
/// # headers.insert("x-api-key", "key-of-acme".parse().unwrap());
/// # assert_eq!(listener.identify(Inbound::new(&headers)).unwrap().tenant(), "acme");
/// # headers.insert("x-api-key", "another".parse().unwrap());
/// # let refusal = listener.identify(Inbound::new(&headers)).unwrap_err();
/// # assert_eq!(refusal.reason(), Reason::BadCredential);
/// ```
pub trait IdentitySource: fmt::Debug + Send + Sync + 'static {
    /// Which one it is.
    fn source(&self) -> Source;

    /// The headers that it reads, in lower case. A listener that does not admit the source refuses
    /// requests that have them.
    fn headers(&self) -> &[&'static str] {
        &[]
    }

    /// What it says of a request; `None` when it finds nothing that is meant for it.
    ///
    /// # Errors
    ///
    /// When something is there and does not hold. It is refused, and never skipped for another.
    fn claim(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Option<Claim>, Reason>;
}

/// What a source says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Claim {
    /// It carries a proof.
    Establishes(Arc<Identity>),
    /// It only names a tenant, which must be the proven one.
    Corroborates(TenantId),
}

/// Which tenants a source may assert. There is no default: it is said aloud.
#[derive(Clone)]
pub enum Asserts {
    /// Any tenant.
    Any,
    /// These.
    Only(Arc<[TenantId]>),
    /// Those for which it answers true.
    If(Arc<dyn Fn(&TenantId) -> bool + Send + Sync>),
}

impl Asserts {
    /// These tenants.
    #[must_use]
    pub fn only(tenants: impl IntoIterator<Item = TenantId>) -> Self {
        Self::Only(tenants.into_iter().collect())
    }

    /// The tenants for which `allows` answers true.
    #[must_use]
    pub fn when(allows: impl Fn(&TenantId) -> bool + Send + Sync + 'static) -> Self {
        Self::If(Arc::new(allows))
    }

    /// Whether `tenant` may be asserted.
    #[must_use]
    pub fn allows(&self, tenant: &TenantId) -> bool {
        match self {
            Self::Any => true,
            Self::Only(tenants) => tenants.contains(tenant),
            Self::If(allows) => allows(tenant),
        }
    }
}

impl fmt::Debug for Asserts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("Any"),
            Self::Only(tenants) => f.debug_tuple("Only").field(&tenants.len()).finish(),
            Self::If(_) => f.write_str("If"),
        }
    }
}
