//! [`CrossTenantPoolBuilder`]: what a pool for work over many tenants is made of.

use std::{sync::Arc, time::Duration};

use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tenantkit_core::Authority;

use super::{CrossTenantPool, Inner};
use crate::{
    Error,
    begin::{bounded_when_idle, connect, knows_transaction_timeout, options_of},
    bind::{self, Mode},
    catalog::{self, Auditor},
    lease::Home,
};

/// Work over many tenants is let to take longer.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(300);
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(3600);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECTIONS: u32 = 2;

/// What a [`CrossTenantPool`] is made of.
#[derive(Debug, Clone)]
#[must_use = "a builder builds nothing until `connect`"]
pub struct CrossTenantPoolBuilder {
    authority: Authority,
    options: PgPoolOptions,
    mode: Mode,
    auditor: Auditor,
}

impl CrossTenantPoolBuilder {
    pub(super) fn new(authority: &Authority) -> Self {
        Self {
            authority: authority.clone(),
            options: PgPoolOptions::new()
                .max_connections(CONNECTIONS)
                .acquire_timeout(ACQUIRE_TIMEOUT),
            mode: Mode {
                read_only: true,
                statement_timeout: Some(STATEMENT_TIMEOUT),
                idle_timeout: STATEMENT_TIMEOUT,
                transaction_timeout: Some(TRANSACTION_TIMEOUT),
            },
            auditor: Auditor::across_tenants(),
        }
    }

    /// Changes how many connections there are (2), how long to wait for one (5 s), and what else sqlx
    /// has to say about a pool, as
    /// [`TenantPoolBuilder::options`](crate::TenantPoolBuilder::options) does.
    pub fn options(mut self, change: impl FnOnce(PgPoolOptions) -> PgPoolOptions) -> Self {
        self.options = change(self.options);
        self
    }

    /// How long one statement may take; 300 s otherwise.
    pub const fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.mode.statement_timeout = Some(timeout);
        self
    }

    /// How long a transaction may stand between two statements; 300 s otherwise.
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.mode.idle_timeout = timeout;
        self
    }

    /// How long a transaction may take in all, from Postgres 17 on; an hour otherwise.
    pub const fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.mode.transaction_timeout = Some(timeout);
        self
    }

    /// What is looked at before the pool is given out: which schemas, which tables without tenants. It
    /// looks as [`Auditor::across_tenants`] does, whatever it was made as.
    pub fn audit(mut self, auditor: Auditor) -> Self {
        self.auditor = auditor;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// As [`CrossTenantPool::connect`].
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn connect(self, url: &str) -> Result<CrossTenantPool, Error> {
        self.connect_with(options_of(url)?).await
    }

    /// Connects with options that a URL does not have.
    ///
    /// # Errors
    ///
    /// As [`CrossTenantPool::connect`].
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn connect_with(self, options: PgConnectOptions) -> Result<CrossTenantPool, Error> {
        let Self { authority, options: pool, mut mode, auditor } = self;
        let pool = connect(pool, bounded_when_idle(options, mode.idle_timeout)).await?;
        let report = auditor.of_many_tenants().run(&pool).await?.into_result()?;
        catalog::tell(&report, &authority).await?;
        is_open(&pool).await?;
        if !knows_transaction_timeout(&pool).await? {
            mode.transaction_timeout = None;
        }
        let home = Arc::new(Home::new(false));
        Ok(CrossTenantPool(Arc::new(Inner { pool, home, authority, mode })))
    }
}

/// Whether a policy shows the role the rows of all tenants of at least one table. Without one, all work
/// over many tenants would find nothing, and nobody would know why.
const OPEN: &str = "
    SELECT session_user::text, EXISTS (
        SELECT FROM pg_catalog.pg_policy p
        WHERE p.polpermissive AND p.polcmd IN ('*', 'r')
            AND pg_catalog.strpos(pg_catalog.pg_get_expr(p.polqual, p.polrelid), $1) > 0
            AND pg_catalog.has_any_column_privilege(session_user, p.polrelid, 'SELECT')
            AND EXISTS (SELECT FROM pg_catalog.unnest(p.polroles) r
                WHERE r = 0 OR pg_catalog.pg_has_role(session_user, r, 'MEMBER')))";

async fn is_open(pool: &PgPool) -> Result<(), Error> {
    let (role, open): (String, bool) =
        sqlx::query_as(OPEN).bind(bind::CROSS_TENANT).persistent(false).fetch_one(pool).await?;
    if open { Ok(()) } else { Err(Error::NothingOpen { role }) }
}
