use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use super::*;

/// A server that answers each byte with itself.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let mut byte = [0];
                while stream.read_exact(&mut byte).is_ok() {
                    stream.write_all(&byte).unwrap();
                }
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).unwrap()
}

fn ask(stream: &mut TcpStream, question: &[u8]) {
    stream.write_all(question).unwrap();
    stream.read_exact(&mut vec![0; question.len()]).unwrap();
}

#[test]
fn a_round_trip_is_counted_when_the_client_speaks_after_it_was_answered() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    for trips in 1..=5 {
        ask(&mut stream, b"one question");
        assert_eq!(proxy.round_trips(), trips);
    }
    assert_eq!(proxy.bytes_to_server(), 5 * 12);
    assert_eq!(proxy.bytes_to_client(), 5 * 12);
}

#[test]
fn what_is_sent_before_an_answer_is_one_round_trip() {
    let proxy = Proxy::start(echo()).unwrap();
    proxy.set_delay(Duration::from_millis(50));
    let mut stream = connect(&proxy);
    stream.set_nodelay(true).unwrap();
    for part in [b"a", b"b", b"c"] {
        stream.write_all(part).unwrap();
    }
    stream.read_exact(&mut [0; 3]).unwrap();
    assert_eq!(proxy.round_trips(), 1);
}

#[test]
fn connections_are_counted_apart_and_added_up() {
    let proxy = Proxy::start(echo()).unwrap();
    let (mut one, mut other) = (connect(&proxy), connect(&proxy));
    ask(&mut one, b"a");
    ask(&mut other, b"b");
    ask(&mut one, b"c");
    assert_eq!((proxy.connections(), proxy.round_trips()), (2, 3));
}

#[test]
fn each_way_takes_the_delay() {
    let proxy = Proxy::start(echo()).unwrap();
    let delay = Duration::from_millis(40);
    let mut stream = connect(&proxy);
    ask(&mut stream, b"before");
    proxy.set_delay(delay);
    let started = Instant::now();
    ask(&mut stream, b"after");
    assert!(started.elapsed() >= 2 * delay, "{:?}", started.elapsed());
}

#[test]
fn a_cut_ends_open_connections_and_lets_new_ones_in() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, b"a");
    proxy.cut();
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
    ask(&mut connect(&proxy), b"b");
}

#[test]
fn a_cut_reaches_what_a_long_delay_still_holds() {
    let proxy = Proxy::start(echo()).unwrap();
    proxy.set_delay(Duration::from_secs(3600));
    let mut stream = connect(&proxy);
    stream.write_all(b"a").unwrap();
    proxy.cut();
    assert!(matches!(stream.read(&mut [0]), Ok(0) | Err(_)));
}

#[test]
fn refused_connections_are_refused_by_the_system_until_accepted_again() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut open = connect(&proxy);
    ask(&mut open, b"a");
    proxy.refuse();
    let refusal = TcpStream::connect(proxy.address()).unwrap_err();
    assert_eq!(refusal.kind(), ErrorKind::ConnectionRefused);
    ask(&mut open, b"still here");
    proxy.accept().unwrap();
    ask(&mut connect(&proxy), b"b");
}

#[test]
fn the_end_of_the_client_reaches_the_server_and_comes_back() {
    let proxy = Proxy::start(echo()).unwrap();
    let mut stream = connect(&proxy);
    ask(&mut stream, b"a");
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}
