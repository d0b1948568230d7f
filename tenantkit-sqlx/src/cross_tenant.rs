//! [`CrossTenantPool`]: work over many tenants, as a role of its own.

mod build;

use std::{fmt, future::ready, sync::Arc};

pub use build::CrossTenantPoolBuilder;
use sqlx::PgPool;
use tenantkit_core::{Authority, CrossTenant, Door};

use crate::{
    Error,
    begin::begin,
    bind::{Binding, Mode},
    lease::Home,
    share::Share,
    trail::Trail,
    work::work_transaction,
};

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
    /// But for `read_only`.
    mode: Mode,
}

impl CrossTenantPool {
    /// Connects as the role of `url`: at most two connections, each statement at most 300 s, and from
    /// Postgres 17 on each transaction at most an hour.
    ///
    /// # Errors
    ///
    /// [`Error::Unsafe`] when the role can do more than its policies say: it is a superuser, bypasses
    /// row-level security, or owns what it reads. [`Error::NothingOpen`] when no policy shows it the
    /// rows of all tenants. The rest as [`TenantPool::connect`](crate::TenantPool::connect).
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn connect(url: &str, authority: &Authority) -> Result<Self, Error> {
        Self::builder(authority).connect(url).await
    }

    /// Connects with options.
    pub fn builder(authority: &Authority) -> CrossTenantPoolBuilder {
        CrossTenantPoolBuilder::new(authority)
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
        let Inner { pool, home, authority, mode } = &*self.0;
        let mode = Mode { read_only, ..*mode };
        let trail = Trail::across_tenants(authority, work);
        let (share, patience) = (ready(Ok(Share::default())), pool.options().get_acquire_timeout());
        let session = begin(pool, home, share, patience, Binding::CrossTenant, mode, trail).await?;
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
