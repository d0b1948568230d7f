//! The documents service: gRPC in front, Postgres behind. It admits transaction tokens only.

mod store;

use sqlx::types::Uuid;
use tenantkit::{Error, TenantContext, TenantPool, grpc::TenantRequestExt, task};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, transport::Server};

use crate::{
    changes::{Change, Changes},
    proto::{
        CreateRequest, DeleteRequest, DeleteResponse, Document, ExportRequest, GetRequest, Heading,
        ListRequest, ListResponse, SearchRequest, SearchResponse, UpdateRequest, documents_server,
    },
    search,
};

/// The most headings on a page.
const PAGE: i32 = 100;
/// The documents that an export has in memory: of 400 KB each, at most.
const AT_ONCE: i32 = 10;

/// Calls that were given up before the service has seen them, on one connection. More end the connection,
/// with every call on it. By default it is 20, against callers who do so to do harm; here it is the edge's
/// one connection, on which the callers of all tenants come, and hang up as they like.
const GIVEN_UP: usize = 4096;

/// A server for the documents service, as its one caller needs it.
#[must_use]
pub fn server() -> Server {
    Server::builder().http2_max_pending_accept_reset_streams(Some(GIVEN_UP))
}

/// `acmedocs.v1.Documents`, on Postgres.
#[derive(Debug, Clone)]
pub struct Documents {
    pool: TenantPool,
    changes: Changes,
}

impl Documents {
    /// Keeps the documents in `pool`, and tells their `changes`.
    #[must_use]
    pub const fn new(pool: TenantPool, changes: Changes) -> Self {
        Self { pool, changes }
    }
}

#[tonic::async_trait]
impl documents_server::Documents for Documents {
    async fn create(&self, request: Request<CreateRequest>) -> Result<Response<Document>, Status> {
        // Before a connection is taken: what is wrong costs nobody else one.
        let CreateRequest { title, body } = request.get_ref();
        check(title, body)?;
        let tenant = request.tenant()?;
        let mut tx = self.pool.begin(tenant).await.map_err(Error::from)?;
        let row = store::insert(&mut tx, title, body).await.map_err(Error::from)?;
        self.changes.commit(tx, tenant, &(&row).into()).await?;
        Ok(Response::new(row.into()))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Document>, Status> {
        let id = parse(&request.get_ref().id)?;
        let mut tx = self.pool.begin_read_only(request.tenant()?).await.map_err(Error::from)?;
        let row = store::find(&mut tx, id).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        Ok(Response::new(row.into()))
    }

    async fn update(&self, request: Request<UpdateRequest>) -> Result<Response<Document>, Status> {
        let UpdateRequest { id, title, body } = request.get_ref();
        let id = parse(id)?;
        check(title, body)?;
        let tenant = request.tenant()?;
        let mut tx = self.pool.begin(tenant).await.map_err(Error::from)?;
        let row = store::update(&mut tx, id, title, body).await.map_err(Error::from)?;
        self.changes.commit(tx, tenant, &(&row).into()).await?;
        Ok(Response::new(row.into()))
    }

    async fn delete(
        &self,
        request: Request<DeleteRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let id = parse(&request.get_ref().id)?;
        let tenant = request.tenant()?;
        let mut tx = self.pool.begin(tenant).await.map_err(Error::from)?;
        let version = store::delete(&mut tx, id).await.map_err(Error::from)?;
        let change = Change::Deleted { id: id.to_string(), version };
        self.changes.commit(tx, tenant, &change).await?;
        Ok(Response::new(DeleteResponse {}))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let ListRequest { after, limit } = request.get_ref();
        let after = if after.is_empty() { None } else { Some(parse(after)?) };
        let limit = match *limit {
            0 => PAGE,
            limit if limit > 0 => limit.min(PAGE),
            _ => return Err(Status::invalid_argument("limit: at least 0")),
        };
        let mut tx = self.pool.begin_read_only(request.tenant()?).await.map_err(Error::from)?;
        let rows = store::headings(&mut tx, after, limit).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;

        let documents = rows.into_iter().map(|(id, title)| Heading { id: id.to_string(), title });
        let documents: Vec<_> = documents.collect();
        let is_full = i32::try_from(documents.len()) == Ok(limit);
        let last = documents.last().filter(|_| is_full);
        let next_after = last.map(|document| document.id.clone()).unwrap_or_default();
        Ok(Response::new(ListResponse { documents, next_after }))
    }

    async fn search(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<SearchResponse>, Status> {
        if !self.changes.are_told() {
            return Err(Status::unimplemented("search: needs the key kafka"));
        }
        let query = &request.get_ref().query;
        if query.is_empty() || query.chars().count() > 200 || query.contains('\0') {
            return Err(Status::invalid_argument("query: 1 to 200 characters, none of them NUL"));
        }
        let mut tx = self.pool.begin_read_only(request.tenant()?).await.map_err(Error::from)?;
        let rows = search::find(&mut tx, query, PAGE).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;

        let documents = rows.into_iter().map(|(id, title)| Heading { id: id.to_string(), title });
        Ok(Response::new(SearchResponse { documents: documents.collect() }))
    }

    type ExportStream = ReceiverStream<Result<Document, Status>>;

    async fn export(
        &self,
        request: Request<ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let (pool, tenant) = (self.pool.clone(), request.tenant()?.clone());
        let first = page(&pool, &tenant, None).await?;
        let (send, receive) = mpsc::channel(1);
        // Not `tokio::spawn`, which would leave the tenant's scope.
        task::spawn(export(pool, tenant, first, send)).map_err(Error::from)?;
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}

/// Sends every document, and ends when the caller stops listening: then the send fails. In a task, because an answer that
/// nobody reads is not polled, and a part that it was about to read would keep its connection.
async fn export(
    pool: TenantPool,
    tenant: TenantContext,
    mut rows: Vec<store::Row>,
    send: mpsc::Sender<Result<Document, Status>>,
) {
    while let Some(last) = rows.last() {
        // A part that is not full is the last one.
        let after = (i32::try_from(rows.len()) == Ok(AT_ONCE)).then_some(last.id);
        for row in rows {
            if send.send(Ok(row.into())).await.is_err() {
                return;
            }
        }
        let Some(after) = after else { return };
        rows = match page(&pool, &tenant, Some(after)).await {
            Ok(rows) => rows,
            Err(error) => {
                let _ = send.send(Err(error.into())).await;
                return;
            }
        };
    }
}

/// A part of an export, in a transaction of its own: however slowly a caller reads, no connection waits
/// for it.
async fn page(
    pool: &TenantPool,
    tenant: &TenantContext,
    after: Option<Uuid>,
) -> Result<Vec<store::Row>, Error> {
    let mut tx = pool.begin_read_only(tenant).await?;
    let rows = store::page(&mut tx, after, AT_ONCE).await?;
    tx.commit().await?;
    Ok(rows)
}

/// What the table would refuse, said in the caller's words.
fn check(title: &str, body: &str) -> Result<(), Status> {
    if title.is_empty() || title.chars().count() > 200 || title.contains('\0') {
        return Err(Status::invalid_argument("title: 1 to 200 characters, none of them NUL"));
    }
    if body.chars().count() > 100_000 || body.contains('\0') {
        return Err(Status::invalid_argument("body: at most 100000 characters, none of them NUL"));
    }
    Ok(())
}

fn parse(id: &str) -> Result<Uuid, Status> {
    id.parse().map_err(|_| Status::invalid_argument("id: a UUID"))
}

impl From<store::Row> for Document {
    fn from(store::Row { id, title, body, .. }: store::Row) -> Self {
        Self { id: id.to_string(), title, body }
    }
}

impl<'a> From<&'a store::Row> for Change<'a> {
    fn from(store::Row { id, title, body, version }: &'a store::Row) -> Self {
        Self::Written {
            id: id.to_string(),
            version: *version,
            title: title.into(),
            body: body.into(),
        }
    }
}
