//! An OpenTelemetry Collector.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpStream},
    path::PathBuf,
    process::Command,
    time::Duration,
};

use crate::{Error, free_port, keeper::Keeper, tools};

/// An OpenTelemetry Collector that writes down what it receives. Dropping it stops it, and what it wrote is gone.
///
/// It takes OTLP by gRPC and by HTTP, writes traces, logs and metrics into files, and shows the metrics on a page
/// for Prometheus.
#[derive(Debug)]
pub struct Collector {
    keeper: Keeper,
    grpc: u16,
    http: u16,
    page: u16,
}

impl Collector {
    /// The environment variable that names one to which whatever has no other is to tell what it does: its address for
    /// OTLP by gRPC.
    pub const VARIABLE: &str = "TENANTKIT_OTLP";

    /// Where that variable leads.
    #[must_use]
    pub fn named() -> Option<String> {
        std::env::var(Self::VARIABLE).ok().filter(|url| !url.is_empty())
    }

    /// Starts one, building it with Go first, which takes minutes and is kept.
    ///
    /// # Errors
    ///
    /// [`Error::Missing`] without Go, [`Error::Failed`] when it could not be built, else
    /// [`Error::NotStarted`] with the end of its log.
    pub fn start() -> Result<Self, Error> {
        let program = tools::collector()?;
        loop {
            match Self::serve(&program) {
                // Another process took a port since we looked.
                Err(Error::NotStarted { log, .. }) if log.contains("address already in use") => {}
                served => return served,
            }
        }
    }

    fn serve(program: &PathBuf) -> Result<Self, Error> {
        let (grpc, http, page) = (free_port(), free_port(), free_port());
        let ports = [http.to_string(), page.to_string()];
        let arguments = [program.as_os_str(), ports[0].as_ref(), ports[1].as_ref()];
        let keeper = Keeper::new("TERM", include_str!("collector/serve.sh"), &arguments)?;
        fs::write(keeper.folder().join("collector.yaml"), include_str!("collector/collector.yaml"))
            .map_err(Error::io("write the collector's configuration"))?;
        if !keeper.run("reach")? {
            tools::run(Command::new("cp").arg(program).arg(keeper.folder().join("otelcol")))?;
        }
        let collector = Self { keeper, grpc, http, page };
        collector.restart()?;
        Ok(collector)
    }

    /// Where OTLP by gRPC goes.
    #[must_use]
    pub fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.grpc)
    }

    /// Where OTLP by HTTP goes, without the path of a signal.
    #[must_use]
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    /// What it has received of a signal (`traces`, `logs` or `metrics`): a JSON document of OTLP on each line.
    #[must_use]
    pub fn received(&self, signal: &str) -> String {
        let file = self.keeper.folder().join(format!("{signal}.jsonl"));
        let received = fs::read(file).unwrap_or_default();
        // The last line may be half written.
        let end = received.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        String::from_utf8_lossy(&received[..end]).into_owned()
    }

    /// The page for Prometheus.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub fn page(&self) -> Result<String, Error> {
        self.get_page().map_err(Error::io("read the collector's page"))
    }

    fn get_page(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.page))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        // In the older version of HTTP, so that the answer ends with the connection and is in one piece.
        stream.write_all(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.to_owned()))
    }

    /// Stops it. What it wrote stays.
    ///
    /// # Errors
    ///
    /// When its shell is gone.
    pub fn stop(&self) -> Result<(), Error> {
        self.keeper.stop()
    }

    /// Starts it again on the same ports, after stopping it where it still ran.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn restart(&self) -> Result<(), Error> {
        self.keeper.stop()?;
        let log = self.keeper.folder().join("log");
        let before = fs::read(&log).map_or(0, |log| log.len());
        self.keeper.serve("the OpenTelemetry Collector", self.grpc, |_| {
            let said = fs::read(&log).unwrap_or_default();
            let said = String::from_utf8_lossy(said.get(before..).unwrap_or_default()).into_owned();
            said.contains("Everything is ready")
        })
    }

    /// Lets it hang: connections stay open and are not answered until [`resume`](Self::resume).
    ///
    /// # Errors
    ///
    /// When its shell is gone.
    pub fn pause(&self) -> Result<(), Error> {
        self.keeper.pause()
    }

    /// Ends [`pause`](Self::pause).
    ///
    /// # Errors
    ///
    /// When its shell is gone.
    pub fn resume(&self) -> Result<(), Error> {
        self.keeper.resume()
    }
}
