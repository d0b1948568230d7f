//! [`SystemTx`]: a transaction in which no policy shows a tenant's rows.

use std::fmt;

use tenantkit_core::SystemWork;

use crate::{Error, executor::executor, session::Session};

/// A transaction of the service itself: a health check, a look into a table that has no tenants. No
/// policy shows it a tenant's rows. It comes from
/// [`TenantPool::begin_system`](crate::TenantPool::begin_system), and is no
/// [`TenantConn`](crate::TenantConn): what is written for a tenant does not take it.
///
/// # Cancellation
///
/// As of a [`TenantTx`](crate::TenantTx).
#[must_use = "what is not committed is rolled back"]
pub struct SystemTx {
    session: Session,
    work: SystemWork,
}

impl SystemTx {
    pub(crate) const fn new(session: Session, work: SystemWork) -> Self {
        Self { session, work }
    }

    /// What it is for.
    #[must_use]
    pub const fn work(&self) -> &SystemWork {
        &self.work
    }

    /// Commits, as [`TenantTx::commit`](crate::TenantTx::commit) does.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancellation
    ///
    /// As there.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.session.commit().await
    }

    /// Rolls back, as [`TenantTx::rollback`](crate::TenantTx::rollback) does.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancellation
    ///
    /// As there.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.session.rollback().await
    }

    const fn session_mut(&mut self) -> &mut Session {
        &mut self.session
    }
}

executor!(SystemTx);

impl fmt::Debug for SystemTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemTx").field("work", &self.work).finish_non_exhaustive()
    }
}
