//! A tonic server and a tonic client over a socket, both stock but for the layers.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tenantkit_core::{Reason, TenantStatus};
use tenantkit_grpc::{BoxError, TenantRequestExt};
use tokio::{net::TcpListener, sync::mpsc};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    client::{Grpc, GrpcService},
    codegen::{BoxFuture, BoxStream, Service, StdError},
    server::{NamedService, ServerStreamingService, UnaryService},
    transport::{Channel, Endpoint, Server},
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;

use crate::world::{GRACE, LIFE, World, current};

/// What `tonic-prost-build` would write for a service with one unary method, `Whoami`, and one
/// streaming method, `Watch`.
#[derive(Clone)]
struct Documents {
    calls: Arc<AtomicUsize>,
    /// What the stream sends.
    feed: Arc<std::sync::Mutex<Option<mpsc::Receiver<String>>>>,
}

impl NamedService for Documents {
    const NAME: &'static str = "test.Documents";
}

impl Service<http::Request<Body>> for Documents {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let this = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                "/test.Documents/Whoami" => grpc.unary(Whoami, request).await,
                _ => grpc.server_streaming(Watch(this), request).await,
            })
        })
    }
}

struct Whoami;

impl UnaryService<String> for Whoami {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(async move {
            let tenant = *request.tenant()?.tenant();
            tokio::task::yield_now().await;
            Ok(Response::new(format!("{tenant} {}", current().unwrap_or_default())))
        })
    }
}

struct Watch(Documents);

impl ServerStreamingService<String> for Watch {
    type Response = String;
    type ResponseStream = BoxStream<String>;
    type Future = BoxFuture<Response<BoxStream<String>>, Status>;

    fn call(&mut self, _: Request<String>) -> Self::Future {
        let feed = self.0.feed.lock().unwrap().take().unwrap();
        // Polled long after this has returned: who is it for then?
        let said = |word: String| Ok(format!("{word} {}", current().unwrap_or_default()));
        let stream = tokio_stream::StreamExt::map(ReceiverStream::new(feed), said);
        Box::pin(async move { Ok(Response::new(Box::pin(stream) as BoxStream<String>)) })
    }
}

/// A service that needs no tenant, beside the other.
#[derive(Clone)]
struct Health;

impl NamedService for Health {
    const NAME: &'static str = "test.Health";
}

impl Service<http::Request<Body>> for Health {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        struct Check;
        impl UnaryService<String> for Check {
            type Response = String;
            type Future = BoxFuture<Response<String>, Status>;
            fn call(&mut self, _: Request<String>) -> Self::Future {
                Box::pin(async { Ok(Response::new("serving".to_owned())) })
            }
        }
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(grpc.unary(Check, request).await)
        })
    }
}

struct Running {
    world: World,
    addr: SocketAddr,
    calls: Arc<AtomicUsize>,
    feed: mpsc::Sender<String>,
}

async fn serve() -> Running {
    let world = World::new();
    let (feed, receiver) = mpsc::channel(8);
    let calls = Arc::new(AtomicUsize::new(0));
    let documents = Documents {
        calls: Arc::clone(&calls),
        feed: Arc::new(std::sync::Mutex::new(Some(receiver))),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server::builder()
        .add_service(world.inner_layer().named_layer(documents))
        .add_service(Health)
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    Running { world, addr, calls, feed }
}

impl Running {
    fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.addr)).unwrap().connect_lazy()
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

async fn unary<C>(
    channel: C,
    path: &'static str,
    request: Request<String>,
) -> Result<String, Status>
where
    C: GrpcService<Body, ResponseBody: Send + 'static, Error: Into<StdError>>,
    <C::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unknown(error.into().to_string()))?;
    let path = http::uri::PathAndQuery::from_static(path);
    grpc.unary(request, path, ProstCodec::default()).await.map(Response::into_inner)
}

const WHOAMI: &str = "/test.Documents/Whoami";

fn nothing() -> Request<String> {
    Request::new(String::new())
}

#[tokio::test]
async fn a_call_through_both_layers_arrives_as_its_tenants() {
    let running = serve().await;
    let client = running.world.client_layer().layer(running.channel());
    for tenant in ["acme", "globex"] {
        let call = unary(client.clone(), WHOAMI, nothing());
        let answer = running.world.context(tenant).scope(call).unwrap().await.unwrap();
        assert_eq!(answer, format!("{tenant} {tenant}"));
    }
    // Without a scope, but said.
    let mut request = nothing();
    request.extensions_mut().insert(running.world.context_from_outside("acme"));
    assert_eq!(unary(client, WHOAMI, request).await.unwrap(), "acme acme");
}

#[tokio::test]
async fn a_stock_client_reads_why_it_was_refused() {
    let running = serve().await;
    let with = |token: &str| {
        let mut request = nothing();
        request.metadata_mut().insert("txn-token", token.parse().unwrap());
        unary(running.channel(), WHOAMI, request)
    };

    let status = unary(running.channel(), WHOAMI, nothing()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!((info.reason.as_str(), info.domain.as_str()), ("NO_TENANT", "tenantkit"));
    assert!(status.message().ends_with(Reason::NoIdentity.advice()), "{}", status.message());

    let token = running.world.txn_token("acme");
    running.world.set_status("acme", TenantStatus::Suspended);
    let status = with(&token).await.unwrap_err();
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(status.get_details_error_info().unwrap().reason, "SUSPENDED");

    running.world.set_status("acme", TenantStatus::Moving);
    let status = with(&token).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.get_details_retry_info().unwrap().retry_delay.is_some());
    assert_eq!(running.calls(), 0);

    running.world.set_status("acme", TenantStatus::Active);
    assert_eq!(with(&token).await.unwrap(), "acme acme");
}

#[tokio::test]
async fn a_service_beside_the_named_layer_is_untouched() {
    let running = serve().await;
    let answer = unary(running.channel(), "/test.Health/Check", nothing()).await;
    assert_eq!(answer.unwrap(), "serving");
}

#[tokio::test]
async fn a_tenantless_call_is_a_local_status_and_reaches_nobody() {
    let running = serve().await;
    let client = running.world.client_layer().layer(running.channel());
    let status = unary(client, WHOAMI, nothing()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let info = status.get_details_error_info().expect("an ErrorInfo");
    assert_eq!(info.metadata["door"], "call");
    assert_eq!(running.calls(), 0);
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_still_unavailable() {
    let running = serve().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let channel = Endpoint::from_shared(format!("http://{nobody}")).unwrap().connect_lazy();
    let call = unary(running.world.client_layer().layer(channel), WHOAMI, nothing());
    let status = running.world.context("acme").scope(call).unwrap().await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_stream_runs_in_scope_and_is_cut_when_its_time_is_over() {
    let running = serve().await;
    let mut grpc = Grpc::new(running.world.client_layer().layer(running.channel()));
    grpc.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/test.Documents/Watch");
    let call = grpc.server_streaming(nothing(), path, ProstCodec::<String, String>::default());
    let stream = running.world.context("acme").scope(call).unwrap().await.unwrap();
    let mut stream = stream.into_inner();

    running.feed.send("one".to_owned()).await.unwrap();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("one acme"));
    // Expired, and within its grace.
    running.world.clock.advance(LIFE);
    running.feed.send("two".to_owned()).await.unwrap();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("two acme"));

    running.world.clock.advance(GRACE);
    running.feed.send("three".to_owned()).await.unwrap();
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    assert_eq!(status.get_details_error_info().unwrap().metadata["reason"], "expired");
}
