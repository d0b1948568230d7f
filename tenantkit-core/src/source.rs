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
