//! What one would write without this crate.

use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, CommitMode, Consumer},
    message::BorrowedMessage,
};
use tenantkit_core::{Authority, WireRecord};
use tenantkit_kafka::{Headers, headers::Bounds, rdkafka};

/// A consumer that commits by itself, as in each tutorial.
pub(crate) fn consumer(brokers: &str, topic: &str, group: &str) -> BaseConsumer {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    consumer
}

/// Verifies a record as the crate's consumer does, envelope and directory.
pub(crate) fn verify(authority: &Authority, message: &mut BorrowedMessage<'_>) {
    let headers = Headers::read(message, Bounds::DEFAULT).unwrap();
    let identity = headers.identity().unwrap();
    let record = WireRecord::new(message.topic(), message.key(), message.payload());
    let opened =
        authority.open(identity.tenant.as_ref(), identity.envelope.unwrap(), &record).unwrap();
    opened.context().unwrap();
}

pub(crate) fn commit(consumer: &BaseConsumer, message: &BorrowedMessage<'_>) {
    consumer.commit_message(message, CommitMode::Async).unwrap();
}
