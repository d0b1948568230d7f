//! The generator's promises, against a service of a few lines.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use load::{Board, Generator, Second, Target, Tokens};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
const REFUSED: &str =
    "HTTP/1.1 429 Too Many Requests\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// Answers every request with what `answer` says; nothing means never. The counter is of connections.
fn service(answer: &'static str) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            thread::spawn(move || {
                let mut request = [0; 4096];
                // One write of the client is one read here, on this machine and at this size.
                while stream.read(&mut request).is_ok_and(|read| read > 0) {
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (address, connections)
}

fn generator(address: SocketAddr, rate: u32) -> Generator {
    let tokens =
        Tokens::mint(Duration::from_secs(60), |_, at| vec![format!("a{at}"), format!("b{at}")]);
    let target = Target { address, path: "/v1/exports".to_owned(), body: "{}".to_owned(), tokens };
    Generator::new(target, rate)
}

/// Runs until so many of something are there, and says what was seen.
fn until(generator: Generator, enough: impl Fn(&Second) -> bool) -> (Second, Arc<Board>) {
    let board = Arc::new(Board::default());
    let running = generator.start(Arc::clone(&board)).unwrap();
    let patience = Instant::now() + Duration::from_secs(60);
    while !enough(&board.total()) {
        assert!(Instant::now() < patience, "{:?}", board.total());
        thread::sleep(Duration::from_millis(5));
    }
    running.stop().unwrap();
    (board.total(), board)
}

#[test]
fn calls_that_are_served_are_counted_and_timed_on_connections_that_stay() {
    let (address, connections) = service(OK);
    let (total, board) = until(generator(address, 500), |total| total.admitted >= 300);
    assert_eq!(
        (total.refused, total.failed, total.unsent, total.retried),
        (0, 0, 0, 0),
        "{total:?}"
    );
    assert!(total.started >= total.admitted);
    let points = board.points(Duration::ZERO, Duration::MAX / 4);
    assert_eq!(points.len(), total.admitted as usize);
    assert!(connections.load(Ordering::Relaxed) < 300, "a connection a call");
}

#[test]
fn what_is_refused_is_tried_again_but_only_a_fifth_of_it() {
    let (address, _) = service(REFUSED);
    let (total, _) = until(generator(address, 500), |total| total.retried >= 20);
    assert_eq!(total.admitted + total.failed, 0, "{total:?}");
    assert!(total.retried <= total.started / 5, "{total:?}");
}

#[test]
fn a_service_that_does_not_answer_does_not_slow_the_schedule() {
    let (address, _) = service("");
    let generator = generator(address, 200).timeout(Duration::from_millis(200)).connections(20);
    let (total, _) = until(generator, |total| total.failed >= 20 && total.unsent >= 20);
    // The schedule went on: of those that began, hardly one has ended.
    assert_eq!(total.admitted, 0, "{total:?}");
    assert!(total.started >= 40, "{total:?}");
}

#[test]
fn a_service_that_is_gone_is_a_failure_of_each_call() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (total, _) = until(generator(address, 200), |total| total.failed >= 10);
    assert_eq!(total.admitted, 0, "{total:?}");
}
