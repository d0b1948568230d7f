//! [`TenantPoolBuilder`]: what a pool is made of.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tenantkit_core::{Authority, Tier};

use super::{Inner, TenantPool, Timeouts};
use crate::{
    Error,
    begin::{bounded_when_idle, connect, knows_transaction_timeout, options_of},
    catalog::{self, Auditor},
    lease::Home,
};

/// How long a statement may take where nothing else was said.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a transaction may do nothing where nothing else was said.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a transaction may take where nothing else was said.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(600);
/// How long to wait for a connection where nothing else was said.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a [`TenantPool`] is made of.
#[derive(Debug, Clone)]
#[must_use = "a builder builds nothing until `connect`"]
pub struct TenantPoolBuilder {
    authority: Authority,
    options: PgPoolOptions,
    timeouts: Timeouts,
    auditor: Auditor,
    pgbouncer: bool,
}

impl TenantPoolBuilder {
    pub(super) fn new(authority: &Authority) -> Self {
        Self {
            authority: authority.clone(),
            options: PgPoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT),
            timeouts: Timeouts {
                otherwise: Some(STATEMENT_TIMEOUT),
                by_tier: Vec::new(),
                idle: IDLE_TIMEOUT,
                transaction: Some(TRANSACTION_TIMEOUT),
            },
            auditor: Auditor::new(),
            pgbouncer: false,
        }
    }

    /// Changes how many connections there are, how long to wait for one (5 s), and what else sqlx has
    /// to say about a pool: `.options(|options| options.max_connections(16))`. `test_before_acquire` is
    /// off whatever is said here: `begin` finds out by itself, without a round trip.
    ///
    /// Settings that `after_connect` makes do not last: the session is reset after each transaction.
    /// Give them to [`PgConnectOptions::options`] instead.
    pub fn options(mut self, change: impl FnOnce(PgPoolOptions) -> PgPoolOptions) -> Self {
        self.options = change(self.options);
        self
    }

    /// How long one statement may take; 30 s otherwise. It also bounds for how long Postgres goes on
    /// with a statement whose future was dropped.
    pub const fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.otherwise = Some(timeout);
        self
    }

    /// The same for tenants of one tier, which has to be one of the authority's: `connect` refuses
    /// another ([`Error::ForeignTier`]).
    pub fn statement_timeout_of(mut self, tier: Tier, timeout: Duration) -> Self {
        self.timeouts.by_tier.retain(|(of, _)| *of != tier);
        self.timeouts.by_tier.push((tier, timeout));
        self
    }

    /// How long a transaction may stand between two statements; 60 s otherwise. Postgres then ends it
    /// and its connection ([`Error::TimedOut`]), so that a caller who stops reading holds neither for
    /// ever.
    pub const fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.idle = timeout;
        self
    }

    /// How long a transaction may take in all, from Postgres 17 on; 600 s otherwise. It is ended in the
    /// same way, also where each of its statements is short. Older servers do not know such a thing.
    pub const fn transaction_timeout(mut self, timeout: Duration) -> Self {
        self.timeouts.transaction = Some(timeout);
        self
    }

    /// What is looked at before the pool is given out: which schemas, which tables without tenants.
    pub fn audit(mut self, auditor: Auditor) -> Self {
        self.auditor = auditor;
        self
    }

    /// Connects to a PgBouncer in transaction mode: no statement stays prepared.
    pub const fn behind_pgbouncer(mut self) -> Self {
        self.pgbouncer = true;
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// As [`TenantPool::connect`].
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn connect(self, url: &str) -> Result<TenantPool, Error> {
        self.connect_with(options_of(url)?).await
    }

    /// Connects with options that a URL does not have.
    ///
    /// # Errors
    ///
    /// As [`TenantPool::connect`].
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn connect_with(mut self, options: PgConnectOptions) -> Result<TenantPool, Error> {
        let tiers = self.authority.tiers();
        if let Some(&(tier, _)) = self.timeouts.by_tier.iter().find(|it| !tiers.contains(it.0)) {
            return Err(Error::ForeignTier(tier));
        }
        let options = if self.pgbouncer {
            options.statement_cache_capacity(0)
        } else {
            bounded_when_idle(options, self.timeouts.idle)
        };
        let pool = connect(self.options, options).await?;
        let report = self.auditor.of_one_tenant().run(&pool).await?.into_result()?;
        catalog::tell(&report, &self.authority).await?;
        if !knows_transaction_timeout(&pool).await? {
            self.timeouts.transaction = None;
        }
        Ok(TenantPool(Arc::new(Inner {
            pool,
            home: Arc::new(Home::new(self.pgbouncer)),
            authority: self.authority,
            timeouts: self.timeouts,
            report,
        })))
    }
}
