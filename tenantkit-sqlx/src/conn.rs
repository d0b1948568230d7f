//! [`TenantConn`]: what repository functions take.

use std::fmt;

use tenantkit_core::TenantContext;

use crate::{Error, Savepoint, executor::executor, session::Session};

/// A bound transaction, or a savepoint in one: what a repository function takes, and so works in
/// both. `&mut TenantConn` is an [`sqlx::Executor`]; there is no way from it to the connection.
///
/// ```no_run
/// use tenantkit_sqlx::TenantConn;
///
/// async fn titles(conn: &mut TenantConn) -> sqlx::Result<Vec<String>> {
///     sqlx::query_scalar("SELECT title FROM documents ORDER BY id").fetch_all(conn).await
/// }
/// ```
///
/// The tenant, what is known of the transaction and its connection live together in it: swapping two
/// of them swaps everything.
pub struct TenantConn {
    session: Session,
    context: TenantContext,
}

impl TenantConn {
    pub(crate) const fn new(session: Session, context: TenantContext) -> Self {
        Self { session, context }
    }

    /// Who acts.
    #[must_use]
    pub const fn context(&self) -> &TenantContext {
        &self.context
    }

    /// Opens a savepoint: a part of the transaction that can be undone by itself.
    ///
    /// # Errors
    ///
    /// What Postgres answers; [`Error::Statement`] after a statement that was cancelled.
    ///
    /// # Cancellation
    ///
    /// As if it had never been called.
    pub async fn savepoint(&mut self) -> Result<Savepoint<'_>, Error> {
        Savepoint::open(self).await
    }

    pub(crate) const fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

executor!(TenantConn);

impl fmt::Debug for TenantConn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantConn").field("context", &self.context).finish_non_exhaustive()
    }
}
