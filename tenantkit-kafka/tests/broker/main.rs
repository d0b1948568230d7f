//! Against an Apache Kafka: the one that `KAFKA_BROKERS` names, or one that is started here.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod basics;
mod crash;
mod fair;
mod handover;
mod left;
mod outage;
mod peers;
#[expect(dead_code, reason = "the mock's tests use more of it")]
#[path = "../mock/raw.rs"]
mod raw;
mod refused;
mod replay;
mod world;
