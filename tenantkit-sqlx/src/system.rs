//! [`SystemTx`]: a transaction in which no policy shows a tenant's rows.

use tenantkit_core::SystemWork;

use crate::work::work_transaction;

work_transaction! {
    /// A transaction of the service itself: a health check, a look into a table that has no tenants. No
    /// policy shows it a tenant's rows. It comes from
    /// [`TenantPool::begin_system`](crate::TenantPool::begin_system), and is no
    /// [`TenantConn`](crate::TenantConn): what is written for a tenant does not take it.
    ///
    /// # Cancellation
    ///
    /// As of a [`TenantTx`](crate::TenantTx).
    SystemTx of SystemWork
}
