//! [`Session`]: one bound transaction on a leased connection, whoever's it is.

use std::sync::Arc;

use either::Either;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, TryFutureExt, TryStreamExt};
use sqlx::{
    Describe, Execute, Executor, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use crate::{
    Error, StatementRefused,
    bind::Binding,
    error::{Failure, failure, is_timed_out, sqlstate},
    lease::{Lease, Run, State},
    prepared::Prepared,
    span::{InSpan, Span},
    statement,
    trail::Trail,
    watch::{Watched, watch},
};

/// What the guard fails with when the binding is lost.
const DIVISION_BY_ZERO: &str = "22012";
const IN_FAILED_TRANSACTION: &str = "25P02";

/// A bound transaction.
///
/// Savepoints have numbers that are never used twice, so that a statement about one never means
/// another. One that is finished is not released until the next is opened: so there is always
/// something to roll back to when the future that finishes it is dropped half-way.
#[derive(Debug)]
pub(crate) struct Session {
    lease: Lease,
    binding: Binding,
    trail: Trail,
    /// How many savepoints there have been.
    savepoints: u64,
    /// The savepoints that are open, the innermost last.
    open: Vec<u64>,
    /// What tells this transaction from every other.
    identity: Arc<()>,
    /// A savepoint of another transaction was finished in this one.
    mixed_up: bool,
    /// The savepoint within which the last statement was sent; 0 for none.
    sent_within: u64,
    /// A savepoint that was dropped, to be rolled back to before anything else.
    undo: Option<u64>,
    /// The outermost savepoint that is finished and that Postgres still keeps.
    finished: Option<u64>,
}

/// A savepoint: its number, and the transaction that it is of.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    number: u64,
    of: Arc<()>,
}

impl Session {
    pub(crate) fn new(lease: Lease, binding: Binding, trail: Trail) -> Self {
        Self {
            lease,
            binding,
            trail,
            savepoints: 0,
            open: Vec::new(),
            identity: Arc::new(()),
            mixed_up: false,
            sent_within: 0,
            undo: None,
            finished: None,
        }
    }

    /// Verifies the binding, commits and cleans the session, in one round trip.
    pub(crate) async fn commit(&mut self) -> Result<(), Error> {
        // One that is open still was never finished: it was forgotten.
        if let Some(&forgotten) = self.open.first() {
            self.abandon_from(forgotten);
        }
        if let Err(error) = self.ready().await {
            // A savepoint that could not be undone, because there was none: its opening had failed.
            let aborted = sqlstate(&error).is_some() && failure(&error) == Failure::Statement;
            return Err(if aborted { Error::CommitAborted } else { error.into() });
        }
        let sql = format!("{}; COMMIT{}", self.binding.guard(), self.lease.home().reset());
        let span = Span::new("COMMIT", self.trail.tenant());
        let Run { completed, result } = span.around(self.lease.run(&sql)).await;
        let Err(error) = result else {
            self.lease.release();
            return Ok(());
        };
        if completed >= 2 {
            // It is saved. What failed is the cleaning, which the drop tries once more.
            return Ok(());
        }
        Err(match (failure(&error), completed) {
            (Failure::Statement, 0) => self.unguarded(error),
            (Failure::Statement, _) => error.into(),
            // It says so before the commit that it ended: nothing was saved.
            (Failure::Link, _) if is_timed_out(&error) => error.into(),
            (Failure::Link, _) => Error::CommitUnknown(error),
        })
    }

    /// Rolls back and cleans the session, in one round trip.
    pub(crate) async fn rollback(&mut self) -> Result<(), Error> {
        let span = Span::new("ROLLBACK", self.trail.tenant());
        Ok(span.around(self.lease.rollback()).await?)
    }

    /// Gets ready to open a savepoint. Nothing is sent that would have to be undone.
    pub(crate) async fn prepare_savepoint(&mut self) -> Result<Level, Error> {
        self.ready().await?;
        self.savepoints += 1;
        Ok(Level { number: self.savepoints, of: Arc::clone(&self.identity) })
    }

    /// Opens a savepoint. Once polled, it is on its way, and has to be finished or abandoned.
    pub(crate) async fn open(&mut self, level: &Level) -> Result<(), Error> {
        let mut sql = String::new();
        if let Some(finished) = self.finished.take() {
            sql = format!("RELEASE SAVEPOINT tenantkit_{finished}; ");
        }
        sql.push_str(&format!("SAVEPOINT tenantkit_{}", level.number));
        self.open.push(level.number);
        self.sent_within = level.number;
        Ok(self.lease.run(&sql).await.result?)
    }

    /// Keeps what was done since, if the binding is still what it was.
    pub(crate) async fn keep(&mut self, level: &Level) -> Result<(), Error> {
        self.owns(level);
        self.ready().await?;
        self.sent_within = self.innermost();
        let sql = self.binding.guard();
        match self.lease.run(&sql).await.result {
            Ok(()) => {
                self.finish(level.number);
                Ok(())
            }
            Err(error) => Err(self.unguarded(error)),
        }
    }

    /// Undoes what was done since, now.
    pub(crate) async fn undo(&mut self, level: &Level) -> Result<(), Error> {
        self.abandon(level);
        Ok(self.ready().await?)
    }

    /// Undoes what was done since, before the next statement.
    pub(crate) fn abandon(&mut self, level: &Level) {
        if self.owns(level) {
            self.abandon_from(level.number);
        }
    }

    /// Why the guard did not hold.
    fn unguarded(&self, error: sqlx::Error) -> Error {
        match sqlstate(&error) {
            Some(DIVISION_BY_ZERO) => {
                self.trail.lost();
                Error::BindingLost
            }
            Some(IN_FAILED_TRANSACTION) => Error::CommitAborted,
            _ => error.into(),
        }
    }

    fn innermost(&self) -> u64 {
        self.open.last().copied().unwrap_or(0)
    }

    fn abandon_from(&mut self, number: u64) {
        self.undo = Some(self.undo.map_or(number, |undo| undo.min(number)));
        self.finish(number);
    }

    fn finish(&mut self, number: u64) {
        self.open.retain(|open| *open < number);
        self.finished = Some(self.finished.map_or(number, |it| it.min(number)));
    }

    /// Whether the savepoint is of this transaction: it is not where two of them were swapped while
    /// one was open. Then neither means what it says any more, and neither goes on.
    fn owns(&mut self, level: &Level) -> bool {
        let owns = Arc::ptr_eq(&self.identity, &level.of);
        self.mixed_up |= !owns;
        owns
    }

    /// Puts the connection into a state in which the next statement means what it says.
    async fn ready(&mut self) -> Result<(), sqlx::Error> {
        if self.mixed_up {
            return Err(StatementRefused::MixedUp.into());
        }
        let state = self.lease.state();
        let unknown = state == State::Sent && self.undo.is_none_or(|undo| self.sent_within < undo);
        if unknown {
            return Err(StatementRefused::Interrupted.into());
        }
        if matches!(state, State::Sent | State::Answering) {
            self.lease.drain().await?;
        }
        if let Some(number) = self.undo {
            // Done twice it does the same, so it may be cancelled.
            self.sent_within = number;
            self.lease.run(&format!("ROLLBACK TO SAVEPOINT tenantkit_{number}")).await.result?;
            self.undo = None;
        }
        Ok(())
    }

    pub(crate) fn fetch_many<'e, 'q: 'e, E>(
        &'e mut self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let prepared = Prepared::of(query, self.lease.home().is_pgbouncer());
        let sql = prepared.as_ref().map_or("", Prepared::text);
        let span = Span::of(sql, self.trail.tenant());
        let opened = async move {
            let prepared = prepared?;
            self.ready().await?;
            self.sent_within = self.innermost();
            let (connection, health) = self.lease.parts();
            Ok(Watched::new(connection.fetch_many(prepared), health, &self.trail))
        };
        InSpan::new(opened.try_flatten_stream(), span).boxed()
    }

    /// The first row. The rest is waited for, because an error may follow it.
    pub(crate) async fn fetch_optional<'q, E>(
        &mut self,
        query: E,
    ) -> Result<Option<PgRow>, sqlx::Error>
    where
        E: 'q + Execute<'q, Postgres>,
    {
        let mut answer = self.fetch_many(query);
        let mut first = None;
        while let Some(step) = answer.try_next().await? {
            if let Either::Right(row) = step {
                first.get_or_insert(row);
            }
        }
        Ok(first)
    }

    pub(crate) async fn prepare(
        &mut self,
        sql: SqlStr,
        parameters: &[PgTypeInfo],
    ) -> Result<PgStatement, sqlx::Error> {
        statement::examine(sql.as_str())?;
        if self.lease.home().is_pgbouncer() {
            // It would stay on a session that is somebody else's after this transaction.
            return Err(StatementRefused::PreparedBehindPgBouncer.into());
        }
        self.ready().await?;
        self.sent_within = self.innermost();
        let (connection, health) = self.lease.parts();
        watch(connection.prepare_with(sql, parameters), health).await
    }

    pub(crate) async fn describe(
        &mut self,
        sql: SqlStr,
    ) -> Result<Describe<Postgres>, sqlx::Error> {
        statement::examine(sql.as_str())?;
        self.ready().await?;
        self.sent_within = self.innermost();
        let (connection, health) = self.lease.parts();
        watch(connection.describe(sql), health).await
    }
}
