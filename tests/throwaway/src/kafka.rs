//! An Apache Kafka broker.

use std::{
    env,
    ffi::OsStr,
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::Command,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{Error, Proxy, free_port, keeper::Keeper, port::random, tools};

mod probe;

/// An Apache Kafka of one broker that anybody on this machine may use. Dropping it stops it and
/// deletes its folder.
///
/// No topic exists until somebody makes it.
///
/// ```no_run
/// let kafka = throwaway::Kafka::from_env_or_start()?;
/// println!("{}", kafka.brokers());
/// # Ok::<(), throwaway::Error>(())
/// ```
#[derive(Debug)]
pub struct Kafka {
    brokers: String,
    /// None for one that is somebody else's.
    here: Option<Here>,
}

#[derive(Debug)]
struct Here {
    // Dropped first, so that nobody is answered by what stops.
    link: Proxy,
    keeper: Keeper,
    port: u16,
    cluster: String,
}

impl Kafka {
    /// The variable of the environment that names running brokers, as clients are told of them.
    pub const VARIABLE: &str = "KAFKA_BROKERS";

    /// The brokers that the [environment names](Self::VARIABLE), which are never stopped here, or
    /// else one that is started now.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn from_env_or_start() -> Result<Self, Error> {
        match env::var(Self::VARIABLE) {
            Ok(brokers) => Ok(Self { brokers, here: None }),
            Err(_) => Self::start(),
        }
    }

    /// Starts a broker of its own, fetching Kafka with Maven first, and installing Java and Maven
    /// where that is possible.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] when there is no Java or Maven and it cannot be installed,
    /// [`Error::Failed`] when Kafka could not be fetched, else [`Error::NotStarted`] with the end
    /// of the broker's log.
    pub fn start() -> Result<Self, Error> {
        let (java, jars) = (tools::java()?, tools::kafka_jars()?);
        loop {
            match Self::on_ports_that_are_free(&java, &jars) {
                // Another process took one of them since we looked.
                Err(Error::NotStarted { log, .. }) if log.contains("Address already in use") => {}
                started => return started,
            }
        }
    }

    fn on_ports_that_are_free(java: &Path, jars: &Path) -> Result<Self, Error> {
        let [port, linked, controller] = [free_port(), free_port(), free_port()];
        let link = Proxy::start((Ipv4Addr::LOCALHOST, linked).into())?;
        let cluster =
            URL_SAFE_NO_PAD.encode([random().to_be_bytes(), random().to_be_bytes()].concat());
        let keeper = Keeper::new(
            "KILL",
            include_str!("kafka/serve.sh"),
            &[
                java.as_os_str(),
                jars.as_os_str(),
                OsStr::new(&cluster),
                linked.to_string().as_ref(),
                link.address().port().to_string().as_ref(),
                controller.to_string().as_ref(),
            ],
        )?;
        if !keeper.run("reach")? {
            let copy = keeper.folder().join("jars");
            tools::run(Command::new("cp").arg("-r").args([jars, &copy]))?;
        }
        if !keeper.run(&format!("prepare {port}"))? {
            return Err(keeper.not_started("Kafka"));
        }
        keeper.serve("Kafka", port, |port| probe::answers(port, &cluster))?;
        let here = Here { link, keeper, port, cluster };
        Ok(Self { brokers: format!("127.0.0.1:{port}"), here: Some(here) })
    }

    /// What a client's `bootstrap.servers` is.
    #[must_use]
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// A [`Proxy`] in front of the broker, which clients stay behind that have its
    /// [address](Proxy::address) as their `bootstrap.servers`: a broker tells its clients where
    /// to go on, and these are sent back to it.
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] for brokers that the environment names.
    pub fn link(&self) -> Result<&Proxy, Error> {
        self.here().map(|here| &here.link)
    }

    /// Where clients of the [link](Self::link) begin.
    ///
    /// # Errors
    ///
    /// As [`link`](Self::link).
    pub fn link_address(&self) -> Result<SocketAddr, Error> {
        self.link().map(Proxy::address)
    }

    /// Stops it at once, as a crash does; what it has acknowledged survives for
    /// [`restart`](Self::restart).
    ///
    /// # Errors
    ///
    /// As [`link`](Self::link).
    pub fn stop(&self) -> Result<(), Error> {
        self.here()?.keeper.stop()
    }

    /// Starts it again on the same ports, after stopping it where it still ran.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop) and [`start`](Self::start).
    pub fn restart(&self) -> Result<(), Error> {
        let here = self.here()?;
        here.keeper.stop()?;
        here.keeper.serve("Kafka", here.port, |port| probe::answers(port, &here.cluster))
    }

    /// Lets it hang: connections stay open and are not answered until [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn pause(&self) -> Result<(), Error> {
        self.here()?.keeper.pause()
    }

    /// Ends [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub fn resume(&self) -> Result<(), Error> {
        self.here()?.keeper.resume()
    }

    fn here(&self) -> Result<&Here, Error> {
        self.here.as_ref().ok_or(Error::NotOurs { variable: Self::VARIABLE })
    }
}
