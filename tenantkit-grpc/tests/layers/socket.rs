//! axum over a socket, against a client that knows nothing of us.

use std::{net::SocketAddr, sync::Mutex, time::Duration};

use axum::{Router, ServiceExt, body::Body, extract::Request, routing::get};
use bytes::Bytes;
use http_body_util::StreamBody;
use tenantkit_grpc::server::TenantBody;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use tokio_stream::{StreamExt, wrappers::ReceiverStream};
use tower::ServiceBuilder;

use crate::world::{GRACE, LIFE, World};

struct Running {
    world: World,
    addr: SocketAddr,
    feed: mpsc::Sender<&'static str>,
}

/// Serves what is fed, with the layer around the router.
async fn serve() -> Running {
    let world = World::new();
    let (feed, receiver) = mpsc::channel(8);
    let receiver = std::sync::Arc::new(Mutex::new(Some(receiver)));
    let stream = async move || {
        let frames = ReceiverStream::new(receiver.lock().unwrap().take().unwrap());
        let frame =
            |word: &'static str| http_body::Frame::data(Bytes::from_static(word.as_bytes()));
        Body::new(StreamBody::new(
            frames.map(move |it| Ok::<_, std::convert::Infallible>(frame(it))),
        ))
    };
    let router = Router::new().route("/v1/documents", get(stream));
    // `axum::serve` wants axum's own body.
    let service = ServiceBuilder::new()
        .map_response(|it: http::Response<TenantBody<Body>>| it.map(Body::new))
        .layer(world.edge_layer())
        .service(router);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let service = ServiceExt::<Request>::into_make_service_with_connect_info::<SocketAddr>(service);
    tokio::spawn(async move { axum::serve(listener, service).await });
    Running { world, addr, feed }
}

impl Running {
    async fn send(&self, headers: &str) -> TcpStream {
        let mut socket = TcpStream::connect(self.addr).await.unwrap();
        let request = format!("GET /v1/documents HTTP/1.1\r\nhost: {}\r\n{headers}\r\n", self.addr);
        socket.write_all(request.as_bytes()).await.unwrap();
        socket
    }
}

/// Reads until it has seen `end`, or the connection is closed.
async fn read_until(socket: &mut TcpStream, end: &str) -> String {
    let mut read = String::new();
    let mut buffer = [0; 1024];
    while !read.contains(end) {
        let got = tokio::time::timeout(Duration::from_secs(10), socket.read(&mut buffer)).await;
        match got.expect("an answer in time") {
            Ok(0) | Err(_) => break,
            Ok(len) => read.push_str(std::str::from_utf8(&buffer[..len]).unwrap()),
        }
    }
    read
}

#[tokio::test]
async fn an_answer_that_is_cut_is_not_taken_for_complete() {
    let running = serve().await;
    let token = running.world.bearer("acme");
    let mut socket = running.send(&format!("authorization: {token}\r\n")).await;
    running.feed.send("first").await.unwrap();
    let head = read_until(&mut socket, "first").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.contains("cache-control: private"), "{head}");

    running.world.clock.advance(LIFE + GRACE);
    running.feed.send("second").await.unwrap();
    let rest = read_until(&mut socket, "no such end").await;
    assert!(!rest.contains("second"), "{rest}");
    assert!(!rest.ends_with("0\r\n\r\n"), "it ended as if it were complete: {rest}");
}

#[tokio::test]
async fn an_upload_that_was_announced_is_refused_before_it_is_sent() {
    let running = serve().await;
    let expecting = "expect: 100-continue\r\ncontent-length: 1000000\r\n";
    let mut socket = running.send(expecting).await;
    let answer = read_until(&mut socket, "\"reason\":\"no-identity\"}").await;
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(answer.contains("www-authenticate: Bearer\r\n"), "{answer}");
}
