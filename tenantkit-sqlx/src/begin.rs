//! How a transaction begins, whoever's it is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    Error,
    bind::{self, Binding, Mode},
    error::is_dead,
    lease::{Home, Lease},
    session::Session,
    share::Share,
    trail::Trail,
};

#[derive(Debug, thiserror::Error)]
#[error("its scheme is not postgres")]
struct OtherScheme;

/// How long to wait for the reason why there is no connection.
const WHY: Duration = Duration::from_secs(1);

/// Begins and binds, once there is a `share` of the pool for it. After a restart of Postgres all
/// connections of the pool are dead, so that each may be tried once; the whole takes no longer than the
/// pool's patience for one. While it waits, whatever for, somebody looks whether there is a server.
pub(crate) async fn begin(
    pool: &PgPool,
    home: &Arc<Home>,
    share: impl Future<Output = Result<Share, Error>>,
    patience: Duration,
    binding: Binding,
    mode: Mode,
    trail: Trail,
) -> Result<Session, Error> {
    let sql = binding.begin(mode);
    let attempts = async {
        let mut asked = Instant::now();
        let mut share = pool.close_event().do_until(share).await??;
        let mut left = pool.size();
        loop {
            let connection = home.outage().acquire(pool).await?;
            home.waits().count(asked.elapsed());
            asked = Instant::now();
            let mut lease = Lease::new(connection, share, Arc::clone(home));
            match lease.run(&sql).await.result {
                Ok(()) => {
                    home.outage().is_over();
                    return Ok(lease);
                }
                Err(error) if is_dead(&error) && left > 0 => {
                    left -= 1;
                    share = lease.replace().await;
                }
                Err(error) => return Err(Error::from(error)),
            }
        }
    };
    match tokio::time::timeout(patience, home.outage().unless_down(pool, attempts)).await {
        Ok(lease) => Ok(Session::new(lease?, binding, trail)),
        Err(_) => Err(sqlx::Error::PoolTimedOut.into()),
    }
}

/// The options of a URL, which has to be one of Postgres.
pub(crate) fn options_of(url: &str) -> Result<PgConnectOptions, Error> {
    if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
        return Err(Error::Url(sqlx::Error::Configuration(Box::new(OtherScheme))));
    }
    url.parse().map_err(Error::Url)
}

/// Connects. sqlx waits for a server that is not there, and then says no more than that it has waited.
pub(crate) async fn connect(options: PgPoolOptions, to: PgConnectOptions) -> Result<PgPool, Error> {
    // `begin` finds out by itself, without a round trip.
    let options = options.test_before_acquire(false);
    match options.connect_with(to.clone()).await {
        Err(error @ sqlx::Error::PoolTimedOut) => {
            let attempt = tokio::time::timeout(WHY, PgConnection::connect_with(&to)).await;
            Err(attempt.ok().and_then(Result::err).unwrap_or(error).into())
        }
        connected => Ok(connected?),
    }
}

/// Bounds a transaction that was aborted and is held all the same: with the abort, what was set for the
/// transaction only is undone. PgBouncer takes no such options.
pub(crate) fn bounded_when_idle(options: PgConnectOptions, timeout: Duration) -> PgConnectOptions {
    options.options([("idle_in_transaction_session_timeout", bind::millis(timeout).to_string())])
}

/// Whether the server ends a transaction that takes too long. It costs no round trip.
pub(crate) async fn knows_transaction_timeout(pool: &PgPool) -> Result<bool, sqlx::Error> {
    let version = pool.acquire().await?.server_version_num();
    Ok(version.is_some_and(|version| version >= 170_000))
}
