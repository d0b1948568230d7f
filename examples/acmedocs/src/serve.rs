//! Starts both services on real sockets, and stops them gracefully.

use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use axum::serve::ListenerExt as _;
use tenantkit::{
    Authority, Source, TenantLayer, TenantPool, kafka,
    limit::{LimitLayer, limits::UnknownResource, retry::InvalidRetryPolicy},
    otel::trace,
};
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tonic::transport::server::TcpIncoming;

use crate::{
    Config,
    authority::{self, AuthorityError},
    changes::Changes,
    config::ConfigError,
    documents::{self, Documents},
    edge::{self, Cores},
    indexer::Indexer,
    limits::{Limited, LimitsError},
    proto::documents_server::DocumentsServer,
    telemetry::{self, Exports, Telemetry, TelemetryError},
};

/// How long a tenant that has its connections waits for one of them.
const CONNECTION: Duration = Duration::from_secs(1);

/// How long requests that are under way may take when the services stop.
const DRAIN: Duration = Duration::from_secs(10);

/// Why acmedocs does not start, or ended badly.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A service has no authority.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// An address cannot be listened on.
    #[error("{key}: cannot listen on {address}: {source}")]
    Listen {
        /// The key of the configuration.
        key: &'static str,
        /// What it says.
        address: SocketAddr,
        /// What is wrong.
        source: io::Error,
    },
    /// The documents service's address is not one.
    #[error("edge.documents_url may be like http://127.0.0.1:50051: {0}")]
    DocumentsUrl(tonic::transport::Error),
    /// The tenants' limits are not as they should be.
    #[error(transparent)]
    Limits(#[from] LimitsError),
    /// A route or a service is limited by what the document of limits cannot speak of.
    #[error("limits: {0}")]
    Resource(#[from] UnknownResource),
    /// What the edge sends again is not as it should be.
    #[error("the edge's retries: {0}")]
    Retries(#[from] InvalidRetryPolicy),
    /// There is nothing that reports can be computed on.
    #[error("the edge's reports: {0}")]
    Reports(io::Error),
    /// What is said of a tier is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The database cannot be migrated.
    #[error(transparent)]
    Migrate(#[from] crate::migrate::MigrateError),
    /// The database cannot be used, or would not keep tenants apart.
    #[error("documents.database_url: {0}")]
    Database(#[from] tenantkit::postgres::Error),
    /// Changes cannot be told.
    #[error("kafka: {0}")]
    Changes(#[from] kafka::BuildError),
    /// Changes cannot be consumed.
    #[error("kafka: {0}")]
    Indexer(#[from] kafka::InvalidConsumer),
    /// Nothing can be told of the services.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// A service panicked, outside of any request.
    #[error("a service panicked")]
    Panicked,
    /// The edge ended.
    #[error("the edge ended: {0}")]
    Edge(#[from] io::Error),
    /// The indexer ended.
    #[error("the indexer ended: {0}")]
    Indexing(#[from] kafka::ConsumeError),
    /// The documents service ended.
    #[error("the documents service ended: {0}")]
    Documents(#[from] tonic::transport::Error),
}

/// Both services, running. Dropping it aborts them.
#[derive(Debug)]
pub struct Started {
    /// Where the edge listens.
    pub edge: SocketAddr,
    /// Where the documents service listens.
    pub documents: SocketAddr,
    /// Where the built-in page is, if anywhere.
    pub page: Option<SocketAddr>,
    telemetry: [Telemetry; 2],
    stop: watch::Sender<()>,
    tasks: JoinSet<Result<(), Error>>,
}

/// Migrates, checks that the database keeps tenants apart, and starts both services.
///
/// # Errors
///
/// Says which key of the configuration is wrong, or what the database lacks and the SQL that mends it.
pub async fn start(config: &Config) -> Result<Started, Error> {
    start_with(config, None).await
}

/// The same, which tells the exports what it audits, and who is heavy.
///
/// # Errors
///
/// As [`start`].
pub async fn start_with(config: &Config, exports: Option<&Exports>) -> Result<Started, Error> {
    // Both first: a mistake in either is told before the database is touched.
    let of_documents = authority::documents_with(config, exports)?;
    let of_edge = authority::edge_with(config, exports)?;
    let limits = Limited::by(config, &of_edge, &of_documents)?;
    let (in_documents, in_edge) = (
        Telemetry::of(config, "documents", &of_documents)?,
        Telemetry::of(config, "edge", &of_edge)?,
    );
    if let Some(exports) = exports {
        in_edge.observe_exports(exports)?;
    }
    if let Some(limits) = &limits {
        in_edge.observe_limits(&limits.edge)?;
        in_documents.observe_limits(&limits.documents)?;
    }
    let (stop, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    let documents = start_documents(
        config,
        &of_documents,
        limits.as_ref(),
        &in_documents,
        stopped.clone(),
        &mut tasks,
    )
    .await?;
    let edge = start_edge(config, &of_edge, limits.as_ref(), &in_edge, stopped.clone(), &mut tasks)
        .await?;
    let page = start_page(config, &of_edge, &in_edge, stopped.clone(), &mut tasks).await?;
    until(stopped.clone(), in_edge.clone().follow(exports.cloned()), &mut tasks);
    if let Some(limits) = limits {
        until(stopped, limits.follow(), &mut tasks);
    }
    let telemetry = [in_edge, in_documents];
    Ok(Started { edge, documents, page, telemetry, stop, tasks })
}

impl Started {
    /// Waits until a service ends by itself, which none should.
    ///
    /// # Errors
    ///
    /// Why it ended.
    ///
    /// # Cancellation
    ///
    /// Nothing is lost: it may be called again.
    pub async fn ended(&mut self) -> Result<(), Error> {
        match self.tasks.join_next().await {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(Error::Panicked),
            None => Ok(()),
        }
    }

    /// Takes no new requests, and waits for those that are under way, at most 10 s.
    ///
    /// # Errors
    ///
    /// When a service ended badly.
    pub async fn stop(mut self) -> Result<(), Error> {
        self.stop.send_replace(());
        let drained = async {
            while !self.tasks.is_empty() {
                self.ended().await?;
            }
            Ok(())
        };
        // Whoever is not done by then is cut off: their transactions roll back.
        let drained = tokio::time::timeout(DRAIN, drained).await.unwrap_or(Ok(()));
        let telemetry = self.telemetry;
        // It waits for the collector.
        let told = move || telemetry.iter().for_each(Telemetry::stop);
        let _ = tokio::task::spawn_blocking(told).await;
        drained
    }
}

/// Does something beside the services, until they stop.
fn until(
    mut stopped: watch::Receiver<()>,
    beside: impl Future<Output = ()> + Send + 'static,
    tasks: &mut JoinSet<Result<(), Error>>,
) {
    tasks.spawn(async move {
        tokio::select! {
            () = beside => {}
            _ = stopped.changed() => {}
        }
        Ok(())
    });
}

async fn start_documents(
    config: &Config,
    authority: &Authority,
    limits: Option<&Limited>,
    telemetry: &Telemetry,
    mut stopped: watch::Receiver<()>,
    tasks: &mut JoinSet<Result<(), Error>>,
) -> Result<SocketAddr, Error> {
    crate::migrate::migrate(authority, &config.documents).await?;
    let connections = config.documents.max_connections.get();
    let pool = TenantPool::builder(authority).options(|it| it.max_connections(connections));
    let timeouts = config.documents.statement_timeouts()?.into_iter();
    let pool = timeouts.fold(pool, |pool, (tier, most)| pool.statement_timeout_of(tier, most));
    let pool = match config.documents.connections_per_tenant()? {
        Some(most) => pool.connections_per_tenant(most).connections_wait(CONNECTION),
        None => pool,
    };
    let pool = pool.connect(&config.documents.database_url).await?;

    let (listener, address) = listen("documents.listen", config.documents.listen).await?;
    // The edge's traces go on here. At the edge each begins: whoever calls it is a stranger.
    let layer = TenantLayer::new(authority).admit(Source::TxnToken).trace(trace::adopt);
    telemetry.observe_pool(&pool)?;
    let changes = match &config.kafka {
        Some(kafka) => Changes::told(kafka, authority)?,
        None => Changes::untold(),
    };
    if let Some(kafka) = &config.kafka {
        // A quarter of the connections: the others are for callers.
        let handlers = connections.div_ceil(4) as usize;
        let indexer = Indexer::new(kafka, authority, pool.clone(), handlers)?;
        let indexer = indexer.counting(Arc::clone(telemetry.top()));
        telemetry.observe_consumer(&indexer.handle())?;
        tasks.spawn(run_indexer(indexer, stopped.clone()));
    }
    let service = DocumentsServer::new(Documents::new(pool, changes.clone()));
    // Health needs no tenant: it stands beside the layer and not behind it.
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<DocumentsServer<Documents>>().await;
    let router = documents::server().add_service(health_service);
    let counted = telemetry.requests();
    let router = match limits {
        // Inside the tenant's layer: limits ask who is calling.
        Some(limits) => {
            let calls = LimitLayer::new(limits.documents.resource("calls")?);
            let service = counted.layer(calls.named_layer(service));
            router.add_service(counted.layer(layer.named_layer(service)))
        }
        None => {
            let service = counted.layer(service);
            router.add_service(counted.layer(layer.named_layer(service)))
        }
    };
    tasks.spawn(async move {
        // Small frames that wait for the caller's acknowledgement wait 40 ms.
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let stop = async move { drop(stopped.changed().await) };
        router.serve_with_incoming_shutdown(incoming, stop).await?;
        changes.flush().await;
        Ok(())
    });
    Ok(address)
}

async fn start_edge(
    config: &Config,
    authority: &Authority,
    limits: Option<&Limited>,
    telemetry: &Telemetry,
    mut stopped: watch::Receiver<()>,
    tasks: &mut JoinSet<Result<(), Error>>,
) -> Result<SocketAddr, Error> {
    let channel = edge::channel(&config.edge.documents_url).map_err(Error::DocumentsUrl)?;

    let (listener, address) = listen("edge.listen", config.edge.listen).await?;
    let documents = edge::documents(authority, channel)?;
    // As above. A connection on which it fails is slow, and no worse.
    let listener = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    let cores = limits.map(|_| Cores::of_this_machine()).transpose().map_err(Error::Reports)?;
    let limits = limits.map(|limits| &limits.edge).zip(cores);
    let router = edge::router(authority, documents, limits, telemetry)?;
    // The peer's address, for the audit events.
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tasks.spawn(async move {
        let stop = async move { drop(stopped.changed().await) };
        Ok(axum::serve(listener, service).with_graceful_shutdown(stop).await?)
    });
    Ok(address)
}

/// The built-in page, where it is asked for.
async fn start_page(
    config: &Config,
    authority: &Authority,
    telemetry: &Telemetry,
    stopped: watch::Receiver<()>,
    tasks: &mut JoinSet<Result<(), Error>>,
) -> Result<Option<SocketAddr>, Error> {
    let Some(page) = config.telemetry.as_ref().and_then(|it| it.page) else { return Ok(None) };
    let (listener, address) = listen("telemetry.page", page).await?;
    let page = telemetry::serve(listener, authority.clone(), telemetry.board().clone(), stopped);
    tasks.spawn(async move { Ok(page.await?) });
    Ok(Some(address))
}

/// What is under way is done and committed before it leaves the group.
async fn run_indexer(indexer: Indexer, mut stopped: watch::Receiver<()>) -> Result<(), Error> {
    let handle = indexer.handle();
    let mut running = pin!(indexer.run());
    tokio::select! {
        ended = &mut running => return Ok(ended?),
        _ = stopped.changed() => handle.shutdown(),
    }
    Ok(running.await?)
}

async fn listen(
    key: &'static str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), Error> {
    let listener = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok((listener, bound))
    };
    listener.await.map_err(|source| Error::Listen { key, address, source })
}
