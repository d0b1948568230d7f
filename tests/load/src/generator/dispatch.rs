//! The schedule: what begins when, what is tried again, and what has taken too long.

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use tokio::{net::TcpStream, task};

use super::{
    Generator, Requests,
    connection::{Connection, Try},
};
use crate::{Board, board::Second, response::Answer, retry::Budget};

/// From here on a start is late.
const LATE: Duration = Duration::from_millis(5);
/// How often it is looked what is due and what was answered. A thread that is woken by each answer instead takes
/// the processor from the service as often, and a machine of the clients' own would not.
const TICK: Duration = Duration::from_millis(1);
/// A part of an answer that is read at a time.
const BUFFER: usize = 16 * 1024;

pub(super) async fn run(generator: Generator, board: Arc<Board>, stop: Arc<AtomicBool>) {
    let rate = u64::from(generator.rate.max(1));
    let dispatch = Dispatch::new(generator, board);
    // So that the first calls are not all about connecting.
    for _ in 0..rate.div_ceil(50).min(100) {
        dispatch.connect(None);
    }
    task::yield_now().await;
    let start = Instant::now();
    let due = |call: u64| start + Duration::from_nanos(call.saturating_mul(1_000_000_000) / rate);
    let mut next = 0;
    while !stop.load(Ordering::Relaxed) {
        while due(next) <= Instant::now() {
            dispatch.call(due(next));
            next += 1;
        }
        dispatch.again();
        dispatch.give_up();
        thread::sleep(TICK);
        // Reads what was answered meanwhile.
        task::yield_now().await;
    }
}

struct Dispatch {
    generator: Generator,
    requests: Requests,
    board: Arc<Board>,
    buffer: RefCell<Vec<u8>>,
    idle: RefCell<Vec<Rc<Connection>>>,
    open: Cell<usize>,
    serial: Cell<u64>,
    budget: RefCell<Budget>,
    /// When, and after how many tries.
    retries: RefCell<BinaryHeap<Reverse<(Instant, u8)>>>,
    /// In the order in which their time runs out, which is the same for all.
    waiting: RefCell<VecDeque<(Try, Weak<Connection>)>>,
}

impl Dispatch {
    fn new(generator: Generator, board: Arc<Board>) -> Rc<Self> {
        Rc::new(Self {
            requests: Requests::new(&generator.target),
            generator,
            board,
            buffer: RefCell::new(vec![0; BUFFER]),
            idle: RefCell::default(),
            open: Cell::new(0),
            serial: Cell::new(0),
            budget: RefCell::default(),
            retries: RefCell::default(),
            waiting: RefCell::default(),
        })
    }

    /// A call whose time was then.
    fn call(self: &Rc<Self>, due: Instant) {
        let is_late = due.elapsed() > LATE;
        self.budget.borrow_mut().call();
        self.board.note(due, |second| {
            second.started += 1;
            second.late += u32::from(is_late);
        });
        self.begin(1);
    }

    /// What was refused and is tried again now.
    fn again(self: &Rc<Self>) {
        let now = Instant::now();
        loop {
            let mut retries = self.retries.borrow_mut();
            let Some(tries) = retries.peek().filter(|next| next.0.0 <= now).map(|next| next.0.1)
            else {
                return;
            };
            retries.pop();
            drop(retries);
            self.note(|second| second.retried += 1);
            self.begin(tries + 1);
        }
    }

    fn begin(self: &Rc<Self>, tries: u8) {
        self.serial.set(self.serial.get() + 1);
        let this = Try { tries, began: Instant::now(), serial: self.serial.get() };
        loop {
            let idle = self.idle.borrow_mut().pop();
            match idle {
                Some(idle) if idle.is_closed.get() => {}
                Some(idle) => return self.send(&idle, this),
                None if self.open.get() < self.generator.connections => {
                    return self.connect(Some(this));
                }
                None => return self.note(|second| second.unsent += 1),
            }
        }
    }

    /// Opens a connection, for a try or to have it.
    fn connect(self: &Rc<Self>, first: Option<Try>) {
        self.open.set(self.open.get() + 1);
        let this = Rc::clone(self);
        // Ends with the thread, or when its try has taken too long.
        drop(task::spawn_local(async move {
            let connect = TcpStream::connect(this.generator.target.address);
            let stream = match tokio::time::timeout(this.generator.timeout, connect).await {
                Ok(Ok(stream)) if stream.set_nodelay(true).is_ok() => stream,
                _ => {
                    this.open.set(this.open.get() - 1);
                    return first.into_iter().for_each(|first| this.failed(first));
                }
            };
            let connection = Rc::new(Connection::new(stream));
            let reader = task::spawn_local(Rc::clone(&this).read(Rc::clone(&connection)));
            connection.reader.set(reader.abort_handle()).ok();
            match first {
                Some(first) => this.send(&connection, first),
                None => this.idle.borrow_mut().push(connection),
            }
        }));
    }

    fn send(&self, connection: &Rc<Connection>, this: Try) {
        let requests = self.requests.now();
        connection.under_way.set(Some(this));
        self.waiting.borrow_mut().push_back((this, Rc::downgrade(connection)));
        let request = requests.get(this.serial as usize % requests.len().max(1));
        if request.is_none_or(|request| connection.send(request).is_err()) {
            self.close(connection);
        }
    }

    /// Reads answers until the connection ends.
    async fn read(self: Rc<Self>, connection: Rc<Connection>) {
        while let Ok(answer) = connection.answer(&self.buffer).await {
            // An answer that nobody asked for.
            let Some(this) = connection.under_way.take() else { break };
            self.answered(this, answer);
            if !answer.keep_alive {
                break;
            }
            self.idle.borrow_mut().push(Rc::clone(&connection));
        }
        self.close(&connection);
    }

    fn close(&self, connection: &Connection) {
        if connection.is_closed.replace(true) {
            return;
        }
        self.open.set(self.open.get() - 1);
        if let Some(this) = connection.under_way.take() {
            self.failed(this);
        }
        if let Some(reader) = connection.reader.get() {
            reader.abort();
        }
    }

    /// Closes the connections whose answers have taken too long, as clients do.
    fn give_up(&self) {
        let mut waiting = self.waiting.borrow_mut();
        while let Some((this, _)) = waiting.front() {
            if this.began.elapsed() < self.generator.timeout {
                return;
            }
            let late = waiting.pop_front();
            let Some((this, connection)) = late else { return };
            let connection = connection.upgrade();
            let is_it = |it: &Rc<Connection>| {
                it.under_way.get().is_some_and(|now| now.serial == this.serial)
            };
            if let Some(connection) = connection.filter(is_it) {
                self.close(&connection);
            }
        }
    }

    fn answered(&self, this: Try, answer: Answer) {
        match answer.status {
            200..300 => {
                self.note(|second| second.admitted += 1);
                self.board.point(this.began, this.began.elapsed());
            }
            429 | 503 => {
                self.note(|second| second.refused += 1);
                self.retry(this, answer.retry_after);
            }
            _ => self.note(|second| second.failed += 1),
        }
    }

    /// There was no answer, or not in time.
    fn failed(&self, this: Try) {
        self.note(|second| second.failed += 1);
        self.board.point(this.began, this.began.elapsed());
        self.retry(this, None);
    }

    fn retry(&self, this: Try, retry_after: Option<Duration>) {
        let wait = self.budget.borrow_mut().wait(this.tries, retry_after, fastrand::f64());
        if let Some(wait) = wait {
            self.retries.borrow_mut().push(Reverse((Instant::now() + wait, this.tries)));
        }
    }

    fn note(&self, change: impl FnOnce(&mut Second)) {
        self.board.note(Instant::now(), change);
    }
}
