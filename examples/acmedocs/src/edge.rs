//! The edge: HTTP for the outside world. It admits bearer tokens only, and calls the documents
//! service with a transaction token that the client layer mints.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::StatusCode,
    routing::get,
};
use serde::{Deserialize, Serialize};
use tenantkit::{
    Authority, Error, Source, TenantClientLayer, TenantContext, TenantLayer,
    grpc::client::TenantClient,
};
use tonic::transport::{Channel, Endpoint};

use crate::{
    host::Host,
    proto::{self, documents_client::DocumentsClient},
};

/// The documents service, as the edge calls it: a call outside a tenant's scope is refused.
pub type Documents = DocumentsClient<TenantClient<Channel>>;

/// How long the documents service may take to take a call, and to answer it. Longer than it waits for
/// a statement, so that its own answer comes first.
const CONNECT: Duration = Duration::from_secs(5);
const CALL: Duration = Duration::from_secs(45);

/// To the documents service at `url`, connected when it is needed. A service that hangs is as
/// unavailable as one that is gone.
///
/// # Errors
///
/// When it is no URL.
pub fn channel(url: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?;
    Ok(endpoint.connect_timeout(CONNECT).timeout(CALL).connect_lazy())
}

/// A client of the documents service behind `channel`.
#[must_use]
pub fn documents(authority: &Authority, channel: Channel) -> Documents {
    DocumentsClient::new(TenantClientLayer::new(authority).layer(channel))
}

/// Every route. What needs no tenant is outside the layer; there is no list of exempt paths.
pub fn router(authority: &Authority, documents: Documents) -> Router {
    let tenants = Router::new()
        .route("/v1/ping", get(ping))
        .route("/v1/documents", get(list).post(create))
        .route("/v1/documents/{id}", get(read).put(update).delete(delete))
        .with_state(documents)
        .layer(TenantLayer::new(authority).admit(Source::Bearer).admit(Host::SOURCE));
    Router::new().route("/healthz", get(|| async { "ok" })).merge(tenants)
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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Draft {
    title: String,
    #[serde(default)]
    body: String,
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
    let headings = page.documents.into_iter();
    let found = headings.map(|proto::Heading { id, title }| Heading { id, title }).collect();
    Ok(Json(Listing { documents: found, next_after: page.next_after }))
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

impl From<proto::Document> for Document {
    fn from(proto::Document { id, title, body }: proto::Document) -> Self {
        Self { id, title, body }
    }
}
