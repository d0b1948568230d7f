//! The client layers around a stock tonic client, to a stock tonic server over a socket; and around a
//! client of hyper's.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use tenantkit_core::RefusalCode;
use tenantkit_grpc::{
    BoxError, ClientError,
    limit::client::{BreakerLayer, RetryLayer},
};
use tenantkit_limit::{
    breaker::{Breaker, BreakerPolicy},
    retry::{Backoff, RetryBudget, RetryPolicy},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    client::{Grpc, GrpcService},
    codegen::{BoxFuture, BoxStream, Service, StdError},
    server::{NamedService, ServerStreamingService, UnaryService},
    transport::{Channel, Endpoint, Server},
};
use tonic_prost::ProstCodec;
use tonic_types::{ErrorDetails, StatusExt};
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::world::World;

/// Echoes, but for the first so many times, when it is unavailable.
#[derive(Clone)]
struct Flaky {
    calls: Arc<AtomicUsize>,
    failures: usize,
}

impl NamedService for Flaky {
    const NAME: &'static str = "test.Flaky";
}

impl Service<http::Request<Body>> for Flaky {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::default());
            Ok(match request.uri().path() {
                ECHO => grpc.unary(this, request).await,
                _ => grpc.server_streaming(this, request).await,
            })
        })
    }
}

impl Flaky {
    fn is_up(&self) -> Result<(), Status> {
        if self.calls.fetch_add(1, Ordering::SeqCst) >= self.failures {
            return Ok(());
        }
        let details = ErrorDetails::with_retry_info(Some(Duration::from_millis(5)));
        Err(Status::with_error_details(Code::Unavailable, "not now", details))
    }
}

impl UnaryService<String> for Flaky {
    type Response = String;
    type Future = BoxFuture<Response<String>, Status>;

    fn call(&mut self, request: Request<String>) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.is_up().map(|()| Response::new(request.into_inner())) })
    }
}

impl ServerStreamingService<String> for Flaky {
    type Response = String;
    type ResponseStream = BoxStream<String>;
    type Future = BoxFuture<Response<BoxStream<String>>, Status>;

    /// Breaks off after a message, when it is unavailable.
    fn call(&mut self, _: Request<String>) -> Self::Future {
        let end = self.is_up().err().map(Err);
        let stream = tokio_stream::iter([Ok("one".to_owned())].into_iter().chain(end));
        Box::pin(async move { Ok(Response::new(Box::pin(stream) as BoxStream<String>)) })
    }
}

const ECHO: &str = "/test.Flaky/Echo";
const WATCH: &str = "/test.Flaky/Watch";

struct Running {
    world: World,
    addr: SocketAddr,
    calls: Arc<AtomicUsize>,
}

async fn serve(failures: usize) -> Running {
    let world = World::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let flaky = Flaky { calls: Arc::clone(&calls), failures };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = Server::builder()
        .add_service(world.inner_layer().named_layer(flaky))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::spawn(server);
    Running { world, addr, calls }
}

impl Running {
    fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.addr)).unwrap().connect_lazy()
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    fn retry(&self) -> RetryLayer {
        let clock = Arc::new(self.world.clock.clone());
        let budget = RetryBudget::builder().reserve(10).build(clock).unwrap();
        let backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(1));
        let policy = RetryPolicy::builder().backoff(backoff).build().unwrap();
        RetryLayer::new(&self.world.authority, policy, Arc::new(budget))
    }

    /// One failure opens, one success closes.
    fn breaker(&self) -> BreakerLayer {
        let policy = BreakerPolicy::builder().min_calls(1).closes_after(1).build().unwrap();
        let breaker = Breaker::new(policy, Arc::new(self.world.clock.clone()));
        BreakerLayer::new(&self.world.authority, breaker)
    }
}

async fn echo<C>(channel: C, request: Request<String>) -> Result<String, Status>
where
    C: GrpcService<Body, ResponseBody: Send + 'static, Error: Into<StdError>>,
    <C::ResponseBody as http_body::Body>::Error: Into<BoxError> + Send,
{
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| Status::unknown(error.into().to_string()))?;
    let path = http::uri::PathAndQuery::from_static(ECHO);
    grpc.unary(request, path, ProstCodec::default()).await.map(Response::into_inner)
}

fn hello() -> Request<String> {
    Request::new("hello".to_owned())
}

#[tokio::test]
async fn a_declared_method_is_called_again_with_its_message_until_the_server_is_up() {
    let running = serve(2).await;
    let client = ServiceBuilder::new()
        .layer(running.retry().idempotent_unary(ECHO))
        .layer(running.world.client_layer())
        .service(running.channel());
    let call = running.world.context("acme").scope(echo(client, hello())).unwrap();
    assert_eq!(call.await.unwrap(), "hello");
    assert_eq!(running.calls(), 3);
}

#[tokio::test]
async fn a_method_that_is_not_declared_is_called_once_unless_it_has_a_key() {
    let running = serve(1).await;
    let client = ServiceBuilder::new()
        .layer(running.retry())
        .layer(running.world.client_layer())
        .service(running.channel());
    let acme = running.world.context("acme");
    let status = acme.scope(echo(client.clone(), hello())).unwrap().await.unwrap_err();
    assert_eq!(
        (status.code(), status.message(), running.calls()),
        (Code::Unavailable, "not now", 1)
    );

    running.calls.store(0, Ordering::SeqCst);
    let mut request = hello();
    request.metadata_mut().insert("idempotency-key", r#""k1""#.parse().unwrap());
    assert_eq!(acme.scope(echo(client, request)).unwrap().await.unwrap(), "hello");
    assert_eq!(running.calls(), 2);
}

#[tokio::test]
async fn an_open_circuit_is_a_local_status_that_says_how_long_and_ends_the_attempts() {
    let running = serve(usize::MAX).await;
    let client = ServiceBuilder::new()
        .layer(running.retry().idempotent_unary(ECHO))
        .layer(running.breaker())
        .layer(running.world.client_layer())
        .service(running.channel());
    let acme = running.world.context("acme");
    let status = acme.scope(echo(client, hello())).unwrap().await.unwrap_err();
    assert_eq!(running.calls(), 1, "the second attempt was refused here");
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.get_details_error_info().unwrap().reason, "CIRCUIT_OPEN");
    let wait = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(wait, Some(Duration::from_secs(1)));
}

#[tokio::test]
async fn a_stream_that_breaks_off_counts_when_its_trailers_say_so() {
    let running = serve(1).await;
    let client = running.breaker().layer(running.world.client_layer().layer(running.channel()));
    let acme = running.world.context("acme");
    let path = http::uri::PathAndQuery::from_static(WATCH);
    let mut grpc = Grpc::new(client.clone());
    grpc.ready().await.unwrap();
    let call = grpc.server_streaming(hello(), path, ProstCodec::<String, String>::default());
    let mut stream = acme.scope(call).unwrap().await.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("one"));
    assert_eq!(stream.message().await.unwrap_err().code(), Code::Unavailable);
    let status = acme.scope(echo(client, hello())).unwrap().await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "CIRCUIT_OPEN");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again_and_opens_the_circuit() {
    let running = serve(0).await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let channel = Endpoint::from_shared(format!("http://{nobody}")).unwrap().connect_lazy();
    let client = ServiceBuilder::new()
        .layer(running.retry().idempotent_unary(ECHO))
        .layer(running.breaker())
        .service(channel);
    let acme = running.world.context("acme");
    let status = acme.scope(echo(client, hello())).unwrap().await.unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "CIRCUIT_OPEN");
}

type Upload = UnsyncBoxBody<bytes::Bytes, BoxError>;

fn upload(text: &'static str) -> Upload {
    Full::from(text).map_err(|never| match never {}).boxed_unsync()
}

/// A connection of hyper's for each call, as a service.
async fn send(
    addr: SocketAddr,
    request: http::Request<Upload>,
) -> Result<http::Response<hyper::body::Incoming>, BoxError> {
    let socket = tokio::net::TcpStream::connect(addr).await?;
    let io = hyper_util::rt::TokioIo::new(socket);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

#[tokio::test]
async fn over_http_an_upload_arrives_whole_with_the_attempt_that_is_let_in() {
    let running = serve(0).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&calls);
    let app = axum::Router::new().route(
        "/",
        axum::routing::put(async move |body: String| {
            let wait = [("retry-after", "0")];
            match count.fetch_add(1, Ordering::SeqCst) {
                0 => (http::StatusCode::SERVICE_UNAVAILABLE, wait, String::new()),
                1 => (http::StatusCode::TOO_MANY_REQUESTS, wait, String::new()),
                _ => (http::StatusCode::OK, wait, body),
            }
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = ServiceBuilder::new()
        .layer(running.retry())
        .service(service_fn(move |request| send(addr, request)));
    let request = http::Request::put("/").header("host", "search.internal").body(upload("all"));
    let call = client.oneshot(request.unwrap());
    let answer = running.world.context("acme").scope(call).unwrap().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "all");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn over_http_a_peer_that_hangs_up_is_an_error_and_opens_the_circuit() {
    let running = serve(0).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let client = ServiceBuilder::new()
        .layer(running.breaker())
        .service(service_fn(move |request| send(addr, request)));
    let call = async || {
        let request = http::Request::get("/").body(upload("")).unwrap();
        let call = client.clone().oneshot(request);
        running.world.context("acme").scope(call).unwrap().await.unwrap_err()
    };
    assert!(matches!(call().await, ClientError::Inner(_)));
    assert_eq!(call().await.refusal().unwrap().code(), RefusalCode::CircuitOpen);
}
