//! What a test may rely on when it asks for a Kafka.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use throwaway::{Error, Kafka, Proxy, tools};

/// Makes a topic of one partition, with a Java client.
fn make_topic(java: &Path, jars: &Path, brokers: &str, topic: &str) {
    let made = Command::new(java)
        .arg("-cp")
        .arg(jars.join("*"))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka/MakeTopic.java"))
        .args([brokers, topic])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

fn write(kcat: &Path, brokers: &str, topic: &str, line: &str) {
    let mut writer = Command::new(kcat)
        .args(["-b", brokers, "-t", topic, "-P", "-K:", "-H", "tenant_id=acme"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    writer.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    assert!(writer.wait().unwrap().success());
}

fn read(kcat: &Path, brokers: &str, topic: &str) -> String {
    let read = Command::new(kcat)
        .args(["-b", brokers, "-t", topic, "-C", "-e", "-q", "-o", "beginning", "-f", "%h %k %s\n"])
        .output()
        .unwrap();
    String::from_utf8(read.stdout).unwrap()
}

/// Whether one who connects is answered at all.
fn is_answered(address: SocketAddr) -> bool {
    // Which versions of each request there are: version 0, number 1, of no client in particular.
    let request = [0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xFF, 0xFF];
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    stream.write_all(&request).unwrap();
    stream.read_exact(&mut [0; 4]).is_ok()
}

#[test]
fn a_broker_keeps_what_it_acknowledged_over_a_crash_and_is_slow_or_gone_on_order() {
    let (Some(kafka), Some(kcat)) = (tools::or_skip(Kafka::start()), tools::or_skip(tools::kcat()))
    else {
        return;
    };
    let (java, jars) = (tools::java().unwrap(), tools::kafka_jars().unwrap());
    make_topic(&java, &jars, kafka.brokers(), "documents");
    write(&kcat, kafka.brokers(), "documents", "k:one\n");
    kafka.restart().unwrap();
    let through = kafka.link_address().unwrap().to_string();
    let two = "2".repeat(10_000);
    write(&kcat, &through, "documents", &format!("k:{two}\n"));
    let seen = read(&kcat, &through, "documents");
    assert_eq!(seen, format!("tenant_id=acme k one\ntenant_id=acme k {two}\n"));
    // The records themselves went through the link, not only the question of where they are.
    assert!(kafka.link().map(Proxy::bytes_to_server).unwrap() > 10_000);
    assert!(kafka.link().map(Proxy::bytes_to_client).unwrap() > 10_000);

    let address: SocketAddr = kafka.brokers().parse().unwrap();
    assert!(is_answered(address));
    kafka.pause().unwrap();
    assert!(!is_answered(address));
    kafka.resume().unwrap();
    assert!(is_answered(address));

    kafka.stop().unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[test]
fn brokers_that_the_environment_names_are_not_stopped_here() {
    let named = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "somebody_elses_broker"])
        .env(Kafka::VARIABLE, "somewhere:9092")
        .status()
        .unwrap();
    assert!(named.success());
}

#[test]
#[ignore = "runs with a variable that the test above sets"]
fn somebody_elses_broker() {
    let kafka = Kafka::from_env_or_start().unwrap();
    assert_eq!(kafka.brokers(), "somewhere:9092");
    assert!(matches!(kafka.stop(), Err(Error::NotOurs { variable: Kafka::VARIABLE })));
    assert!(matches!(kafka.link(), Err(Error::NotOurs { .. })));
}
