//! [`Lease`]: a pool's connection, and what has to happen to it whoever drops it.
//!
//! Whatever polls the connection writes down first that a statement is under way, and only after the
//! answer that it is not. So a drop at any poll knows what it leaves behind:
//!
//! | dropped | the connection |
//! |---|---|
//! | clean, after commit or rollback | goes back to the pool |
//! | in a transaction, between statements | is rolled back and cleaned by a task of its own, which owns it until then |
//! | while a statement is under way, or after the link broke | is closed |
//!
//! Each way, the [`Share`] of the pool that was taken for it is given back when the pool has the
//! connection again, or its place: not when somebody begins to bring it back.
//!
//! Closing costs a new connection (milliseconds), rolling back a round trip: an early `?` must not
//! cost the former.

use std::{mem, sync::Arc, time::Duration};

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Postgres, pool::PoolConnection};
use tokio::{runtime::Handle, time::timeout};

use crate::{
    bind,
    error::{Failure, failure, is_spoiled},
    outage::Outage,
    pool::Waits,
    share::Share,
};

/// How long a background rollback may take before the connection is closed instead, and how long
/// bringing it back and closing it may.
const PATIENCE: Duration = Duration::from_secs(5);

/// What all connections of a pool have in common.
#[derive(Debug)]
pub(crate) struct Home {
    /// Where a connection is cleaned that is dropped outside any runtime.
    runtime: Handle,
    pgbouncer: bool,
    rollback: Arc<str>,
    outage: Arc<Outage>,
    waits: Waits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing is to be undone.
    Clean,
    /// In a transaction, and the last statement was answered.
    Idle,
    /// A statement was sent, and nothing of its answer was seen. Whether it runs is not known.
    Sent,
    /// Rows are arriving: it runs, to its end or an error.
    Answering,
    /// The link is of no more use.
    Broken,
}

/// What is known of a connection while something polls it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Health {
    pub(crate) state: State,
    /// What sqlx believes of the session is wrong: it is closed after this transaction.
    spoiled: bool,
}

#[derive(Debug)]
pub(crate) struct Lease {
    /// Empty only once it was dropped.
    connection: Option<PoolConnection<Postgres>>,
    share: Share,
    health: Health,
    home: Arc<Home>,
}

/// How far a message of several statements came.
pub(crate) struct Run {
    /// Statements that were answered without an error.
    pub(crate) completed: usize,
    pub(crate) result: Result<(), sqlx::Error>,
}

impl Home {
    pub(crate) fn new(pgbouncer: bool) -> Self {
        let mut rollback = String::from("ROLLBACK");
        rollback.push_str(bind::RESET);
        rollback.push_str(if pgbouncer {
            bind::RESET_BEHIND_PGBOUNCER
        } else {
            bind::REFUSE_PREPARED
        });
        Self {
            runtime: Handle::current(),
            pgbouncer,
            rollback: rollback.into(),
            outage: Arc::default(),
            waits: Waits::default(),
        }
    }

    /// Whether the session is lent by PgBouncer for a transaction at a time.
    pub(crate) const fn is_pgbouncer(&self) -> bool {
        self.pgbouncer
    }

    /// What follows `ROLLBACK`, and `COMMIT` as well.
    pub(crate) fn reset(&self) -> &str {
        &self.rollback["ROLLBACK".len()..]
    }

    /// Whether there is a server.
    pub(crate) const fn outage(&self) -> &Arc<Outage> {
        &self.outage
    }

    /// How long was waited for connections.
    pub(crate) const fn waits(&self) -> &Waits {
        &self.waits
    }

    fn handle(&self) -> Handle {
        Handle::try_current().unwrap_or_else(|_| self.runtime.clone())
    }
}

impl Lease {
    /// Takes a connection on which a `BEGIN` is about to be sent.
    pub(crate) const fn new(
        connection: PoolConnection<Postgres>,
        share: Share,
        home: Arc<Home>,
    ) -> Self {
        let health = Health { state: State::Clean, spoiled: false };
        Self { connection: Some(connection), share, health, home }
    }

    /// Closes a connection that is dead. Its share is for the next.
    pub(crate) async fn replace(mut self) -> Share {
        let share = mem::take(&mut self.share);
        if let Some(connection) = self.connection.take() {
            let _ = timeout(PATIENCE, connection.close()).await;
        }
        share
    }

    pub(crate) const fn state(&self) -> State {
        self.health.state
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// The connection, and the state to keep while it is polled.
    pub(crate) fn parts(&mut self) -> (&mut PgConnection, &mut Health) {
        let Some(connection) = &mut self.connection else {
            unreachable!("emptied only by the drop");
        };
        (connection, &mut self.health)
    }

    /// Sends a message of several statements, in the simple protocol.
    pub(crate) async fn run(&mut self, sql: &str) -> Run {
        let (connection, health) = self.parts();
        health.state = State::Sent;
        let run = simple(connection, sql).await;
        health.settle(&run.result);
        run
    }

    /// Waits out what a dropped future or stream has left unanswered.
    pub(crate) async fn drain(&mut self) -> Result<(), sqlx::Error> {
        let (connection, health) = self.parts();
        // Each error of a statement that nobody waits for ends one wait.
        for _ in 0..8 {
            match connection.ping().await {
                Ok(()) => {
                    health.state = State::Idle;
                    return Ok(());
                }
                Err(error) if failure(&error) == Failure::Statement => {
                    health.spoiled |= is_spoiled(&error);
                }
                Err(error) => {
                    health.state = State::Broken;
                    return Err(error);
                }
            }
        }
        health.state = State::Broken;
        Err(sqlx::Error::Protocol("the connection does not become ready".to_owned()))
    }

    /// Rolls back and cleans the session.
    pub(crate) async fn rollback(&mut self) -> Result<(), sqlx::Error> {
        if matches!(self.health.state, State::Sent | State::Answering) {
            self.drain().await?;
        }
        let sql = Arc::clone(&self.home.rollback);
        let Run { completed, result } = self.run(&sql).await;
        self.health.state = if result.is_ok() { State::Clean } else { State::Broken };
        // It is rolled back; what failed is the cleaning.
        if completed >= 1 { Ok(()) } else { result }
    }

    /// The transaction is over and the session is clean.
    pub(crate) const fn release(&mut self) {
        self.health.state = State::Clean;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let runtime = self.home.handle();
        // There may be no runtime to spawn a task on. On one that is shutting down the task is dropped
        // unpolled, which closes the connection.
        let _entered = runtime.enter();
        let mut share = mem::take(&mut self.share);
        share.end_transaction();
        let state = if self.health.spoiled { State::Broken } else { self.health.state };
        match state {
            State::Clean => {
                runtime.spawn(give_back(connection.return_to_pool(), share));
            }
            State::Idle => {
                let home = Arc::clone(&self.home);
                let health = Health { state: State::Sent, spoiled: false };
                let lease = Self { connection: Some(connection), share, health, home };
                runtime.spawn(lease.reclaim());
            }
            State::Sent | State::Answering | State::Broken => {
                // Where it is dropped unpolled.
                connection.close_on_drop();
                runtime.spawn(close(connection, share));
            }
        }
    }
}

impl Lease {
    /// Owns the connection until it is clean. Whatever drops this half-way closes it, because the
    /// state says that a statement is under way.
    async fn reclaim(mut self) {
        let rollback = Arc::clone(&self.home.rollback);
        let (connection, health) = self.parts();
        let cleaned = timeout(PATIENCE, simple(connection, &rollback)).await;
        if matches!(cleaned, Ok(Run { result: Ok(()), .. })) {
            health.state = State::Clean;
        }
    }
}

/// Waits until the pool has the connection. This is what the drop of a `PoolConnection` does, but it
/// tells when that is done, and does not wait for ever for a link that is silent.
async fn give_back(returned: impl Future<Output = ()>, _share: Share) {
    let _ = timeout(PATIENCE, returned).await;
}

async fn close(connection: PoolConnection<Postgres>, _share: Share) {
    let _ = timeout(PATIENCE, connection.close()).await;
}

async fn simple(connection: &mut PgConnection, sql: &str) -> Run {
    let mut answers = sqlx::raw_sql(AssertSqlSafe(sql)).execute_many(connection);
    let mut completed = 0;
    loop {
        match answers.try_next().await {
            Ok(Some(_)) => completed += 1,
            Ok(None) => return Run { completed, result: Ok(()) },
            Err(error) => return Run { completed, result: Err(error) },
        }
    }
}

impl Health {
    /// What an answered statement leaves behind.
    pub(crate) fn settle<T>(&mut self, result: &Result<T, sqlx::Error>) {
        self.state = match result {
            Ok(_) => State::Idle,
            Err(error) => {
                self.spoiled |= is_spoiled(error);
                match failure(error) {
                    Failure::Statement => State::Idle,
                    Failure::Link => State::Broken,
                }
            }
        };
    }
}
