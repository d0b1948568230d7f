//! What the story happens in: Postgres, the keys, and acmedocs as a process of its own.

use std::{
    fmt,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use acmedocs::proto::documents_client::DocumentsClient;
use hyper::Method;
use serde_json::json;
use throwaway::{Database, Folder, Postgres, Proxy, free_port, leash};
use tokio::process::Child;
use tonic::transport::Channel;

use crate::{
    Edge, Failed, Issuer, issuer,
    kafka::Kafka,
    setup::{Addresses, Setup},
};

/// How long acmedocs may take to answer for the first time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How acmedocs is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acmedocs {
    /// As a process of its own, from the binary beside this one.
    Process,
    /// In this process, for tests.
    InProcess,
}

enum Running {
    /// Ends when we do, however we do.
    Process(Child),
    InProcess {
        started: Option<acmedocs::Started>,
    },
}

/// What the story happens in. Dropping it stops and removes everything, from the top down.
pub struct World {
    /// The edge, seen from outside.
    pub edge: Edge,
    /// Where it listens.
    pub edge_address: SocketAddr,
    /// Where the documents service listens.
    pub documents_address: SocketAddr,
    /// Signs the tokens of the outside world.
    pub idp: Issuer,
    /// Signs the tokens between the services.
    pub services: Issuer,
    /// Stopped first, and only then what it talks to.
    acmedocs: Running,
    /// Where acmedocs tells its changes, if anywhere.
    pub kafka: Option<Kafka>,
    /// Between acmedocs and Postgres, to make it slow.
    pub link: Proxy,
    /// The database that acmedocs uses.
    pub database: Database,
    /// The role that it serves with.
    pub serving_role: String,
    /// Its server, where this world has one of its own.
    pub postgres: Option<Postgres>,
    setup: Setup,
    addresses: Addresses,
    folder: Folder,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("edge", &self.edge_address).finish_non_exhaustive()
    }
}

impl World {
    /// Starts everything, as it usually is.
    ///
    /// # Errors
    ///
    /// When something of it does not start.
    pub async fn start(acmedocs: Acmedocs) -> Result<Self, Failed> {
        Self::of(Setup::default(), acmedocs).await
    }

    /// Starts everything.
    ///
    /// # Errors
    ///
    /// When something of it does not start.
    pub async fn of(setup: Setup, acmedocs: Acmedocs) -> Result<Self, Failed> {
        let postgres = setup.own_postgres()?;
        let server = setup.postgres.or(postgres.as_ref()).ok_or("no Postgres")?;
        let database = server.fresh_database()?;
        let owner = database.role("owner", "NOBYPASSRLS")?;
        let serving_role = database.role("serving", "NOBYPASSRLS")?;
        database.execute(format!("ALTER DATABASE {} OWNER TO {owner}", database.name()))?;
        let link = Proxy::start(server.address()?)?;

        let folder = Folder::new()?;
        let (idp, services) = (Issuer::new("idp-1")?, Issuer::new("edge-1")?);
        let mut idp_keys = setup.idp_keys.clone();
        idp_keys.push(idp.public_jwk());
        write(&folder, "idp.jwks", &json!({ "keys": idp_keys }))?;
        write(&folder, "services.jwks", &json!({ "keys": [services.service_jwk()] }))?;
        write(&folder, "edge.jwk", &services.private_service_jwk())?;
        let kafka = match setup.kafka {
            Some(brokers) => Some(Kafka::start(brokers, database.name()).await?),
            None => None,
        };
        if kafka.is_some() {
            let records = Issuer::new("documents-1")?;
            write(&folder, "envelopes.jwks", &json!({ "keys": [records.envelope_jwk()] }))?;
            write(&folder, "envelope.jwk", &records.private_envelope_jwk())?;
        }

        let serving_url = database.url_through(&link, &serving_role);
        let (edge, documents, page) = (free_address(), free_address(), free_address());
        let owner_url = database.url(&owner);
        let addresses = Addresses { edge, documents, page, serving_url, owner_url };
        let acmedocs = run(acmedocs, &setup, &addresses, kafka.as_ref(), &folder).await?;
        let mut world = Self {
            edge: Edge::at(edge),
            edge_address: edge,
            documents_address: documents,
            idp,
            services,
            acmedocs,
            kafka,
            link,
            database,
            serving_role,
            postgres,
            setup,
            addresses,
            folder,
        };
        world.wait_until_healthy().await?;
        Ok(world)
    }

    /// Asks acmedocs to end (SIGTERM), and waits until it has.
    ///
    /// # Errors
    ///
    /// When it is no process of its own.
    pub async fn terminate(&mut self) -> Result<ExitStatus, Failed> {
        let id = self.process_id().ok_or("acmedocs has ended, or is no process of its own")?;
        Command::new("kill").args(["-s", "TERM", &id.to_string()]).status()?;
        match &mut self.acmedocs {
            Running::Process(process) => {
                // Waiting closes standard input, which would tell it a second time.
                let _leash = process.stdin.take();
                Ok(process.wait().await?)
            }
            Running::InProcess { .. } => Err("acmedocs is no process of its own".into()),
        }
    }

    /// Starts acmedocs anew, at the same addresses and on the same data, with limits by this document or
    /// without. Requests that are under way are cut off, where it has a Kafka after ten seconds. From then on it
    /// talks to Postgres directly: the link, which can be made slow, adds milliseconds also while it is not.
    ///
    /// # Errors
    ///
    /// When it does not start.
    pub async fn restart(&mut self, limits: Option<&str>) -> Result<(), Failed> {
        self.setup.limits = limits.map(ToOwned::to_owned);
        self.addresses.serving_url = self.database.url(&self.serving_role);
        // A member that is killed keeps its partitions until its group misses it.
        let is_member = self.kafka.is_some() && self.process_id().is_some();
        if is_member {
            self.terminate().await?;
        }
        let how = match &mut self.acmedocs {
            Running::Process(process) => {
                if !is_member {
                    process.kill().await?;
                }
                Acmedocs::Process
            }
            Running::InProcess { started } => {
                // Its sockets are closed when its tasks have ended.
                if let Some(started) = started.take() {
                    started.stop().await?;
                }
                Acmedocs::InProcess
            }
        };
        self.acmedocs =
            run(how, &self.setup, &self.addresses, self.kafka.as_ref(), &self.folder).await?;
        self.edge = Edge::at(self.edge_address);
        self.wait_until_healthy().await
    }

    /// The process of acmedocs, where it is one of its own and runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        match &self.acmedocs {
            Running::Process(process) => process.id(),
            Running::InProcess { .. } => None,
        }
    }

    /// Where the configuration, the keys and the logs are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What acmedocs has said, where it is a process and was [told to](Setup::log).
    ///
    /// # Errors
    ///
    /// When there is no log.
    pub fn said(&self) -> Result<String, Failed> {
        Ok(fs::read_to_string(self.folder.path().join("acmedocs.log"))?)
    }

    /// The built-in page of telemetry, where acmedocs was [told to](Setup::telemetry) have it.
    #[must_use]
    pub fn page(&self) -> Option<Edge> {
        self.setup.telemetry.as_ref().map(|_| Edge::at(self.addresses.page))
    }

    /// A client of the documents service that adds nothing: what a service without tenantkit sends.
    ///
    /// # Errors
    ///
    /// When the service is not there.
    pub async fn documents(&self) -> Result<DocumentsClient<Channel>, Failed> {
        Ok(DocumentsClient::connect(format!("http://{}", self.documents_address)).await?)
    }

    /// What acmedocs has audited so far.
    ///
    /// # Errors
    ///
    /// When a log is not there.
    pub fn audited(&self) -> Result<String, Failed> {
        let read = |file: &str| fs::read_to_string(self.folder.path().join(file));
        Ok(read("edge-audit.jsonl")? + &read("documents-audit.jsonl")?)
    }

    /// What sends changes of a tenant that could not be indexed back to the indexer.
    ///
    /// # Errors
    ///
    /// When acmedocs is not built beside us.
    pub fn replay_command(&self) -> Result<String, Failed> {
        let (acmedocs, folder) = (acmedocs_binary()?, self.folder.path().display());
        let acmedocs = acmedocs.display();
        Ok(format!(
            "{acmedocs} replay {folder}/acmedocs.toml --tenant acme --reason handler-failed"
        ))
    }

    /// Says what to paste.
    pub fn invite(&self) {
        let now = issuer::now();
        let (edge, documents) = (self.edge_address, self.documents_address);
        let bearer = self.idp.bearer("acme", "alice", now);
        let token = self.services.txn_token("acme", "alice", now);
        let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/../acmedocs/proto");
        println!(
            "\nacmedocs stays up until Ctrl-C. These tokens are good for minutes:\n\n\
             curl -i http://{edge}/v1/documents -H 'authorization: Bearer {bearer}'\n\n\
             curl -i http://{edge}/v1/documents -H 'x-tenant-id: acme'\n\n\
             grpcurl -plaintext -import-path {proto} -proto acmedocs/v1/documents.proto \\\n  \
             -H 'txn-token: {token}' {documents} acmedocs.v1.Documents/List\n\n\
             psql '{}'\n",
            self.database.url(&self.serving_role),
        );
        if self.setup.telemetry.is_some() {
            println!("Who is heavy, who was refused, by tier: http://{}\n", self.addresses.page);
        }
        if let (Some(kafka), Ok(replay)) = (&self.kafka, self.replay_command()) {
            println!(
                "curl -i 'http://{edge}/v1/search?q=plan' -H 'authorization: Bearer {bearer}'\n\n\
                 {replay}\n\n\
                 kcat -b {} -t {} -C -e -f '%h\\n'\n",
                kafka.brokers, kafka.dead_letter_topic,
            );
        }
    }

    async fn wait_until_healthy(&mut self) -> Result<(), Failed> {
        let healthy = async {
            loop {
                if let Running::Process(process) = &mut self.acmedocs
                    && let Some(status) = process.try_wait()?
                {
                    let said = fs::read_to_string(self.folder.path().join("acmedocs.log"));
                    let said = said.unwrap_or_default();
                    return Err(Failed::from(format!("acmedocs ended: {status}\n{said}")));
                }
                match self.edge.call(Method::GET, "/healthz", &[], None).await {
                    Ok(answer) if answer.status.is_success() => return Ok(()),
                    _ => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, healthy).await.map_err(|_| "acmedocs does not answer")?
    }
}

/// Starts acmedocs, which may not listen yet.
async fn run(
    acmedocs: Acmedocs,
    setup: &Setup,
    addresses: &Addresses,
    kafka: Option<&Kafka>,
    folder: &Folder,
) -> Result<Running, Failed> {
    let config = folder.path().join("acmedocs.toml");
    fs::write(&config, setup.config(folder.path(), addresses, kafka))?;
    if let Some(limits) = &setup.limits {
        fs::write(folder.path().join("limits.toml"), limits)?;
    }
    if acmedocs == Acmedocs::InProcess {
        let config = acmedocs::Config::load(&config.to_string_lossy())?;
        return Ok(Running::InProcess { started: Some(acmedocs::start(&config).await?) });
    }
    let mut command = Command::new(acmedocs_binary()?);
    command.arg(config).envs(setup.log.as_ref().map(|filter| ("RUST_LOG", filter)));
    let mut leashed = leash(&command);
    if setup.log.is_some() {
        leashed.stderr(File::create(folder.path().join("acmedocs.log"))?);
    }
    Ok(Running::Process(tokio::process::Command::from(leashed).kill_on_drop(true).spawn()?))
}

fn write(folder: &Folder, name: &str, content: &serde_json::Value) -> Result<(), Failed> {
    Ok(fs::write(folder.path().join(name), content.to_string())?)
}

/// An address that is free now. Whoever takes it first has it: then acmedocs says so and ends.
fn free_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, free_port()).into()
}

/// Built beside us, by `cargo xtask demo` or for the tests of acmedocs.
fn acmedocs_binary() -> Result<PathBuf, Failed> {
    let here = std::env::current_exe()?;
    // Tests are one folder further down than what they test.
    let beside = here.ancestors().skip(1).take(2).map(|folder| folder.join("acmedocs"));
    beside.into_iter().find(|binary| binary.is_file()).ok_or_else(|| {
        format!("acmedocs is not built beside {}: run `cargo xtask demo`", here.display()).into()
    })
}
