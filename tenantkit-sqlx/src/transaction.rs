//! [`TenantTx`]: a transaction that belongs to a tenant.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use crate::{Error, TenantConn, executor::executor, session::Session};

/// A transaction that belongs to a tenant. It comes from [`TenantPool::begin`].
///
/// [`TenantPool::begin`]: crate::TenantPool::begin
///
/// ```no_run
/// # use tenantkit_sqlx::{Error, TenantPool};
/// # use tenantkit_core::TenantContext;
/// async fn rename(pool: &TenantPool, tenant: &TenantContext) -> Result<(), Error> {
///     let mut tx = pool.begin(tenant).await?;
///     sqlx::query("UPDATE documents SET title = $1 WHERE id = $2")
///         .bind("Plan")
///         .bind(7_i64)
///         .execute(&mut tx)
///         .await?;
///     tx.commit().await
/// }
/// ```
///
/// # Cancellation
///
/// Dropped between two statements, it is rolled back in the background, and its connection is kept.
/// Dropped while a statement is under way, its connection is closed. Either way the next borrower
/// finds nothing of it.
#[must_use = "what is not committed is rolled back"]
pub struct TenantTx {
    conn: TenantConn,
}

impl TenantTx {
    pub(crate) const fn new(conn: TenantConn) -> Self {
        Self { conn }
    }

    /// Commits, if the transaction is still bound to its tenant and not aborted.
    ///
    /// One round trip does this and cleans the session. The context may have expired since
    /// [`begin`](crate::TenantPool::begin), which was the door.
    ///
    /// # Errors
    ///
    /// [`Error::CommitAborted`], [`Error::BindingLost`] (which is audited) and [`Error::Statement`]
    /// (after a statement that was cancelled): nothing was saved. [`Error::CommitUnknown`]: nobody knows. Else what
    /// Postgres has against it, a deferred constraint for one; then nothing was saved.
    ///
    /// # Cancellation
    ///
    /// It is saved or not, and nobody knows which. The connection is closed.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.conn.session_mut().commit().await
    }

    /// Rolls back. Dropping does the same in the background.
    ///
    /// # Errors
    ///
    /// When the connection is lost, which rolls back as well.
    ///
    /// # Cancellation
    ///
    /// It is rolled back all the same.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.conn.session_mut().rollback().await
    }

    const fn session_mut(&mut self) -> &mut Session {
        self.conn.session_mut()
    }
}

executor!(TenantTx);

impl Deref for TenantTx {
    type Target = TenantConn;

    fn deref(&self) -> &TenantConn {
        &self.conn
    }
}

impl DerefMut for TenantTx {
    fn deref_mut(&mut self) -> &mut TenantConn {
        &mut self.conn
    }
}

impl fmt::Debug for TenantTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantTx").field("context", self.conn.context()).finish_non_exhaustive()
    }
}
