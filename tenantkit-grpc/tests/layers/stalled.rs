//! Over a socket: a caller who stops reading holds nothing past its deadline.
//!
//! The handler is that of an export: a task that sends into a channel and holds a transaction, so
//! that what is dropped is not the body's own.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Body, routing::get};
use bytes::Bytes;
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use tenantkit_core::{TenantStatus, task};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
};
use tokio_stream::wrappers::ReceiverStream;

use crate::world::{GRACE, LIFE, World, current};

struct Running {
    world: World,
    addr: SocketAddr,
    /// When the export has ended, and for whom.
    ended: oneshot::Receiver<Option<String>>,
}

async fn serve() -> Running {
    let world = World::new();
    let (ends, ended) = oneshot::channel();
    let ends = Arc::new(Mutex::new(Some(ends)));
    let export = async move || {
        let ends = ends.lock().unwrap().take().unwrap();
        let (send, receive) = mpsc::channel(4);
        task::spawn(async move {
            let row = Bytes::from(vec![0; 65_536]);
            while send.send(Ok::<_, Infallible>(Frame::data(row.clone()))).await.is_ok() {}
            ends.send(current()).unwrap();
        })
        .unwrap();
        Body::new(StreamBody::new(ReceiverStream::new(receive)))
    };
    let router = Router::new().route("/", get(export)).layer(world.inner_layer());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Running { world, addr, ended }
}

impl Running {
    /// Waits for the export, on a clock that goes as fast as there is nothing to do.
    async fn ended(self) {
        let export = tokio::time::timeout(Duration::from_secs(3600), self.ended).await;
        let tenant = export.expect("it ends though nobody reads").unwrap();
        assert_eq!(tenant.as_deref(), Some("acme"));
    }

    /// Whether the export goes on for now.
    async fn goes_on(&mut self) -> bool {
        tokio::time::timeout(Duration::from_secs(60), &mut self.ended).await.is_err()
    }
}

/// An HTTP/2 caller who never gives more than `window` bytes of window.
async fn http2(running: &Running, window: u32) -> impl Sized + use<> {
    let socket = TcpStream::connect(running.addr).await.unwrap();
    let (mut send, connection) = h2::client::Builder::new()
        .initial_window_size(window)
        .handshake::<_, Bytes>(socket)
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let request = Request::get("http://acmedocs.example/")
        .header("txn-token", running.world.txn_token("acme"))
        .body(())
        .unwrap();
    let (answer, _) = send.send_request(request, true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    (answer, send, connection)
}

/// An HTTP/1 caller who reads the head of the answer, and then no more.
async fn http1(running: &Running) -> TcpStream {
    let mut socket = TcpStream::connect(running.addr).await.unwrap();
    let token = running.world.txn_token("acme");
    let request = format!("GET / HTTP/1.1\r\nhost: acmedocs.example\r\ntxn-token: {token}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.unwrap();
    assert_eq!(head, *b"HTTP/1.1 200");
    socket
}

#[tokio::test(start_paused = true)]
async fn an_http2_caller_who_stops_reading_holds_nothing_past_the_deadline() {
    // Without a window the server does not poll the body even once.
    for window in [0, 1, 65_535] {
        let mut running = serve().await;
        let _caller = http2(&running, window).await;
        assert!(running.goes_on().await);
        running.world.clock.advance(LIFE + GRACE);
        running.ended().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_http1_caller_who_stops_reading_holds_nothing_past_the_deadline() {
    let mut running = serve().await;
    let _caller = http1(&running).await;
    assert!(running.goes_on().await);
    running.world.clock.advance(LIFE + GRACE);
    running.ended().await;
}

#[tokio::test(start_paused = true)]
async fn a_suspension_reaches_a_caller_who_stops_reading() {
    let mut running = serve().await;
    let _caller = http2(&running, 0).await;
    running.world.set_status("acme", TenantStatus::Suspended);
    running.world.clock.advance(Duration::from_secs(1));
    // Seen, and then the grace goes by.
    assert!(running.goes_on().await);
    running.world.clock.advance(GRACE);
    running.ended().await;
}
