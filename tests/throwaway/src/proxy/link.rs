//! One connection through the proxy.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::Instant,
};

use super::Counts;

/// How many reads, of up to 16 KiB each, one direction of a slow link holds.
const IN_FLIGHT: usize = 256;

/// Carries bytes both ways until both sides have ended. An error ends the connection at both ends,
/// which is all that a peer could be told of it.
pub(super) async fn carry(client: TcpStream, server: SocketAddr, counts: Arc<Counts>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    if client.set_nodelay(true).and(server.set_nodelay(true)).is_err() {
        return;
    }
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let asks = AtomicBool::new(true);
    let from_client = |bytes: usize| {
        counts.bytes_to_server.fetch_add(bytes as u64, SeqCst);
        if asks.swap(false, SeqCst) {
            counts.round_trips.fetch_add(1, SeqCst);
        }
    };
    let to_client = |bytes: usize| {
        counts.bytes_to_client.fetch_add(bytes as u64, SeqCst);
        asks.store(true, SeqCst);
    };
    let delay = || Duration::from_nanos(counts.delay_nanos.load(SeqCst));
    let _ = tokio::try_join!(
        one_way(client_read, server_write, &delay, from_client, |_| {}),
        one_way(server_read, client_write, &delay, |_| {}, to_client),
    );
}

/// Reads and, independently, writes what was read a delay ago, so that a slow link is no narrow one.
///
/// `on_read` is called after the read; `on_write` before the write, because a peer's reply may
/// otherwise be seen before what it replies to.
async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    delay: &impl Fn() -> Duration,
    on_read: impl Fn(usize),
    on_write: impl Fn(usize),
) -> io::Result<()> {
    let (sender, mut receiver) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let read = async move {
        loop {
            let mut bytes = Vec::with_capacity(16 * 1024);
            let count = from.read_buf(&mut bytes).await?;
            on_read(count);
            let due = Instant::now() + delay();
            // An empty read is the end, and the end is as late as the bytes before it.
            if sender.send((due, bytes)).await.is_err() || count == 0 {
                return Ok(());
            }
        }
    };
    let write = async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if bytes.is_empty() {
                break;
            }
            on_write(bytes.len());
            to.write_all(&bytes).await?;
        }
        to.shutdown().await
    };
    tokio::try_join!(read, write).map(drop)
}
