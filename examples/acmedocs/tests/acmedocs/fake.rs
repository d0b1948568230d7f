//! A documents service without documents, that answers when a test says so.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc::Receiver,
    },
    thread,
};

use acmedocs::{
    documents,
    proto::{
        CreateRequest, DeleteRequest, DeleteResponse, Document, ExportRequest, GetRequest,
        ListRequest, ListResponse, SearchRequest, SearchResponse, UpdateRequest,
        documents_server::{self, DocumentsServer},
    },
};
use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::{Notify, Semaphore},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

/// It does not ask who is calling.
pub(super) struct Fake {
    /// How many calls it has seen.
    pub(super) seen: AtomicUsize,
    /// `get` waits for these.
    pub(super) answers: Semaphore,
    /// `list` waits for this.
    pub(super) ended: Notify,
    /// `create` stops the whole service until this is said, and is unavailable without it.
    pub(super) goes_on: Mutex<Option<Receiver<()>>>,
    /// So many calls of `get` find it unavailable.
    pub(super) down: AtomicUsize,
}

impl Fake {
    /// Starts it on a thread of its own, and tells its URL.
    pub(super) async fn start() -> (Arc<Self>, String) {
        let fake = Arc::new(Self {
            seen: AtomicUsize::new(0),
            answers: Semaphore::new(0),
            ended: Notify::new(),
            goes_on: Mutex::new(None),
            down: AtomicUsize::new(0),
        });
        let service = DocumentsServer::from_arc(Arc::clone(&fake));
        let (send, address) = tokio::sync::oneshot::channel();
        thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                send.send(listener.local_addr().unwrap()).unwrap();
                let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
                let server = documents::server().add_service(service);
                server.serve_with_incoming(incoming).await.unwrap();
            });
        });
        let address = address.await.unwrap();
        (fake, format!("http://{address}"))
    }

    pub(super) fn calls(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }

    pub(super) async fn has_seen(&self, calls: usize) {
        while self.calls() < calls {
            tokio::task::yield_now().await;
        }
    }

    fn sees(&self) {
        self.seen.fetch_add(1, Ordering::SeqCst);
    }
}

#[tonic::async_trait]
impl documents_server::Documents for Fake {
    async fn get(&self, _: Request<GetRequest>) -> Result<Response<Document>, Status> {
        self.sees();
        let down = |down: usize| down.checked_sub(1);
        if self.down.fetch_update(Ordering::SeqCst, Ordering::SeqCst, down).is_ok() {
            return Err(Status::unavailable("for now"));
        }
        self.answers.acquire().await.unwrap().forget();
        Ok(Response::new(Document::default()))
    }

    async fn list(&self, _: Request<ListRequest>) -> Result<Response<ListResponse>, Status> {
        self.sees();
        self.ended.notified().await;
        Ok(Response::new(ListResponse::default()))
    }

    async fn create(&self, _: Request<CreateRequest>) -> Result<Response<Document>, Status> {
        self.sees();
        let goes_on = self.goes_on.lock().unwrap().take();
        let goes_on = goes_on.ok_or_else(|| Status::unavailable("for now"))?;
        goes_on.recv().unwrap();
        Ok(Response::new(Document::default()))
    }

    async fn update(&self, _: Request<UpdateRequest>) -> Result<Response<Document>, Status> {
        unreachable!("nobody asks for it")
    }

    async fn delete(&self, _: Request<DeleteRequest>) -> Result<Response<DeleteResponse>, Status> {
        unreachable!("nobody asks for it")
    }

    async fn search(&self, _: Request<SearchRequest>) -> Result<Response<SearchResponse>, Status> {
        unreachable!("nobody asks for it")
    }

    type ExportStream = ReceiverStream<Result<Document, Status>>;

    async fn export(
        &self,
        _: Request<ExportRequest>,
    ) -> Result<Response<Self::ExportStream>, Status> {
        unreachable!("nobody asks for it")
    }
}
