//! Against an Apache Kafka: the one that `KAFKA_BROKERS` names, or one that is started here.

mod basics;
mod crash;
mod outage;
mod peers;
#[path = "../mock/raw.rs"]
mod raw;
mod refused;
mod replay;
mod world;
