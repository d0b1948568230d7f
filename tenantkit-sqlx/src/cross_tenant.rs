//! [`CrossTenantPool`]: work over many tenants, as a role of its own.

use std::{fmt, sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgPoolOptions};
use tenantkit_core::{Authority, CrossTenant, Door};

use crate::{
    Error,
    bind::{Binding, Mode},
    catalog::Auditor,
    lease::Home,
    pool::{begin, bounded_when_idle, knows_transaction_timeout},
    trail::Trail,
    work::work_transaction,
};

/// Work over many tenants is let to take longer.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(3600);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 2;

/// A pool for work over many tenants. It connects as a role of its own, to which policies show the
/// rows of all tenants ([`cross_tenant_role`](crate::rls::TenantTable::cross_tenant_role)); the role
/// that serves requests never has them.
///
/// ```no_run
/// # use tenantkit_core::{Authority, CrossTenant};
/// # use tenantkit_sqlx::{CrossTenantPool, Error};
/// # async fn example(authority: &Authority, search: &CrossTenant) -> Result<(), Error> {
/// let pool = CrossTenantPool::connect("postgres://acmedocs_support@localhost/acmedocs", authority)
///     .await?;
/// // Who, why and until when is in the audit log before the first row is read.
/// let mut tx = pool.begin(search).await?;
/// let count: i64 =
///     sqlx::query_scalar("SELECT count(*) FROM documents").fetch_one(&mut tx).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct CrossTenantPool(Arc<Inner>);

struct Inner {
    pool: PgPool,
    home: Arc<Home>,
    authority: Authority,
    transaction_timeout: Option<Duration>,
}

impl CrossTenantPool {
    /// Connects as the role of `url`: at most two connections, each statement at most 300 s, and from
    /// Postgres 17 on each transaction at most an hour.
    ///
    /// # Errors
    ///
    /// [`Error::Unsafe`] when the role can do more than its policies say: it is a superuser, bypasses
    /// row-level security, or owns what it reads. [`Error::Unavailable`] when there is no Postgres.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn connect(url: &str, authority: &Authority) -> Result<Self, Error> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(false)
            .connect_with(bounded_when_idle(url.parse()?, STATEMENT_TIMEOUT))
            .await?;
        Auditor::across_tenants().run(&pool).await?.into_result()?;
        let home = Arc::new(Home::new(false));
        let transaction_timeout =
            knows_transaction_timeout(&pool).await?.then_some(TRANSACTION_TIMEOUT);
        let authority = authority.clone();
        Ok(Self(Arc::new(Inner { pool, home, authority, transaction_timeout })))
    }

    /// Begins a transaction in which nothing can be written.
    ///
    /// That it begins is audited, durably, before: with actor, reason and expiry.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when `work` was not granted by this pool's authority, has expired, cannot
    /// be audited, or a tenant's scope is active; [`Error::Unavailable`] as
    /// [`TenantPool::begin`](crate::TenantPool::begin).
    ///
    /// # Cancellation
    ///
    /// Nothing is left behind but, maybe, the audit event.
    pub async fn begin(&self, work: &CrossTenant) -> Result<CrossTenantTx, Error> {
        self.begin_as(work, true).await
    }

    /// Begins a transaction that may write, where a grant and a policy let it.
    ///
    /// # Errors
    ///
    /// As [`CrossTenantPool::begin`].
    ///
    /// # Cancellation
    ///
    /// As [`CrossTenantPool::begin`].
    pub async fn begin_read_write(&self, work: &CrossTenant) -> Result<CrossTenantTx, Error> {
        self.begin_as(work, false).await
    }

    /// Closes all connections, and waits for those that are lent.
    pub async fn close(&self) {
        self.0.pool.close().await;
    }

    async fn begin_as(&self, work: &CrossTenant, read_only: bool) -> Result<CrossTenantTx, Error> {
        work.check(&self.0.authority, Door::Transaction)?;
        work.audit().await?;
        let mode = Mode {
            read_only,
            statement_timeout: Some(STATEMENT_TIMEOUT),
            idle_timeout: STATEMENT_TIMEOUT,
            transaction_timeout: self.0.transaction_timeout,
        };
        let Inner { pool, home, authority, .. } = &*self.0;
        let trail = Trail::across_tenants(authority, work);
        let session = begin(pool, home, Binding::CrossTenant, mode, trail).await?;
        Ok(CrossTenantTx::new(session, work.clone()))
    }
}

impl fmt::Debug for CrossTenantPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossTenantPool").field("pool", &self.0.pool).finish_non_exhaustive()
    }
}

work_transaction! {
    /// A transaction over many tenants. It comes from [`CrossTenantPool::begin`], and is no
    /// [`TenantConn`](crate::TenantConn): what is written for a tenant does not take it.
    ///
    /// # Cancellation
    ///
    /// As of a [`TenantTx`](crate::TenantTx).
    CrossTenantTx of CrossTenant
}
