//! [`TenantKey`]: the door of caches, single flights and batchers.

use std::fmt;

use crate::{Incarnation, TenantContext, TenantId};

/// A key that has the tenant and its incarnation in it, injectively: keys of two tenants, or of a
/// deleted tenant and its successor, are never equal, whatever `K` is. It comes from
/// [`TenantContext::key`].
///
/// As text (`Display`, for a store whose keys are strings) it is `<tenant>:<incarnation>:<key>`.
/// The first two have no `:`, so `a` with `b:c` and `a:b` with `c` cannot meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantKey<K> {
    tenant: TenantId,
    incarnation: Incarnation,
    key: K,
}

impl<K> TenantKey<K> {
    pub(crate) fn of(context: &TenantContext, key: K) -> Self {
        Self { tenant: *context.tenant(), incarnation: context.incarnation(), key }
    }

    /// The tenant that it belongs to.
    pub const fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The tenant's incarnation.
    pub const fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The part that the caller gave.
    pub const fn key(&self) -> &K {
        &self.key
    }
}

impl<K: fmt::Display> fmt::Display for TenantKey<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.tenant, self.incarnation, self.key)
    }
}
