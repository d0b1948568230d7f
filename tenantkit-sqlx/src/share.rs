//! [`Share`]: what a transaction holds of the pool, besides its connection.

#[cfg(feature = "limit")]
use tenantkit_limit::concurrency::Permit;

/// What a transaction holds of the pool, besides its connection. Nothing, where a tenant may have all
/// of the pool, and for work that belongs to no tenant.
///
/// Whoever owns the connection owns its share.
#[derive(Debug, Default)]
pub(crate) struct Share {
    #[cfg(feature = "limit")]
    transaction: Option<Permit>,
    #[cfg(feature = "limit")]
    _connection: Option<Permit>,
}

impl Share {
    #[cfg(feature = "limit")]
    pub(crate) const fn new(transaction: Permit, connection: Permit) -> Self {
        Self { transaction: Some(transaction), _connection: Some(connection) }
    }

    /// The caller is done, and may begin the next transaction. The connection is not back yet.
    pub(crate) fn end_transaction(&mut self) {
        #[cfg(feature = "limit")]
        drop(self.transaction.take());
    }
}
