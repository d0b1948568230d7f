//! Reading all dead letters that there are just now.

use std::time::{Duration, Instant};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, KafkaResult},
    types::RDKafkaErrorCode,
};
use tenantkit_core::{Refusal, TenantId, UnixTime};
use tokio::sync::mpsc::Sender;

use crate::{
    Headers,
    consumer::{Policy, Wire},
    dead_letter::DeadLetter,
    headers::Bounds,
};

/// How long the brokers have to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A dead letter, with what was in its record.
pub(super) struct Letter {
    pub(super) says: DeadLetter,
    pub(super) headers: Headers,
    pub(super) key: Option<Vec<u8>>,
    pub(super) payload: Option<Vec<u8>>,
    /// When it became one.
    pub(super) at: Option<UnixTime>,
}

impl Letter {
    /// Verifies the record as a consumer would now. When the record was appended is for the broker to
    /// say, and a dead letter is not the broker: it is judged by now.
    pub(super) fn verify(&self, policy: &Policy) -> Result<TenantId, Refusal> {
        let wire = Wire {
            topic: &self.says.topic,
            key: self.key.as_deref(),
            payload: self.payload.as_deref(),
            appended: None,
        };
        let proof = policy.prove(&wire, &self.headers)?;
        proof.context().map(|context| *context.tenant())
    }
}

/// Reads what is in the topic now, and no further. `None` is for a record that is no dead letter.
pub(super) fn read(
    config: &ClientConfig,
    topic: &str,
    into: &Sender<Option<Letter>>,
) -> KafkaResult<()> {
    let consumer: BaseConsumer = config
        .clone()
        // Never joined: a name is all that it takes.
        .set("group.id", "tenantkit-replay")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "earliest")
        .create()?;
    let mut ends = ends(&consumer, topic)?;
    let mut list = TopicPartitionList::new();
    for (partition, start, _) in &ends {
        list.add_partition_offset(topic, *partition, Offset::Offset(*start))?;
    }
    consumer.assign(&list)?;
    let mut heard = Instant::now();
    while !ends.is_empty() {
        let mut message = match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(message)) => message,
            Some(Err(error)) if heard.elapsed() > PATIENCE => return Err(error),
            None if heard.elapsed() > PATIENCE => {
                return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
            }
            None | Some(Err(_)) => {
                passed(&consumer, topic, &mut ends);
                continue;
            }
        };
        heard = Instant::now();
        let (partition, offset) = (message.partition(), message.offset());
        if ends.iter().any(|(of, _, end)| *of == partition && offset < *end) {
            let letter = letter_of(&mut message);
            if into.blocking_send(letter).is_err() {
                // Whoever wanted it is gone.
                return Ok(());
            }
        }
        ends.retain(|(of, _, end)| *of != partition || offset + 1 < *end);
    }
    Ok(())
}

/// Each partition that has something, from where to where.
fn ends(consumer: &BaseConsumer, topic: &str) -> KafkaResult<Vec<(i32, i64, i64)>> {
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let found = found.ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic))?;
    if let Some(error) = found.error() {
        return Err(KafkaError::MetadataFetch(error.into()));
    }
    let mut ends = Vec::new();
    for partition in found.partitions() {
        let (start, end) = consumer.fetch_watermarks(topic, partition.id(), PATIENCE)?;
        if start < end {
            ends.push((partition.id(), start, end));
        }
    }
    Ok(ends)
}

/// Drops partitions that end in offsets which are no records: the marks of transactions.
fn passed(consumer: &BaseConsumer, topic: &str, ends: &mut Vec<(i32, i64, i64)>) {
    let Ok(position) = consumer.position() else { return };
    ends.retain(|(partition, _, end)| {
        let at = position.find_partition(topic, *partition).map(|entry| entry.offset());
        !matches!(at, Some(Offset::Offset(at)) if at >= *end)
    });
}

fn letter_of(message: &mut rdkafka::message::BorrowedMessage<'_>) -> Option<Letter> {
    let bounds = Bounds { count: Bounds::MOST, bytes: 4 * 1024 * 1024 };
    let headers = Headers::read(message, bounds).ok()?;
    let says = DeadLetter::of(&headers)?;
    let mut original = Headers::default();
    for (name, value) in &says.headers {
        original.push(name, value.as_deref());
    }
    Some(Letter {
        headers: original,
        key: message.key().map(<[u8]>::to_vec),
        payload: message.payload().map(<[u8]>::to_vec),
        at: crate::consumer::timestamp_of(message),
        says,
    })
}
