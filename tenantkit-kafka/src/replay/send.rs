//! [`Sender`]: gives a record back to its topic as it was.

use rdkafka::{
    ClientConfig, ClientContext,
    error::{KafkaError, KafkaResult},
    message::{DeliveryResult, Header, OwnedHeaders},
    producer::{BaseRecord, ProducerContext, ThreadedProducer},
    types::RDKafkaErrorCode,
};
use tokio::sync::oneshot;

use super::Letter;

pub(super) struct Sender(ThreadedProducer<Reports>);

struct Reports;

impl ClientContext for Reports {}

impl ProducerContext for Reports {
    type DeliveryOpaque = Box<oneshot::Sender<KafkaResult<()>>>;

    fn delivery(&self, result: &DeliveryResult<'_>, waits: Self::DeliveryOpaque) {
        let told = result.as_ref().map(drop).map_err(|(error, _)| error.clone());
        // Whoever waited may have gone.
        let _ = waits.send(told);
    }
}

impl Sender {
    pub(super) fn new(config: &ClientConfig) -> KafkaResult<Self> {
        let producer = config
            .clone()
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("message.timeout.ms", "30000")
            .set("message.max.bytes", "10000000")
            .create_with_context(Reports)?;
        Ok(Self(producer))
    }

    /// To the same partition, so that the records of a key stay together. The time is anew: the topic
    /// would else throw it away by its age.
    pub(super) async fn send(&self, letter: &Letter) -> KafkaResult<()> {
        let mut headers = OwnedHeaders::new_with_capacity(letter.headers.len());
        for header in letter.headers.iter() {
            // What cannot be said again was refused when it was verified, or is nobody's identity.
            let Ok(key) = std::str::from_utf8(header.name) else { continue };
            if key.contains('\0') {
                continue;
            }
            headers = headers.insert(Header { key, value: header.value });
        }
        let (sender, told) = oneshot::channel();
        let record = BaseRecord {
            topic: &letter.says.topic,
            partition: Some(letter.says.partition),
            payload: letter.payload.as_deref(),
            key: letter.key.as_deref(),
            timestamp: None,
            headers: Some(headers),
            delivery_opaque: Box::new(sender),
        };
        self.0.send(record).map_err(|(error, _)| error)?;
        told.await.unwrap_or(Err(KafkaError::MessageProduction(RDKafkaErrorCode::PurgeQueue)))
    }
}
