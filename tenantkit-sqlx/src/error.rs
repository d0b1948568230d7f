//! [`Error`]: why there is no transaction, or why nothing was saved.

use std::time::Duration;

use sqlx::postgres::{PgDatabaseError, PgSeverity};
use tenantkit_core::{Door, Reason, Refusal, Tier};

use crate::{Report, StatementRefused};

/// What a caller is told to wait when the database is not reachable.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why there is no transaction, or why nothing was saved. What it displays never has a value of a
/// statement or of a row in it; its sources may.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The door refused the context, or the work that belongs to no single tenant.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The URL is not one of Postgres. It is not told what it is: there may be a password in it.
    #[error("the database's URL is not like postgres://user:password@host:port/database")]
    Url(#[source] sqlx::Error),
    /// Postgres does not let the role in.
    #[error("the database does not let this role in: look at its password, and at pg_hba.conf")]
    LoginRefused(#[source] sqlx::Error),
    /// There is no database of this name.
    #[error("the server has no database of this name")]
    NoDatabase(#[source] sqlx::Error),
    /// A timeout or a cap was set for a tier that the authority does not declare.
    #[error("a timeout or a cap is set for the tier {0}, which the authority does not declare")]
    ForeignTier(Tier),
    /// A cap on the connections of a tenant is none.
    #[cfg(feature = "limit")]
    #[error(
        "a tenant cannot be let to hold {cap}: the pool has {pool}, and it is 1 to {pool} of them, \
         or 1 to 100 %"
    )]
    ConnectionCap {
        /// The cap.
        cap: crate::Connections,
        /// How many connections the pool has at most.
        pool: u32,
    },
    /// There is a pool for work over many tenants, and no policy shows its role their rows.
    #[error(
        "no policy shows this role the rows of all tenants: \
         SELECT tenantkit.open_across('TABLE', '{role}'); as the owner, for each table"
    )]
    NothingOpen {
        /// Who logged in.
        role: String,
    },
    /// Postgres cannot be reached, or no connection of the pool became free in time.
    #[error("the database is not reachable")]
    Unavailable(#[source] sqlx::Error),
    /// Postgres ended the transaction, and its connection, because it stood still or took too long
    /// ([`idle_timeout`](crate::TenantPoolBuilder::idle_timeout),
    /// [`transaction_timeout`](crate::TenantPoolBuilder::transaction_timeout)). Nothing was saved.
    #[error("the transaction stood still or took too long, and nothing was saved")]
    TimedOut(#[source] sqlx::Error),
    /// A statement was refused before it was sent.
    #[error(transparent)]
    Statement(#[from] StatementRefused),
    /// A row of another tenant was to be written, and a policy forbade it.
    #[error("a row-level security policy forbids this row")]
    RowForbidden(#[source] sqlx::Error),
    /// An earlier statement failed, and so nothing was saved.
    #[error("the transaction was aborted by an earlier error, and nothing was saved")]
    CommitAborted,
    /// A statement changed whose transaction this is, or ended it. Nothing was saved of what came
    /// after; what a statement saved by itself is not undone.
    #[error("the transaction is no longer bound to its tenant, and was not committed")]
    BindingLost,
    /// The link broke while the commit was under way: it may have been saved, or not. It is answered
    /// with a reason of its own, [`OutcomeUnknown`](Reason::OutcomeUnknown), which does not say that
    /// nothing was done: who does the same again unasked may have the write twice. Whoever can tell (a key
    /// that is unique, an idempotency key in the same transaction) looks, and tries again.
    #[error("the connection was lost during the commit, which may have been saved or not")]
    CommitUnknown(#[source] sqlx::Error),
    /// The database is not set up so that row-level security binds this role.
    #[error("{0}")]
    Unsafe(Box<Report>),
    /// Everything else that sqlx or Postgres has to say.
    #[error("{}", describe(.0))]
    Sqlx(#[source] sqlx::Error),
}

impl Error {
    /// What a door of the service answers for it: nothing was done, but for
    /// [`CommitUnknown`](Self::CommitUnknown), of which nobody knows. `None` for what is a fault of the
    /// service.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Refused(refusal) => Some(*refusal),
            Self::Unavailable(_) | Self::TimedOut(_) => Some(
                Refusal::new(Reason::DependencyUnavailable, Door::Transaction)
                    .retry_after(RETRY_AFTER),
            ),
            Self::CommitUnknown(_) => Some(
                Refusal::new(Reason::OutcomeUnknown, Door::Transaction).retry_after(RETRY_AFTER),
            ),
            Self::RowForbidden(_) => Some(Refusal::new(Reason::RowForbidden, Door::Transaction)),
            _ => None,
        }
    }

    /// The SQLSTATE, where Postgres gave one.
    #[must_use]
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::LoginRefused(error)
            | Self::NoDatabase(error)
            | Self::Unavailable(error)
            | Self::TimedOut(error)
            | Self::RowForbidden(error)
            | Self::CommitUnknown(error)
            | Self::Sqlx(error) => postgres(error).map(PgDatabaseError::code),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        match error {
            Sqlx::Configuration(inner) => match inner.downcast::<StatementRefused>() {
                Ok(refused) => Self::Statement(*refused),
                Err(inner) => Self::Sqlx(Sqlx::Configuration(inner)),
            },
            Sqlx::Io(_) | Sqlx::Tls(_) | Sqlx::PoolTimedOut | Sqlx::PoolClosed => {
                Self::Unavailable(error)
            }
            Sqlx::Database(_) if is_dead(&error) => Self::Unavailable(error),
            Sqlx::Database(_) if is_timed_out(&error) => Self::TimedOut(error),
            Sqlx::Database(_) if is_forbidden_row(&error) => Self::RowForbidden(error),
            Sqlx::Database(_) => match sqlstate(&error) {
                Some("28000" | "28P01") => Self::LoginRefused(error),
                Some("3D000") => Self::NoDatabase(error),
                _ => Self::Sqlx(error),
            },
            other => Self::Sqlx(other),
        }
    }
}

/// What a failed statement leaves of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The statement failed, and the connection is as good as before.
    Statement,
    /// The connection is of no more use.
    Link,
}

pub(crate) fn failure(error: &sqlx::Error) -> Failure {
    match error {
        sqlx::Error::Database(_) => match postgres(error) {
            Some(error) if !is_fatal(error) => Failure::Statement,
            _ => Failure::Link,
        },
        // Before anything was sent.
        sqlx::Error::Encode(_) | sqlx::Error::Configuration(_) => Failure::Statement,
        _ => Failure::Link,
    }
}

/// Whether the server is not there, or is leaving: not by anybody's fault, and not for ever.
pub(crate) fn is_dead(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        sqlx::Error::Database(_) => postgres(error).is_some_and(is_outage),
        _ => false,
    }
}

/// Whether it shows that sqlx's prepared statements are not those of the session any more: one is
/// gone, stands twice, or gives other columns. It would fail for every borrower from now on.
pub(crate) fn is_spoiled(error: &sqlx::Error) -> bool {
    postgres(error).is_some_and(|error| {
        matches!(error.code(), "26000" | "42P05" | "0A000")
            || error.code() == "XX000" && error.message().starts_with("cache lookup failed")
    })
}

pub(crate) fn sqlstate(error: &sqlx::Error) -> Option<&str> {
    postgres(error).map(PgDatabaseError::code)
}

fn postgres(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()
}

fn is_fatal(error: &PgDatabaseError) -> bool {
    matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic) || is_outage(error)
}

/// Connection exceptions, too many connections, and a server that stops or starts. A wrong password
/// is as fatal, and no outage.
fn is_outage(error: &PgDatabaseError) -> bool {
    let code = error.code();
    code.starts_with("08") || code.starts_with("57P") || code == "53300"
}

/// Whether Postgres ended the transaction, as idle or as too long.
pub(crate) fn is_timed_out(error: &sqlx::Error) -> bool {
    matches!(sqlstate(error), Some("25P03" | "25P04"))
}

/// A missing grant has the same SQLSTATE; only the place in the server tells them apart.
pub(crate) fn is_forbidden_row(error: &sqlx::Error) -> bool {
    postgres(error)
        .is_some_and(|it| it.code() == "42501" && it.routine() == Some("ExecWithCheckOptions"))
}

/// Without what Postgres quotes from the statement.
fn describe(error: &sqlx::Error) -> String {
    match postgres(error) {
        Some(error) => format!("the database answered with SQLSTATE {}", error.code()),
        None => match error {
            sqlx::Error::RowNotFound => error.to_string(),
            _ => "the database driver failed".to_owned(),
        },
    }
}
