//! What the story happens in: Postgres, the keys, and acmedocs as a process of its own.

use std::{
    fmt, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use acmedocs::proto::documents_client::DocumentsClient;
use hyper::Method;
use serde_json::json;
use tempfile::TempDir;
use throwaway::{Database, Postgres, PostgresVersion, Proxy};
use tokio::process::{Child, Command};
use tonic::transport::Channel;

use crate::{AUDIENCE, EDGE_WORKLOAD, Edge, Failed, ISSUER, Issuer, TRUST_DOMAIN, issuer};

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
    Process(Child),
    InProcess { _started: acmedocs::Started },
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
    /// Between acmedocs and Postgres, to make it slow.
    pub link: Proxy,
    /// The database that acmedocs uses.
    pub database: Database,
    /// The role that it serves with.
    pub serving_role: String,
    _postgres: Postgres,
    folder: TempDir,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("edge", &self.edge_address).finish_non_exhaustive()
    }
}

impl World {
    /// Starts everything.
    ///
    /// # Errors
    ///
    /// When something of it does not start.
    pub async fn start(acmedocs: Acmedocs) -> Result<Self, Failed> {
        let postgres = Postgres::from_env_or_start(PostgresVersion::System)?;
        let database = postgres.fresh_database()?;
        let owner = database.role("owner", "NOBYPASSRLS")?;
        let serving_role = database.role("serving", "NOBYPASSRLS")?;
        database.execute(format!("ALTER DATABASE {} OWNER TO {owner}", database.name()))?;
        let link = Proxy::start(postgres.address()?)?;

        let folder = TempDir::new()?;
        let (idp, services) = (Issuer::new("idp-1")?, Issuer::new("edge-1")?);
        write(&folder, "idp.jwks", &json!({ "keys": [idp.public_jwk()] }))?;
        write(&folder, "services.jwks", &json!({ "keys": [services.service_jwk()] }))?;
        write(&folder, "edge.jwk", &services.private_service_jwk())?;

        let (edge_address, documents_address) = (free_address()?, free_address()?);
        let config = format!(
            r#"trust_domain = "{TRUST_DOMAIN}"
txn_keys = "{folder}/services.jwks"

[edge]
listen = "{edge_address}"
audit_log = "{folder}/edge-audit.jsonl"
workload = "{EDGE_WORKLOAD}"
issuer = "{ISSUER}"
audience = "{AUDIENCE}"
issuer_keys = "{folder}/idp.jwks"
signing_key = "{folder}/edge.jwk"
documents_url = "http://{documents_address}"

[documents]
listen = "{documents_address}"
audit_log = "{folder}/documents-audit.jsonl"
workload = "documents"
database_url = "{serving_url}"
owner_url = "{owner_url}"

[tenants]
acme = {{ tier = "gold" }}
globex = {{ tier = "bronze" }}
initech = {{ tier = "bronze", suspended = true }}
"#,
            folder = folder.path().display(),
            serving_url = database.url_through(&link, &serving_role),
            owner_url = database.url(&owner),
        );
        fs::write(folder.path().join("acmedocs.toml"), config)?;

        let config = folder.path().join("acmedocs.toml");
        let acmedocs = match acmedocs {
            Acmedocs::Process => Running::Process(
                Command::new(acmedocs_binary()?)
                    .arg(config)
                    .stdin(Stdio::null())
                    .kill_on_drop(true)
                    .spawn()?,
            ),
            Acmedocs::InProcess => {
                let config = acmedocs::Config::load(&config.to_string_lossy())?;
                Running::InProcess { _started: acmedocs::start(&config).await? }
            }
        };
        let mut world = Self {
            edge: Edge::at(edge_address),
            edge_address,
            documents_address,
            idp,
            services,
            acmedocs,
            link,
            database,
            serving_role,
            _postgres: postgres,
            folder,
        };
        world.wait_until_healthy().await?;
        Ok(world)
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
    }

    async fn wait_until_healthy(&mut self) -> Result<(), Failed> {
        let healthy = async {
            loop {
                if let Running::Process(process) = &mut self.acmedocs {
                    if let Some(status) = process.try_wait()? {
                        return Err(Failed::from(format!("acmedocs ended: {status}")));
                    }
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

fn write(folder: &TempDir, name: &str, content: &serde_json::Value) -> Result<(), Failed> {
    Ok(fs::write(folder.path().join(name), content.to_string())?)
}

/// An address that is free now. Whoever takes it first has it: then acmedocs says so and ends.
fn free_address() -> Result<SocketAddr, Failed> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Built beside us by `cargo xtask demo`.
fn acmedocs_binary() -> Result<PathBuf, Failed> {
    let here = std::env::current_exe()?;
    let binary = here.parent().unwrap_or(Path::new(".")).join("acmedocs");
    if binary.exists() {
        Ok(binary)
    } else {
        Err(format!("{} is not built: run `cargo xtask demo`", binary.display()).into())
    }
}
