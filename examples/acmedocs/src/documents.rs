//! The documents service: gRPC in front, Postgres behind. It admits transaction tokens only.

mod store;

use sqlx::types::Uuid;
use tenantkit::{Error, TenantPool, TenantTx, grpc::TenantRequestExt, task};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use crate::proto::{
    CreateRequest, DeleteRequest, DeleteResponse, Document, ExportRequest, GetRequest, ListRequest,
    ListResponse, UpdateRequest, documents_server,
};

/// The most documents on a page.
const PAGE: i32 = 100;

/// `acmedocs.v1.Documents`, on Postgres.
#[derive(Debug, Clone)]
pub struct Documents {
    pool: TenantPool,
}

impl Documents {
    /// Keeps the documents in `pool`.
    #[must_use]
    pub const fn new(pool: TenantPool) -> Self {
        Self { pool }
    }
}

#[tonic::async_trait]
impl documents_server::Documents for Documents {
    async fn create(&self, request: Request<CreateRequest>) -> Result<Response<Document>, Status> {
        let mut tx = self.pool.begin(request.tenant()?).await.map_err(Error::from)?;
        let CreateRequest { title, body } = request.into_inner();
        check(&title, &body)?;
        let row = store::insert(&mut tx, &title, &body).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        Ok(Response::new(row.into()))
    }

    async fn get(&self, request: Request<GetRequest>) -> Result<Response<Document>, Status> {
        let mut tx = self.pool.begin_read_only(request.tenant()?).await.map_err(Error::from)?;
        let id = parse(&request.get_ref().id)?;
        let row = store::find(&mut tx, id).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        Ok(Response::new(row.into()))
    }

    async fn update(&self, request: Request<UpdateRequest>) -> Result<Response<Document>, Status> {
        let mut tx = self.pool.begin(request.tenant()?).await.map_err(Error::from)?;
        let UpdateRequest { id, title, body } = request.into_inner();
        check(&title, &body)?;
        let row = store::update(&mut tx, parse(&id)?, &title, &body).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        Ok(Response::new(row.into()))
    }

    async fn delete(
        &self,
        request: Request<DeleteRequest>,
    ) -> Result<Response<DeleteResponse>, Status> {
        let mut tx = self.pool.begin(request.tenant()?).await.map_err(Error::from)?;
        store::delete(&mut tx, parse(&request.get_ref().id)?).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;
        Ok(Response::new(DeleteResponse {}))
    }

    async fn list(&self, request: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        let mut tx = self.pool.begin_read_only(request.tenant()?).await.map_err(Error::from)?;
        let ListRequest { after, limit } = request.into_inner();
        let after = if after.is_empty() { None } else { Some(parse(&after)?) };
        let limit = if limit == 0 { PAGE } else { limit.clamp(1, PAGE) };
        let rows = store::page(&mut tx, after, limit.into()).await.map_err(Error::from)?;
        tx.commit().await.map_err(Error::from)?;

        let documents: Vec<_> = rows.into_iter().map(Document::from).collect();
        let is_full = i32::try_from(documents.len()) == Ok(limit);
        let last = documents.last().filter(|_| is_full);
        let next_after = last.map(|document| document.id.clone()).unwrap_or_default();
        Ok(Response::new(ListResponse { documents, next_after }))
    }

    type ExportStream = ReceiverStream<Result<Document, Status>>;

    async fn export(
        &self,
        request: Request<ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        let tx = self.pool.begin_read_only(request.tenant()?).await.map_err(Error::from)?;
        let (send, receive) = mpsc::channel(16);
        // Not `tokio::spawn`, which would leave the tenant's scope.
        task::spawn(export(tx, send)).map_err(Error::from)?;
        Ok(Response::new(ReceiverStream::new(receive)))
    }
}

/// Sends every document. It ends when the caller stops listening: then the send fails, and the
/// transaction is rolled back where it is dropped.
async fn export(mut tx: TenantTx, send: mpsc::Sender<Result<Document, Status>>) {
    let mut after = None;
    loop {
        let rows = match store::page(&mut tx, after, PAGE.into()).await {
            Ok(rows) => rows,
            Err(error) => {
                let _ = send.send(Err(Error::from(error).into())).await;
                return;
            }
        };
        let Some(last) = rows.last() else { return };
        after = Some(last.id);
        for row in rows {
            if send.send(Ok(row.into())).await.is_err() {
                return;
            }
        }
    }
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
    fn from(store::Row { id, title, body }: store::Row) -> Self {
        Self { id: id.to_string(), title, body }
    }
}
