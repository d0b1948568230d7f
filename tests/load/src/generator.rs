//! [`Generator`]: calls that begin on schedule, however slowly they are answered.
//!
//! One thread. A connection that is free takes the next call, a new one is opened where none is, and
//! nothing is made for a call but its place in a queue: at 10,000 calls a second the generator must
//! leave the machine to what it measures. Times are those of tries, from the moment that they are sent to when
//! the answer is read, which is once a millisecond.

mod connection;
mod dispatch;

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::{Board, Tokens, priority, tokens::unix};

/// What is called: by POST, with a JSON body and a bearer token.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where it listens.
    pub address: SocketAddr,
    /// The path of the URL.
    pub path: String,
    /// The body, a JSON document.
    pub body: String,
    /// The tokens, taken in turn.
    pub tokens: Tokens,
}

/// A tenant's clients, all of them.
#[derive(Debug, Clone)]
pub struct Generator {
    target: Target,
    rate: u32,
    timeout: Duration,
    connections: usize,
}

/// Clients that call. Dropping it stops them.
#[derive(Debug)]
pub struct Running {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Generator {
    /// Clients that call so often in a second, and give up a try after 2 s.
    #[must_use]
    pub const fn new(target: Target, rate: u32) -> Self {
        Self { target, rate, timeout: Duration::from_secs(2), connections: 4_000 }
    }

    /// With clients that give up a try after this time.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// With clients that have so many connections at most. A call that finds none is not sent.
    #[must_use]
    pub fn connections(self, connections: usize) -> Self {
        Self { connections, ..self }
    }

    /// Begins on a thread of its own, and tells the board.
    ///
    /// # Errors
    ///
    /// When there is no thread left.
    pub fn start(self, board: Arc<Board>) -> io::Result<Running> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            priority::ahead_of_others();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let tasks = tokio::task::LocalSet::new();
            runtime.block_on(tasks.run_until(dispatch::run(self, board, stopped)));
            Ok(())
        };
        let thread = thread::Builder::new().name("generator".to_owned()).spawn(run)?;
        Ok(Running { stop, thread: Some(thread) })
    }
}

impl Running {
    /// Begins no more calls, and forgets those that are under way.
    ///
    /// # Errors
    ///
    /// When it could not run.
    pub fn stop(mut self) -> io::Result<()> {
        self.end()
    }

    fn end(&mut self) -> io::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(ended)) => ended,
            Some(Err(_)) => Err(io::Error::other("the generator panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Whoever wants to know has called `stop`.
        let _ = self.end();
    }
}

/// The bytes of each request, made once.
#[derive(Debug)]
struct Requests(Vec<(u64, Vec<Box<[u8]>>)>);

impl Requests {
    fn new(Target { address, path, body, tokens }: &Target) -> Self {
        let request = |token: &String| {
            let length = body.len();
            format!(
                "POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
            )
            .into_bytes()
            .into_boxed_slice()
        };
        let batch = |(from, tokens): (u64, &[String])| (from, tokens.iter().map(request).collect());
        Self(tokens.batches().map(batch).collect())
    }

    /// Those whose tokens are good now.
    fn now(&self) -> &[Box<[u8]>] {
        let now = unix().as_secs();
        let current = self.0.iter().rev().find(|(from, _)| *from <= now).or(self.0.first());
        current.map(|(_, requests)| requests.as_slice()).unwrap_or_default()
    }
}
