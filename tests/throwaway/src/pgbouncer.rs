//! A PgBouncer in front of a Postgres.

use std::net::{Ipv4Addr, SocketAddr};

use sqlx::{Connection, PgConnection};

use crate::{Error, Postgres, blocking::block_on, keeper::Keeper, tools};

/// A PgBouncer in transaction mode: each transaction may find itself in another session, and each
/// session with another client's leavings. Dropping it stops it.
///
/// Roles and databases are those of the Postgres behind it, which must trust this machine.
#[derive(Debug)]
pub struct PgBouncer {
    address: SocketAddr,
    _keeper: Keeper,
}

impl PgBouncer {
    /// Starts Debian's PgBouncer, installing it first where that is possible.
    ///
    /// At most `pool_size` sessions are opened for each database and role: with 1, all clients
    /// share one.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when there is none and it cannot be installed, else
    /// [`Error::NotStarted`] with the end of its log.
    pub fn start(postgres: &Postgres, pool_size: u16) -> Result<Self, Error> {
        let program = tools::apt("pgbouncer", "pgbouncer")?;
        let server = postgres.address()?;
        let keeper = Keeper::new(
            "KILL",
            include_str!("pgbouncer/serve.sh"),
            &[
                program.as_os_str(),
                server.ip().to_string().as_ref(),
                server.port().to_string().as_ref(),
                postgres.admin().username().as_ref(),
                pool_size.to_string().as_ref(),
            ],
        )?;
        let port = keeper.serve_anywhere("PgBouncer", |port| {
            let mut url = postgres.admin().clone();
            url.set_ip_host(Ipv4Addr::LOCALHOST.into()).is_ok()
                && url.set_port(Some(port)).is_ok()
                && block_on(answers(url.as_str())).is_ok()
        })?;
        Ok(Self { address: (Ipv4Addr::LOCALHOST, port).into(), _keeper: keeper })
    }

    /// Where it listens: see [`Database::url_at`](crate::Database::url_at).
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answers(url: &str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql("SELECT 1").execute(&mut connection).await?;
    connection.close().await
}
