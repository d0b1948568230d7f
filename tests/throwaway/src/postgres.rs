//! A Postgres server.

use std::{
    env,
    net::{SocketAddr, ToSocketAddrs},
    path::PathBuf,
    sync::{Mutex, PoisonError},
};

use sqlx::{Connection, PgConnection};
use url::Url;

use crate::{Database, Error, blocking::block_on, keeper::Keeper};

mod binaries;

/// Which Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PostgresVersion {
    /// The one that the distribution ships: 15 on Debian 12. `DATABASE_URL` can name a running one.
    System,
    /// 18, fetched with Maven. `DATABASE_URL_18` can name a running one.
    V18,
}

impl PostgresVersion {
    /// Every version that tests run on.
    pub const ALL: [Self; 2] = [Self::System, Self::V18];

    /// The variable of the environment that names a running server of this version.
    #[must_use]
    pub const fn variable(self) -> &'static str {
        match self {
            Self::System => "DATABASE_URL",
            Self::V18 => "DATABASE_URL_18",
        }
    }
}

/// A Postgres server that trusts whoever connects from this machine, and forgets everything at
/// its end. Dropping it stops it and deletes its folder.
#[derive(Debug)]
pub struct Postgres {
    /// The superuser's, on the database `postgres`.
    admin: Url,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    Here(Keeper),
    Elsewhere(PostgresVersion),
}

impl Postgres {
    /// The server for this version that all tests of this process share: the one that the
    /// [environment names](PostgresVersion::variable), or one that is started now and stopped when
    /// the process ends.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start); the next call tries again.
    pub fn shared(version: PostgresVersion) -> Result<&'static Self, Error> {
        static SHARED: Mutex<[Option<&Postgres>; 2]> = Mutex::new([None; 2]);

        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = &mut shared[version as usize];
        if let Some(postgres) = *slot {
            return Ok(postgres);
        }
        let postgres: &Self = Box::leak(Box::new(Self::from_env_or_start(version)?));
        *slot = Some(postgres);
        Ok(postgres)
    }

    /// The server that the [environment names](PostgresVersion::variable), which is never stopped
    /// here, or else one that is started now.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start), and when the variable is no URL of a Postgres.
    pub fn from_env_or_start(version: PostgresVersion) -> Result<Self, Error> {
        let variable = version.variable();
        match env::var(variable) {
            Err(_) => Self::start(version),
            Ok(url) => Ok(Self {
                admin: url.parse().ok().filter(Url::has_host).ok_or(Error::Environment {
                    variable,
                    problem: "must be like postgres://user:password@host:port/database",
                })?,
                kept: Kept::Elsewhere(version),
            }),
        }
    }

    /// Starts a server of its own, installing Postgres first where that is possible.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when there is no such Postgres and it cannot be installed, else
    /// [`Error::NotStarted`] with the end of the server's log.
    pub fn start(version: PostgresVersion) -> Result<Self, Error> {
        let binaries = binaries::find(version)?;
        let script = include_str!("postgres/serve.sh");
        let keeper = Keeper::new("QUIT", script, &[binaries.as_os_str()])?;
        if !keeper.run("reach")? {
            binaries::copy(&binaries, &keeper.folder().join("programs"))?;
        }
        if !keeper.run("prepare")? {
            return Err(keeper.not_started("Postgres"));
        }
        let port = keeper.serve_anywhere("Postgres", |port| answers(&keeper, &local(port)))?;
        Ok(Self { admin: local(port), kept: Kept::Here(keeper) })
    }

    /// A new database of its own name, dropped with the value.
    ///
    /// # Errors
    ///
    /// When Postgres refuses: [`Error::Sql`].
    pub fn fresh_database(&self) -> Result<Database, Error> {
        Database::create(&self.admin)
    }

    /// Where the superuser connects.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.admin.to_string()
    }

    pub(crate) fn admin(&self) -> &Url {
        &self.admin
    }

    /// Where it listens, to put a [`Proxy`](crate::Proxy) in front.
    ///
    /// # Errors
    ///
    /// When the host that the environment names has no address.
    pub fn address(&self) -> Result<SocketAddr, Error> {
        let host = self.admin.host_str().unwrap_or("localhost");
        (host, self.admin.port().unwrap_or(5432))
            .to_socket_addrs()
            .map_err(Error::io("look up the host of Postgres"))?
            .next()
            .ok_or_else(|| {
                Error::io("look up the host of Postgres")(std::io::ErrorKind::NotFound.into())
            })
    }

    /// Stops it at once, as a crash does; committed data survives for [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] for a server that the environment names.
    pub fn stop(&self) -> Result<(), Error> {
        self.keeper()?.stop()
    }

    /// Starts it again on the same port, after stopping it where it still ran.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop) and [`start`](Self::start).
    pub fn restart(&self) -> Result<(), Error> {
        let keeper = self.keeper()?;
        keeper.stop()?;
        let port = self.admin.port().unwrap_or(5432);
        keeper.serve("Postgres", port, |_| answers(keeper, &self.admin))
    }

    /// Lets it hang: connections stay open and are not answered until [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn pause(&self) -> Result<(), Error> {
        self.keeper()?.pause()
    }

    /// Ends [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn resume(&self) -> Result<(), Error> {
        self.keeper()?.resume()
    }

    fn keeper(&self) -> Result<&Keeper, Error> {
        match &self.kept {
            Kept::Here(keeper) => Ok(keeper),
            Kept::Elsewhere(version) => Err(Error::NotOurs { variable: version.variable() }),
        }
    }
}

/// Where the superuser of a server that was started here connects.
fn local(port: u16) -> Url {
    Url::parse(&format!("postgres://postgres@127.0.0.1:{port}/postgres"))
        .expect("a number keeps it a URL")
}

/// Whether the server that answers is the one in this folder, not somebody else's on its port.
fn answers(keeper: &Keeper, admin: &Url) -> bool {
    block_on(data_folder(admin)).is_ok_and(|data| data == keeper.folder().join("data"))
}

async fn data_folder(admin: &Url) -> Result<PathBuf, sqlx::Error> {
    let mut connection = PgConnection::connect(admin.as_str()).await?;
    let folder: String =
        sqlx::query_scalar("SHOW data_directory").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(folder.into())
}
