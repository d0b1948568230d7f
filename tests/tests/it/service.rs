//! A documents service whose directory and clock are in the test's hands, with an axum service of a
//! few lines beside it on the same pool.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use acmedocs::{
    authority::MIGRATE,
    changes::Changes,
    config::{Documents as Config, TIERS},
    documents::Documents,
    migrate::migrate,
    proto::{documents_client::DocumentsClient, documents_server::DocumentsServer},
};
use axum::Router;
use demo::{Issuer, TRUST_DOMAIN, issuer};
use serde_json::json;
use tenantkit::{
    Authority, KeySet, ManualClock, MemoryDirectory, Source, TenantId, TenantLayer, TenantPool,
    TenantRecord, TxnTokens, UnixTime, test_util::MemorySink,
};
use throwaway::{Database, Proxy};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Request,
    transport::{Channel, Server},
};

use crate::support::{busy_sessions, eventually, postgres};

pub(crate) struct Service {
    pub(crate) authority: Authority,
    pub(crate) directory: Arc<MemoryDirectory>,
    pub(crate) audit: Arc<MemorySink>,
    pub(crate) clock: ManualClock,
    pub(crate) edge: Issuer,
    pub(crate) pool: TenantPool,
    pub(crate) link: Proxy,
    serving: String,
    address: SocketAddr,
    tasks: JoinSet<()>,
    database: Database,
}

impl Service {
    /// With a pool of so many connections, over a link.
    pub(crate) async fn start(connections: u32) -> Self {
        let database = postgres().fresh_database().unwrap();
        let owner = database.role("owner", "NOBYPASSRLS").unwrap();
        let serving = database.role("serving", "NOBYPASSRLS").unwrap();
        let owned = format!("ALTER DATABASE {} OWNER TO {owner}", database.name());
        database.execute(owned).unwrap();
        let link = Proxy::start(postgres().address().unwrap()).unwrap();

        let edge = Issuer::new("edge-1").unwrap();
        let keys = KeySet::parse(&json!({ "keys": [edge.service_jwk()] }).to_string()).unwrap();
        let clock = ManualClock::at(UnixTime::from_secs(issuer::now()));
        let directory = Arc::new(MemoryDirectory::new(
            ["acme", "globex"].map(|name| (id(name), TenantRecord::active(gold()))),
        ));
        let audit = Arc::new(MemorySink::default());
        let authority = Authority::builder(TIERS)
            .txn_tokens(TxnTokens::new(TRUST_DOMAIN, "documents", keys).unwrap())
            .directory(Arc::clone(&directory))
            .audit(Arc::clone(&audit))
            .clock(clock.clone())
            .allow(MIGRATE)
            .build()
            .unwrap();
        let config = Config {
            listen: ([127, 0, 0, 1], 0).into(),
            audit_log: "unused".into(),
            workload: "documents".into(),
            database_url: database.url_through(&link, &serving),
            owner_url: database.url(&owner),
            max_connections: connections.try_into().unwrap(),
            statement_timeout_ms: Default::default(),
            connections_per_tenant_percent: None,
        };
        migrate(&authority, &config).await.unwrap();
        let pool = TenantPool::builder(&authority).options(|options| {
            options.max_connections(connections).acquire_timeout(Duration::from_secs(10))
        });
        let pool = pool.connect(&config.database_url).await.unwrap();

        let layer = TenantLayer::new(&authority).admit(Source::TxnToken);
        let documents = layer
            .named_layer(DocumentsServer::new(Documents::new(pool.clone(), Changes::untold())));
        let (listener, address) = listen().await;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            let served = Server::builder().add_service(documents).serve_with_incoming(incoming);
            served.await.unwrap();
        });
        Self {
            authority,
            directory,
            audit,
            clock,
            edge,
            pool,
            link,
            serving,
            address,
            tasks,
            database,
        }
    }

    /// Serves `routes` behind the tenant layer, and says where.
    pub(crate) async fn serve(&mut self, routes: Router<TenantPool>) -> SocketAddr {
        let layer = TenantLayer::new(&self.authority).admit(Source::TxnToken);
        let router = routes.layer(layer).with_state(self.pool.clone());
        let (listener, address) = listen().await;
        self.tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        address
    }

    pub(crate) async fn client(&self) -> DocumentsClient<Channel> {
        DocumentsClient::connect(format!("http://{}", self.address)).await.unwrap()
    }

    /// A token for alice of this tenant, good for 120 s by the service's clock.
    pub(crate) fn token(&self, tenant: &str) -> String {
        self.edge.txn_token(tenant, "alice", self.authority.now().as_secs())
    }

    pub(crate) fn request<T>(&self, tenant: &str, message: T) -> Request<T> {
        with_token(&self.token(tenant), message)
    }

    /// Changes the directory's record of a tenant.
    pub(crate) fn set(&self, tenant: &str, change: impl FnOnce(TenantRecord) -> TenantRecord) {
        self.directory.set(id(tenant), change(TenantRecord::active(gold())));
    }

    /// Documents of a tenant, written past the service.
    pub(crate) fn fill(&self, tenant: &str, documents: usize) {
        let body = "x".repeat(1000);
        let sql = format!(
            "INSERT INTO documents (tenant_id, title, body)
             SELECT '{tenant}', 'of {tenant} ' || n, '{body}' FROM generate_series(1, {documents}) n"
        );
        self.database.execute(sql).unwrap();
    }

    pub(crate) async fn busy_sessions(&self) -> i64 {
        busy_sessions(&self.database.admin_url(), &self.serving).await
    }

    /// Waits until no transaction is open and every connection is back, and looks at each for what
    /// an earlier tenant has left.
    pub(crate) async fn nothing_is_left(&self) {
        eventually("no transaction is open", async || self.busy_sessions().await == 0).await;
        let pool = &self.pool;
        eventually("every connection is back", async || pool.idle() == pool.size() as usize).await;
    }
}

pub(crate) fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("txn-token", token.parse().unwrap());
    request
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

pub(crate) fn id(name: &str) -> TenantId {
    name.parse().unwrap()
}

fn gold() -> tenantkit::Tier {
    TIERS.get("gold").unwrap()
}
