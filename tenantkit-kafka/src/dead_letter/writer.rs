//! [`DeadLetters`]: writes dead letters, and waits until all replicas in sync have them.

use rdkafka::{
    ClientConfig, ClientContext,
    error::{KafkaError, KafkaResult},
    message::DeliveryResult,
    producer::{BaseRecord, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use tokio::sync::oneshot::{self, Sender};

use super::{Extent, Verdict, headers_of};
use crate::consumer::Record;

/// The dead letter topic, and that of the parked.
pub(crate) struct DeadLetters {
    producer: ThreadedProducer<Reports>,
    topic: String,
    parking: String,
    group: String,
}

/// A dead letter is not in its topic. Its record is done with only when it is.
#[derive(Debug, Clone, thiserror::Error)]
#[error("a dead letter cannot be written")]
pub(crate) struct NotWritten(#[source] pub(crate) KafkaError);

/// Hears what became of each letter, on the producer's own thread.
struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<Sender<KafkaResult<()>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waits: Self::DeliveryOpaque) {
        let told = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        // Whoever waited may have gone: then the record is handled again.
        let _ = waits.send(told);
    }
}

impl DeadLetters {
    /// `config` is that of the consumer: the same brokers and credentials.
    pub(crate) fn new(
        config: &ClientConfig,
        topic: String,
        parking: String,
        group: String,
    ) -> KafkaResult<Self> {
        let mut own = ClientConfig::new();
        for (name, value) in config.config_map() {
            if is_of_both(name) {
                own.set(name, value);
            }
        }
        let producer = own
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "2")
            .set("message.timeout.ms", "10000")
            // The same as the record's: what fitted there may not fit here, and is cut then.
            .set("message.max.bytes", "10000000")
            // A topic that is made meanwhile is found soon.
            .set("topic.metadata.propagation.max.ms", "3000")
            .set("topic.metadata.refresh.interval.ms", "5000")
            .create_with_context(Reports)?;
        Ok(Self { producer, topic, parking, group })
    }

    /// Writes a record's dead letter.
    ///
    /// # Cancellation
    ///
    /// It may be written all the same.
    pub(crate) async fn write(&self, record: &Record, verdict: &Verdict) -> Result<(), NotWritten> {
        match self.send(record, verdict, Extent::Whole).await {
            Err(KafkaError::MessageProduction(RDKafkaErrorCode::MessageSizeTooLarge)) => {
                self.send(record, verdict, Extent::Coordinates).await
            }
            written => written,
        }
        .map_err(NotWritten)
    }

    async fn send(&self, record: &Record, verdict: &Verdict, extent: Extent) -> KafkaResult<()> {
        let (sender, told) = oneshot::channel();
        let is_whole = extent == Extent::Whole;
        let letter = BaseRecord {
            topic: if verdict.is_parked { &self.parking } else { &self.topic },
            partition: None,
            payload: record.payload.as_deref().filter(|_| is_whole),
            key: record.key.as_deref().filter(|key| is_whole || key.len() < 1024),
            timestamp: None,
            headers: Some(headers_of(record, verdict, &self.group, extent)),
            delivery_opaque: Box::new(sender),
        };
        self.producer.send(letter).map_err(|(error, _)| error)?;
        told.await.unwrap_or(Err(KafkaError::Canceled))
    }
}

/// Where the brokers are, and how to speak with them: all else is of a consumer or of a producer.
fn is_of_both(name: &str) -> bool {
    const BOTH: [&str; 12] = [
        "bootstrap.servers",
        "metadata.broker.list",
        "security.",
        "sasl.",
        "ssl.",
        "client.id",
        "client.rack",
        "client.dns.lookup",
        "socket.",
        "broker.address",
        "reconnect.",
        "debug",
    ];
    BOTH.iter().any(|prefix| name.starts_with(prefix))
}

impl std::fmt::Debug for DeadLetters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeadLetters").field("topic", &self.topic).finish_non_exhaustive()
    }
}
