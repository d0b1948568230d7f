//! [`Link`]: librdkafka's producer, and the thread that hears what became of each record.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, ClientContext, Message,
    error::{KafkaError, KafkaResult},
    message::{DeliveryResult, OwnedHeaders},
    producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode,
};

use super::{
    delivery::{Delivered, Delivery, Failed, Ticket},
    in_flight::Room,
};
use crate::{Error, InvalidRecord, Outgoing};

/// How long the brokers have to say how many partitions a topic has.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before asking again.
const AGAIN: Duration = Duration::from_millis(50);

/// How many partitions a topic has.
pub(crate) type Answer = KafkaResult<u32>;

pub(crate) struct Link {
    /// Always there, until this is dropped.
    producer: Option<ThreadedProducer<Reports>>,
    failed: Arc<Failed>,
    /// In which each record is delivered or has failed.
    timeout: Duration,
    most_bytes: usize,
}

/// Hears what became of each record, on the producer's own thread.
struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Ticket>;

    fn delivery(&self, result: &DeliveryResult<'_>, ticket: Box<Ticket>) {
        ticket.done(match result {
            Ok(record) => Ok(Delivered { partition: record.partition(), offset: record.offset() }),
            Err((error, _)) => Err(error.clone()),
        });
    }
}

impl Link {
    pub(crate) fn new(
        config: &ClientConfig,
        timeout: Duration,
        most_bytes: usize,
    ) -> KafkaResult<Self> {
        let producer = Some(config.create_with_context(Reports)?);
        Ok(Self { producer, failed: Arc::default(), timeout, most_bytes })
    }

    /// Hands a record over. librdkafka copies it.
    pub(crate) fn send(
        &self,
        record: &Outgoing<'_>,
        key: Option<&[u8]>,
        partition: u32,
        headers: OwnedHeaders,
        room: Room,
    ) -> Result<Delivery, Error> {
        let (ticket, delivery) = Ticket::new(room, &self.failed);
        let record = BaseRecord {
            topic: record.topic,
            partition: i32::try_from(partition).ok(),
            payload: record.payload,
            key,
            timestamp: record.timestamp,
            headers: Some(headers),
            delivery_opaque: Box::new(ticket),
        };
        let producer = self.producer.as_ref().ok_or(Error::Ended)?;
        match producer.send(record) {
            Ok(()) => Ok(delivery),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge), record)) => {
                let of = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
                let bytes = of(record.key) + of(record.payload);
                Err(InvalidRecord::TooLarge { bytes, most: self.most_bytes }.into())
            }
            Err((error, _)) => Err(Error::Produce(error)),
        }
    }

    /// How many records failed of which nobody was told, since this was last asked.
    pub(crate) fn take_failed(&self) -> u64 {
        self.failed.take()
    }

    /// What asks how many partitions a topic has, on a thread that may block.
    pub(crate) fn partitions_of(&self, topic: &str) -> impl FnOnce() -> Answer + Send + 'static {
        let (producer, topic) = (self.producer.clone(), topic.to_owned());
        move || {
            let start = Instant::now();
            loop {
                let left = METADATA_TIMEOUT.saturating_sub(start.elapsed());
                match producer.as_ref().map(|producer| partitions(producer, &topic, left)) {
                    // It may be on its way to exist, or to have a leader.
                    Some(Err(error)) if is_passing(&error) && left > AGAIN => thread::sleep(AGAIN),
                    Some(answer) => return answer,
                    None => return Err(KafkaError::Canceled),
                }
            }
        }
    }
}

fn partitions(producer: &ThreadedProducer<Reports>, topic: &str, timeout: Duration) -> Answer {
    let metadata = producer.client().fetch_metadata(Some(topic), timeout)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let found = found.ok_or(KafkaError::MetadataFetch(RDKafkaErrorCode::UnknownTopic))?;
    match (found.error(), u32::try_from(found.partitions().len()).unwrap_or_default()) {
        (Some(error), _) => Err(KafkaError::MetadataFetch(error.into())),
        (None, 0) => Err(KafkaError::MetadataFetch(RDKafkaErrorCode::LeaderNotAvailable)),
        (None, partitions) => Ok(partitions),
    }
}

fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(Code::UnknownTopicOrPartition | Code::LeaderNotAvailable | Code::UnknownTopic)
    )
}

impl Drop for Link {
    /// rdkafka throws away what is in flight and then waits for its thread. Neither is for an executor's
    /// thread, and the first is a loss.
    fn drop(&mut self) {
        let (producer, timeout) = (self.producer.take(), self.timeout);
        let end = move || drop(producer.map(|producer| producer.flush(timeout)));
        drop(thread::Builder::new().name("tenantkit-kafka-end".to_owned()).spawn(end));
    }
}
