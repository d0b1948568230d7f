//! [`TenantPool`]: the door to Postgres.

mod build;
mod waits;

use std::{
    fmt,
    future::ready,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

pub use build::TenantPoolBuilder;
use futures_core::future::BoxFuture;
use sqlx::PgPool;
#[cfg(feature = "limit")]
use tenantkit_core::TenantId;
use tenantkit_core::{Authority, Door, SystemWork, TenantContext, Tier};
pub use waits::PoolStats;
pub(crate) use waits::Waits;

#[cfg(feature = "limit")]
use crate::connections::Caps;
use crate::{
    AsTenant, Error, Report, SystemTx, TenantConn, TenantTx,
    begin::begin,
    bind::{Binding, Mode},
    lease::Home,
    share::Share,
    span::Span,
    trail::Trail,
};

/// A pool of connections on which every transaction belongs to a tenant. A clone is a handle to the
/// same pool.
///
/// ```no_run
/// # use tenantkit_core::{Authority, TenantContext};
/// # use tenantkit_sqlx::{Error, TenantPool};
/// # async fn example(authority: &Authority, tenant: &TenantContext) -> Result<(), Error> {
/// let pool = TenantPool::connect("postgres://acmedocs_app@localhost/acmedocs", authority).await?;
///
/// let mut tx = pool.begin(tenant).await?;
/// // There is no `WHERE tenant_id = ...`: Postgres sees to it.
/// let titles: Vec<String> =
///     sqlx::query_scalar("SELECT title FROM documents ORDER BY id").fetch_all(&mut tx).await?;
/// tx.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// Row-level security stops mistakes: the query that forgot its `WHERE`. It does not stop somebody
/// who can make the service run SQL of their own, who can set `app.tenant_id` as well as we can;
/// [`rls::HARDENING`](crate::rls::HARDENING) takes one way to do that away.
#[derive(Clone)]
pub struct TenantPool(Arc<Inner>);

struct Inner {
    pool: PgPool,
    home: Arc<Home>,
    authority: Authority,
    timeouts: Timeouts,
    report: Report,
    #[cfg(feature = "limit")]
    caps: Option<Caps>,
}

/// How long a statement and a transaction may take.
#[derive(Debug, Clone)]
struct Timeouts {
    otherwise: Option<Duration>,
    by_tier: Vec<(Tier, Duration)>,
    /// Between two statements.
    idle: Duration,
    /// `None` where the server does not know it.
    transaction: Option<Duration>,
}

impl TenantPool {
    /// Connects as the role of `url`, and looks whether row-level security binds it.
    ///
    /// # Errors
    ///
    /// [`Error::Unsafe`] with the SQL that mends it, when the role bypasses row-level security or a
    /// table that it can reach is not protected. [`Error::Url`], [`Error::LoginRefused`] and
    /// [`Error::NoDatabase`] say what is wrong with `url`. [`Error::Unavailable`] when there is no
    /// Postgres, for as long as a pool waits for a connection.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn connect(url: &str, authority: &Authority) -> Result<Self, Error> {
        Self::builder(authority).connect(url).await
    }

    /// Connects with options.
    pub fn builder(authority: &Authority) -> TenantPoolBuilder {
        TenantPoolBuilder::new(authority)
    }

    /// What the [auditor](crate::catalog) found when this pool connected: no refusal, but maybe
    /// advice, and what was accepted.
    ///
    /// ```no_run
    /// # fn example(pool: &tenantkit_sqlx::TenantPool) {
    /// for finding in pool.report().advice() {
    ///     eprintln!("{finding}\n    {}", finding.remedy());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.0.report
    }

    /// Begins a transaction of this tenant, in one round trip.
    ///
    /// A connection that turns out to be dead is replaced: nothing was done on it yet.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when the door refuses the context ([`Authority::check`]),
    /// [`Error::Unavailable`] when Postgres cannot be reached or no connection became free in time. While
    /// it is known that Postgres cannot be reached, nobody waits; when it can be again, that is found out
    /// within a second. Of a host that answers nothing at all, it is known after two seconds and a
    /// fraction, or after the pool's patience for a connection where that is shorter.
    ///
    /// # Cancellation
    ///
    /// Nothing is left behind.
    #[expect(clippy::needless_pass_by_value, reason = "what is taken is a reference")]
    pub fn begin(&self, tenant: impl AsTenant) -> Begin<'_> {
        self.begin_as(tenant.as_tenant().clone(), false)
    }

    /// Begins a transaction of this tenant in which nothing can be written.
    ///
    /// # Errors
    ///
    /// As [`TenantPool::begin`].
    ///
    /// # Cancellation
    ///
    /// As [`TenantPool::begin`].
    #[expect(clippy::needless_pass_by_value, reason = "what is taken is a reference")]
    pub fn begin_read_only(&self, tenant: impl AsTenant) -> Begin<'_> {
        self.begin_as(tenant.as_tenant().clone(), true)
    }

    /// Begins a transaction of the service itself, in which no policy shows a tenant's rows.
    ///
    /// # Errors
    ///
    /// [`Error::Refused`] when `work` was not granted by this pool's authority, has expired, or a
    /// tenant's scope is active; else as [`TenantPool::begin`].
    ///
    /// # Cancellation
    ///
    /// As [`TenantPool::begin`].
    pub async fn begin_system(&self, work: &SystemWork) -> Result<SystemTx, Error> {
        work.check(&self.0.authority, Door::Transaction)?;
        let Inner { pool, home, authority, timeouts, .. } = &*self.0;
        let mode = timeouts.mode(false, timeouts.otherwise);
        let trail = Trail::of_system(authority, work);
        let (share, patience) = (ready(Ok(Share::default())), pool.options().get_acquire_timeout());
        let session = begin(pool, home, share, patience, Binding::System, mode, trail).await?;
        Ok(SystemTx::new(session, work.clone()))
    }

    /// Closes all connections, and waits for those that are lent.
    pub async fn close(&self) {
        self.0.pool.close().await;
    }

    /// How many connections are open.
    #[must_use]
    pub fn size(&self) -> u32 {
        self.0.pool.size()
    }

    /// How many connections are open and lent to nobody.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.0.pool.num_idle()
    }

    /// How it stands, and how long was waited for its connections.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let (waits, waited) = self.0.home.waits().read();
        let most = self.0.pool.options().get_max_connections();
        PoolStats { open: self.size(), idle: self.idle(), most, waits, waited }
    }

    /// How many connections the tenant holds of this pool, also those that are on their way back. `None`
    /// where no cap was set, and so nobody counts.
    #[cfg(feature = "limit")]
    #[must_use]
    pub fn held_by(&self, tenant: &TenantId) -> Option<u32> {
        self.0.caps.as_ref().map(|caps| caps.held(tenant))
    }

    fn begin_as(&self, tenant: TenantContext, read_only: bool) -> Begin<'_> {
        let Inner { pool, home, authority, timeouts, .. } = &*self.0;
        Begin(Box::pin(async move {
            authority.check(&tenant, Door::Transaction)?;
            let mode = timeouts.mode(read_only, timeouts.of(tenant.tier()));
            let binding = Binding::Tenant(*tenant.tenant());
            let trail = Trail::of_tenant(&tenant);
            let (share, patience) = (self.0.share(&tenant), self.0.patience());
            let span = Span::new("BEGIN", Some(&tenant));
            let begun = begin(pool, home, share, patience, binding, mode, trail);
            let session = span.around(begun).await?;
            Ok(TenantTx::new(TenantConn::new(session, tenant)))
        }))
    }
}

/// A transaction that is about to begin. It comes from [`TenantPool::begin`], and has a name so that
/// the compiler complains once, and not at each `await`, about what is no tenant.
#[must_use = "a transaction begins when it is awaited"]
pub struct Begin<'a>(BoxFuture<'a, Result<TenantTx, Error>>);

impl Future for Begin<'_> {
    type Output = Result<TenantTx, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Begin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Begin").finish_non_exhaustive()
    }
}

impl fmt::Debug for TenantPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantPool").field("pool", &self.0.pool).finish_non_exhaustive()
    }
}

impl Inner {
    #[cfg(feature = "limit")]
    async fn share(&self, tenant: &TenantContext) -> Result<Share, Error> {
        match &self.caps {
            Some(caps) => caps.take(tenant).await,
            None => Ok(Share::default()),
        }
    }

    #[cfg(not(feature = "limit"))]
    fn share(&self, _: &TenantContext) -> impl Future<Output = Result<Share, Error>> {
        ready(Ok(Share::default()))
    }

    /// How long a tenant's transaction may take to begin.
    fn patience(&self) -> Duration {
        let patience = self.pool.options().get_acquire_timeout();
        #[cfg(feature = "limit")]
        let patience =
            patience.saturating_add(self.caps.as_ref().map_or(Duration::ZERO, Caps::wait));
        patience
    }
}

impl Timeouts {
    fn of(&self, tier: Tier) -> Option<Duration> {
        let found = self.by_tier.iter().find(|(of, _)| *of == tier).map(|(_, timeout)| *timeout);
        found.or(self.otherwise)
    }

    const fn mode(&self, read_only: bool, statement_timeout: Option<Duration>) -> Mode {
        Mode {
            read_only,
            statement_timeout,
            idle_timeout: self.idle,
            transaction_timeout: self.transaction,
        }
    }
}
