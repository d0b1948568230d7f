//! [`TenantPoolBuilder`]: what a pool is made of.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tenantkit_core::{Authority, Tier};

use super::{Inner, TenantPool, Timeouts};
#[cfg(feature = "limit")]
use crate::connections::{Connections, Wanted};
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
    #[cfg(feature = "limit")]
    connections: Wanted,
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
            #[cfg(feature = "limit")]
            connections: Wanted::default(),
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

    /// How many connections one tenant may hold, so that its slow statements never take the pool. If
    /// nothing is said here, it may hold all of them; if only a tier was spoken of,
    /// [half](Connections::HALF).
    ///
    /// Who holds as many is refused the next transaction, at once
    /// ([`Reason::ConcurrencyExceeded`](tenantkit_core::Reason::ConcurrencyExceeded)) or after
    /// [`connections_wait`](Self::connections_wait). Who holds fewer waits where the pool is busy, as it
    /// would without a cap, but in turn with other tenants: who has none comes first. For these a tenth
    /// of the pool, rounded up, is kept (of a pool of one, nothing): so neither one tenant nor several
    /// with connections of their own have all of it, whatever their caps.
    ///
    /// A connection is the tenant's until the pool has it again: also while it is rolled back in the
    /// background, or closed. A transaction that was committed or dropped makes room for the next at
    /// once, which waits for the connection to be back.
    ///
    /// Transactions of the service itself ([`TenantPool::begin_system`]) are nobody's, and are not
    /// counted: they wait for no tenant's turn, only for a connection. A
    /// [`CrossTenantPool`](crate::CrossTenantPool) has connections of its own, and no caps.
    ///
    /// This bounds the connections of this pool. What Postgres goes on with after its caller has gone is
    /// bounded by the [statement timeout](Self::statement_timeout), and what other processes hold by
    /// their own caps.
    #[cfg(feature = "limit")]
    pub const fn connections_per_tenant(mut self, most: Connections) -> Self {
        self.connections.otherwise(most);
        self
    }

    /// The same for tenants of one tier, which has to be one of the authority's: `connect` refuses
    /// another ([`Error::ForeignTier`]).
    #[cfg(feature = "limit")]
    pub fn connections_per_tenant_of(mut self, tier: Tier, most: Connections) -> Self {
        self.connections.of_tier(tier, most);
        self
    }

    /// How long a tenant that holds as many connections as it may hold waits for one of them, in line
    /// with its other transactions; not at all otherwise. The pool's patience comes on top, if then the
    /// pool is busy. At most 64 of one tenant wait, and 4096 in all; who comes then is refused.
    #[cfg(feature = "limit")]
    pub const fn connections_wait(mut self, wait: Duration) -> Self {
        self.connections.wait(wait);
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
    /// As [`TenantPool::connect`]; [`Error::ForeignTier`], and with the feature `limit`
    /// `Error::ConnectionCap`, when what was said of tenants cannot be.
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
    /// As [`connect`](Self::connect).
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub async fn connect_with(mut self, options: PgConnectOptions) -> Result<TenantPool, Error> {
        let tiers = self.authority.tiers();
        if let Some(tier) = self.spoken_of().find(|tier| !tiers.contains(*tier)) {
            return Err(Error::ForeignTier(tier));
        }
        #[cfg(feature = "limit")]
        let caps = self.connections.of(self.options.get_max_connections())?;
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
            #[cfg(feature = "limit")]
            caps,
        })))
    }

    /// The tiers of which something was said.
    fn spoken_of(&self) -> impl Iterator<Item = Tier> {
        let timeouts = self.timeouts.by_tier.iter().map(|(tier, _)| *tier);
        #[cfg(feature = "limit")]
        let timeouts = timeouts.chain(self.connections.by_tier.iter().map(|(tier, _)| *tier));
        timeouts
    }
}
