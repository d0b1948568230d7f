//! The edge: HTTP for the outside world. It admits bearer tokens only, and calls the documents
//! service with a transaction token that the client layer mints.

mod cores;
mod report;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Extension, Json, Router,
    extract::{MatchedPath, Path, Query, Request, State},
    http::StatusCode,
    middleware::map_request,
    routing::{get, post, put},
};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use tenantkit::{
    Authority, Error, Source, TenantClientLayer, TenantContext, TenantLayer, Waited,
    grpc::client::TenantClient,
    limit::{
        LimitLayer, Onward,
        client::{RetryLayer, RetryService},
        concurrency::Permit,
        limits::{Limits, UnknownResource},
        retry::{InvalidRetryPolicy, RetryBudget, RetryPolicy},
    },
    otel::trace,
    task,
};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

pub use self::cores::Cores;
use self::report::Report;
use crate::{
    host::Host,
    proto::{self, documents_client::DocumentsClient},
    telemetry::Telemetry,
};

/// The documents service, as the edge calls it: a call outside a tenant's scope is refused, and a read
/// that found the service gone is sent again.
pub type Documents = DocumentsClient<RetryService<TenantClient<Channel>>>;

/// What can be called twice for once.
const READS: [&str; 2] = ["/acmedocs.v1.Documents/Get", "/acmedocs.v1.Documents/List"];

/// Longer than a new connection takes, and shorter than what an overloaded service asks for: that is the
/// caller's to wait, who holds a permit here meanwhile.
const AGAIN: Duration = Duration::from_millis(250);

/// How long the documents service may take to take a call, and to answer it. Longer than it waits for
/// a statement, so that its own answer comes first.
const CONNECT: Duration = Duration::from_secs(5);
const CALL: Duration = Duration::from_secs(45);

/// Calls that were given up, whose late answers the connection knows and ignores. An answer that it knows
/// nothing of is a mistake of the peer's, and ends the connection for every tenant after 1,024 of them:
/// with its 50 by default, a caller who hangs up often enough did that to all others.
const GIVEN_UP: usize = 4096;

/// To the documents service at `url`, connected when it is needed. A service that hangs is as
/// unavailable as one that is gone. Calls that are given up, however many, end no other.
///
/// # Errors
///
/// When it is no URL.
pub fn channel(url: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?;
    let endpoint = endpoint.connect_timeout(CONNECT).timeout(CALL);
    // The mistakes are not counted either: the peer is our own, and they are not its.
    let endpoint = endpoint.http2_max_concurrent_reset_streams(GIVEN_UP);
    Ok(endpoint.http2_max_local_error_reset_streams(None).connect_lazy())
}

/// A client of the documents service behind `channel`. What it sends again is within a budget for each
/// tenant, and what a caller has given up is not sent.
///
/// # Errors
///
/// When the policy is none, which this one is not.
pub fn documents(authority: &Authority, channel: Channel) -> Result<Documents, InvalidRetryPolicy> {
    let budget = RetryBudget::builder().build(Arc::clone(authority.clock()))?;
    let policy = RetryPolicy::builder().max_wait(AGAIN).build()?;
    let retry = RetryLayer::new(authority, policy, Arc::new(budget));
    let retry = READS.iter().fold(retry, |retry, path| retry.idempotent_unary(path));
    // Inside, so that each attempt is checked anew and has a token that is good.
    let calls = TenantClientLayer::new(authority).trace(trace::inject).layer(channel);
    Ok(DocumentsClient::new(retry.layer(calls)))
}

/// Every route. What needs no tenant is outside the layer; there is no list of exempt paths. Limits are given
/// with the cores that reports compute on.
///
/// # Errors
///
/// When the limits do not speak of what the routes are limited by.
pub fn router(
    authority: &Authority,
    documents: Documents,
    limits: Option<(&Limits, Cores)>,
    telemetry: &Telemetry,
) -> Result<Router, UnknownResource> {
    let (limits, cores) = limits.unzip();
    let reads = Router::new()
        .route("/v1/ping", get(ping))
        .route("/v1/documents", get(list))
        .route("/v1/documents/{id}", get(read))
        .route("/v1/search", get(search));
    let writes = Router::new()
        .route("/v1/documents", post(create))
        .route("/v1/documents/{id}", put(update).delete(delete));
    let exports = Router::new().route("/v1/exports", post(export));
    // Limits are for what comes, this for what is at work.
    let exports = match cores {
        Some(cores) => exports.layer(Extension(cores)),
        None => exports,
    };

    let tenants = limited(limits, "reads", reads)?
        .merge(limited(limits, "writes", writes)?)
        .merge(limited(limits, "exports", exports)?)
        .with_state(documents)
        .layer(map_request(name))
        // Inside, where it is known whose requests they are.
        .layer(telemetry.requests().clone())
        // Outside the limits, which ask who is calling.
        .layer(TenantLayer::new(authority).admit(Source::Bearer).admit(Host::SOURCE))
        // And outside, where those are refused of whom nobody knows.
        .layer(telemetry.requests().clone());
    Ok(Router::new().route("/healthz", get(|| async { "ok" })).merge(tenants))
}

/// Limits routes as one resource, where anything is limited.
fn limited(
    limits: Option<&Limits>,
    resource: &str,
    routes: Router<Documents>,
) -> Result<Router<Documents>, UnknownResource> {
    let Some(limits) = limits else { return Ok(routes) };
    Ok(routes.route_layer(LimitLayer::new(limits.resource(resource)?).lend_permit()))
}

/// Tells the span which route it is. A path is as good as a document's id, and not told.
async fn name(request: Request) -> Request {
    if let Some(route) = request.extensions().get::<MatchedPath>() {
        tracing::Span::current().record("http.route", route.as_str());
    }
    request
}

#[derive(Debug, Serialize)]
struct Pong {
    tenant: String,
    tier: &'static str,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    #[serde(default)]
    after: String,
    #[serde(default)]
    limit: i32,
}

/// Every word that a document is to have.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    q: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    title: String,
    #[serde(default)]
    body: String,
}

/// How much an export is to cost.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(default = "usual_rounds", deserialize_with = "rounds")]
    rounds: u32,
}

#[derive(Debug, Serialize)]
struct Document {
    id: String,
    title: String,
    body: String,
}

#[derive(Debug, Serialize)]
struct Heading {
    id: String,
    title: String,
}

#[derive(Debug, Serialize)]
struct Listing {
    documents: Vec<Heading>,
    #[serde(skip_serializing_if = "String::is_empty")]
    next_after: String,
}

async fn ping(tenant: TenantContext) -> Json<Pong> {
    Json(Pong { tenant: tenant.tenant().to_string(), tier: tenant.tier().as_str() })
}

async fn list(
    State(mut documents): State<Documents>,
    Query(Page { after, limit }): Query<Page>,
) -> Result<Json<Listing>, Error> {
    let page = documents.list(proto::ListRequest { after, limit }).await?.into_inner();
    Ok(Json(Listing { documents: headings(page.documents), next_after: page.next_after }))
}

async fn search(
    State(mut documents): State<Documents>,
    Query(Words { q: query }): Query<Words>,
) -> Result<Json<Listing>, Error> {
    let found = documents.search(proto::SearchRequest { query }).await?.into_inner();
    Ok(Json(Listing { documents: headings(found.documents), next_after: String::new() }))
}

async fn create(
    State(mut documents): State<Documents>,
    Json(Draft { title, body }): Json<Draft>,
) -> Result<(StatusCode, Json<Document>), Error> {
    let created = documents.create(proto::CreateRequest { title, body }).await?;
    Ok((StatusCode::CREATED, Json(created.into_inner().into())))
}

async fn read(
    State(mut documents): State<Documents>,
    Path(id): Path<String>,
) -> Result<Json<Document>, Error> {
    Ok(Json(documents.get(proto::GetRequest { id }).await?.into_inner().into()))
}

async fn update(
    State(mut documents): State<Documents>,
    Path(id): Path<String>,
    Json(Draft { title, body }): Json<Draft>,
) -> Result<Json<Document>, Error> {
    let updated = documents.update(proto::UpdateRequest { id, title, body }).await?;
    Ok(Json(updated.into_inner().into()))
}

async fn delete(
    State(mut documents): State<Documents>,
    Path(id): Path<String>,
) -> Result<StatusCode, Error> {
    documents.delete(proto::DeleteRequest { id }).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn export(
    State(mut documents): State<Documents>,
    tenant: TenantContext,
    cores: Option<Extension<Cores>>,
    permit: Option<Extension<Onward>>,
    order: Option<Json<Order>>,
) -> Result<(Extension<Waited>, Json<Report>), Error> {
    let rounds = order.map_or(report::ROUNDS, |Json(order)| order.rounds);
    let mut rows = documents.export(proto::ExportRequest {}).await?.into_inner();
    let mut draft = report::Draft::new();
    while let Some(document) = rows.message().await? {
        draft.add(&document);
    }
    let (asked, mut waited) = (Instant::now(), Waited::default());
    let caller = Arc::new(());
    let waits = Arc::downgrade(&caller);
    let on = move |core: Option<Permit>| {
        move || {
            let report = draft.finish(rounds, || waits.strong_count() > 0);
            // Also of a caller who has hung up: until here a core was at work for the tenant.
            drop((core, permit));
            report
        }
    };
    // Milliseconds of pure work keep everybody else waiting on an asynchronous thread.
    let report = match cores {
        Some(Extension(cores)) => {
            let core = cores.one_for(tenant.tenant()).await?;
            waited += asked.elapsed();
            cores.compute(on(Some(core)))?
        }
        // Not `tokio::task::spawn_blocking`, which would leave the tenant's scope.
        None => task::spawn_blocking(on(None))?,
    };
    let report = report.await;
    // Until here: a caller who hangs up drops this future, and the work ends as well.
    drop(caller);
    let report = report.ok().flatten().ok_or_else(|| Status::internal("the report panicked"))?;
    Ok((Extension(waited), Json(report)))
}

fn headings(found: Vec<proto::Heading>) -> Vec<Heading> {
    found.into_iter().map(|proto::Heading { id, title }| Heading { id, title }).collect()
}

const fn usual_rounds() -> u32 {
    report::ROUNDS
}

fn rounds<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let rounds = u32::deserialize(deserializer)?;
    let is_possible = (1..=report::MOST_ROUNDS).contains(&rounds);
    let wrong =
        || D::Error::custom(format_args!("rounds may be from 1 to {}", report::MOST_ROUNDS));
    is_possible.then_some(rounds).ok_or_else(wrong)
}

impl From<proto::Document> for Document {
    fn from(proto::Document { id, title, body }: proto::Document) -> Self {
        Self { id, title, body }
    }
}
