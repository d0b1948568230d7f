//! A Redis server.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    time::Duration,
};

use crate::{Error, keeper::Keeper, tools};

/// A Redis server that keeps everything in memory. Dropping it stops it.
#[derive(Debug)]
pub struct Redis {
    url: String,
    /// None for one that is somebody else's.
    keeper: Option<Keeper>,
}

impl Redis {
    /// The variable of the environment that names a running server.
    pub const VARIABLE: &str = "REDIS_URL";

    /// The server that the [environment names](Self::VARIABLE), which is never stopped here, or else
    /// one that is started now.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn from_env_or_start() -> Result<Self, Error> {
        match env::var(Self::VARIABLE) {
            Ok(url) => Ok(Self { url, keeper: None }),
            Err(_) => Self::start(),
        }
    }

    /// Starts Debian's Redis, installing it first where that is possible.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when there is none and it cannot be installed, else
    /// [`Error::NotStarted`] with the end of its log.
    pub fn start() -> Result<Self, Error> {
        let program = tools::apt("redis-server", "redis-server")?;
        let keeper = Keeper::new("KILL", include_str!("redis/serve.sh"), &[program.as_os_str()])?;
        let port = keeper.serve_anywhere("Redis", |port| answers(&keeper, port))?;
        Ok(Self { url: format!("redis://127.0.0.1:{port}"), keeper: Some(keeper) })
    }

    /// Where clients connect.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Stops it at once, as a crash does. It forgets everything.
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] for a server that the environment names.
    pub fn stop(&self) -> Result<(), Error> {
        self.keeper()?.stop()
    }

    /// Starts it again on the same port, empty, after stopping it where it still ran.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop) and [`start`](Self::start).
    pub fn restart(&self) -> Result<(), Error> {
        let keeper = self.keeper()?;
        keeper.stop()?;
        let port = self.url.rsplit(':').next().and_then(|port| port.parse().ok());
        keeper.serve("Redis", port.unwrap_or_default(), |port| answers(keeper, port))
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
        self.keeper.as_ref().ok_or(Error::NotOurs { variable: Self::VARIABLE })
    }
}

/// Whether the server that answers is the one in this folder, not somebody else's on its port.
fn answers(keeper: &Keeper, port: u16) -> bool {
    let folder = || {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"CONFIG GET dir\r\n")?;
        // A list of two strings, each after its length.
        BufReader::new(stream).lines().nth(4).transpose()
    };
    folder().is_ok_and(|folder| folder.is_some_and(|folder| keeper.folder() == Path::new(&folder)))
}
