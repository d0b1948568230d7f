//! A slow, counting, breakable link in front of a server.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

use crate::{Error, port};

mod link;

/// A TCP proxy on 127.0.0.1 in front of one server, with a runtime and a thread of its own, so that
/// it moves bytes also while the test's own threads are blocked or its clock is paused.
///
/// What is counted, to the letter: a **round trip** begins when bytes arrive from the client on a
/// connection that has carried none yet, or whose last bytes went to the client. All that the client
/// sends until it is next given bytes belongs to that trip, and so do all the answers until it next
/// sends. A client that waits for each answer is therefore counted exactly. One that sends on while
/// answers are still arriving (pipelining) may be counted higher than it waited, never lower. What
/// a connection's opening costs is counted like all the rest: compare [`Self::round_trips`] before
/// and after.
///
/// Dropping it closes every connection.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    counts: Arc<Counts>,
    orders: UnboundedSender<(Order, mpsc::Sender<io::Result<()>>)>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    delay_nanos: AtomicU64,
    connections: AtomicU64,
    round_trips: AtomicU64,
    bytes_to_server: AtomicU64,
    bytes_to_client: AtomicU64,
}

#[derive(Debug)]
enum Order {
    Cut,
    Refuse,
    Accept,
}

impl Proxy {
    /// Starts to listen, without delay, for connections to `server`.
    ///
    /// # Errors
    ///
    /// When the system has no port or thread left.
    pub fn start(server: SocketAddr) -> Result<Self, Error> {
        let (orders, received) = unbounded_channel();
        let counts = Arc::new(Counts::default());
        let (address, listener) = loop {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port::free_port()));
            match listen(address) {
                Ok(listener) => break (address, listener),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                Err(error) => return Err(Error::io("listen")(error)),
            }
        };
        listener.set_nonblocking(true).map_err(Error::io("listen"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("start a runtime"))?;
        let relay = Relay { server, address, counts: Arc::clone(&counts), links: JoinSet::new() };
        let thread = thread::Builder::new()
            .name("throwaway-proxy".to_owned())
            .spawn(move || runtime.block_on(relay.run(listener, received)))
            .map_err(Error::io("start a thread"))?;
        Ok(Self { address, counts, orders, thread: Some(thread) })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Every byte that arrives from now on, in either direction, is passed on this much later. The
    /// link stays as wide as it was: what is sent together arrives together.
    pub fn set_delay(&self, one_way: Duration) {
        let nanos = u64::try_from(one_way.as_nanos()).unwrap_or(u64::MAX);
        self.counts.delay_nanos.store(nanos, SeqCst);
    }

    /// Round trips so far, of all connections together, as the [type](Self) defines them.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.counts.round_trips.load(SeqCst)
    }

    /// Connections that clients have opened so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(SeqCst)
    }

    /// Bytes that clients have sent so far.
    #[must_use]
    pub fn bytes_to_server(&self) -> u64 {
        self.counts.bytes_to_server.load(SeqCst)
    }

    /// Bytes that clients have been given so far.
    #[must_use]
    pub fn bytes_to_client(&self) -> u64 {
        self.counts.bytes_to_client.load(SeqCst)
    }

    /// Closes every open connection, at both ends, and loses what was under way. New ones are
    /// accepted as before.
    pub fn cut(&self) {
        self.order(Order::Cut).expect("closing cannot fail");
    }

    /// New connections are refused by the system, as those to a server that is down are. Open ones
    /// stay; see [`cut`](Self::cut).
    pub fn refuse(&self) {
        self.order(Order::Refuse).expect("closing cannot fail");
    }

    /// Ends [`refuse`](Self::refuse).
    ///
    /// # Errors
    ///
    /// When another process has taken the port.
    pub fn accept(&self) -> Result<(), Error> {
        self.order(Order::Accept).map_err(Error::io("listen again"))
    }

    /// Returns when the order has been carried out.
    fn order(&self, order: Order) -> io::Result<()> {
        let (done, wait) = mpsc::channel();
        let gone = || io::Error::other("the proxy's thread has ended");
        self.orders.send((order, done)).map_err(|_| gone())?;
        wait.recv().map_err(|_| gone())?
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // The thread ends with the channel, and with the thread every connection.
        (self.orders, _) = unbounded_channel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What runs on the proxy's thread.
struct Relay {
    server: SocketAddr,
    address: SocketAddr,
    counts: Arc<Counts>,
    links: JoinSet<()>,
}

impl Relay {
    async fn run(
        mut self,
        listener: std::net::TcpListener,
        mut orders: UnboundedReceiver<(Order, mpsc::Sender<io::Result<()>>)>,
    ) {
        let mut listener = TcpListener::from_std(listener).ok();
        loop {
            tokio::select! {
                order = orders.recv() => {
                    let Some((order, done)) = order else { return };
                    let result = match order {
                        Order::Cut => {
                            listener = listener.and_then(hang_up);
                            self.links.shutdown().await;
                            Ok(())
                        }
                        Order::Refuse => {
                            listener = None;
                            Ok(())
                        }
                        Order::Accept if listener.is_some() => Ok(()),
                        Order::Accept => listen(self.address)
                            .and_then(TcpListener::from_std)
                            .map(|bound| listener = Some(bound)),
                    };
                    // Whoever gave the order has been dropped: nobody waits.
                    let _ = done.send(result);
                }
                Some(client) = next(listener.as_ref()) => {
                    self.counts.connections.fetch_add(1, SeqCst);
                    self.links.spawn(link::carry(client, self.server, Arc::clone(&self.counts)));
                }
                Some(_) = self.links.join_next() => {}
            }
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Closes the connections that wait to be accepted: for their clients they are open already.
fn hang_up(listener: TcpListener) -> Option<TcpListener> {
    let listener = listener.into_std().ok()?;
    while listener.accept().is_ok() {}
    TcpListener::from_std(listener).ok()
}

async fn next(listener: Option<&TcpListener>) -> Option<TcpStream> {
    loop {
        // A client that gave up before it was accepted is not the next one.
        if let Ok((client, _)) = listener?.accept().await {
            return Some(client);
        }
    }
}

#[cfg(test)]
mod tests;
