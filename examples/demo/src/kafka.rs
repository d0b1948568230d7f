//! Kafka for the changes of documents: librdkafka's mock cluster in this process, or real brokers.

mod runs;

use std::{
    env, fmt,
    path::Path,
    time::{Duration, Instant},
};

use tenantkit_kafka::{
    Headers,
    dead_letter::DeadLetter,
    headers::Bounds,
    rdkafka::{
        ClientConfig, Message, Offset, TopicPartitionList,
        consumer::{BaseConsumer, Consumer},
        error::KafkaError,
        message::{Header, OwnedHeaders},
        producer::{BaseProducer, BaseRecord, Producer},
    },
};

use self::runs::Runs;
use crate::Failed;

const PARTITIONS: i32 = 6;
/// How long brokers may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which Kafka a world has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brokers {
    /// Those that the environment names, else librdkafka's mock cluster in this process.
    Embedded,
    /// Those that the environment names, else an Apache Kafka that is started.
    Started,
}

/// Brokers, with the topics of the changes.
pub struct Kafka {
    /// What a client's `bootstrap.servers` is.
    pub brokers: String,
    /// The topic of the changes.
    pub topic: String,
    /// The topic of what cannot be indexed.
    pub dead_letter_topic: String,
    runs: Runs,
}

impl Kafka {
    /// Starts what is to be started, and makes the topics. On brokers that others use their names begin
    /// with `prefix`.
    pub(crate) async fn start(which: Brokers, prefix: &str) -> Result<Self, Failed> {
        let is_named = env::var_os(throwaway::Kafka::VARIABLE).is_some();
        let topic = "documents.changed";
        let topic = if is_named { format!("{prefix}.{topic}") } else { topic.to_owned() };
        let dead_letter_topic = format!("{topic}.dead");
        let topics = [(topic.clone(), PARTITIONS), (dead_letter_topic.clone(), 1)];
        let (brokers, runs) = if which == Brokers::Embedded && !is_named {
            runs::mock(topics)?
        } else {
            runs::broker(topics).await?
        };
        Ok(Self { brokers, topic, dead_letter_topic, runs })
    }

    /// What acmedocs is told of it.
    pub(crate) fn config(&self, folder: &Path) -> String {
        let Self { brokers, topic, dead_letter_topic, .. } = self;
        let (folder, group) = (folder.display(), self.group());
        format!(
            r#"
[kafka]
brokers = "{brokers}"
topic = "{topic}"
dead_letter_topic = "{dead_letter_topic}"
group = "{group}"
envelope_keys = "{folder}/envelopes.jwks"
signing_key = "{folder}/envelope.jwk"
"#
        )
    }

    /// Writes a change as anybody can who reaches the brokers: with a tenant's name, and no proof.
    ///
    /// # Errors
    ///
    /// When the brokers do not take it.
    pub async fn forge(&self, tenant: &str, payload: String) -> Result<(), Failed> {
        let (topic, tenant) = (self.topic.clone(), tenant.to_owned());
        let producer: BaseProducer = self.client().create()?;
        let sent = tokio::task::spawn_blocking(move || {
            let header = Header { key: "tenant_id", value: Some(&tenant) };
            let headers = OwnedHeaders::new().insert(header);
            let record = BaseRecord::to(&topic).key("forged").payload(&payload).headers(headers);
            producer.send(record).map_err(|(error, _)| error)?;
            producer.flush(PATIENCE)
        });
        Ok(sent.await??)
    }

    /// The first dead letter with this reason, once there is one, and its offset.
    ///
    /// # Errors
    ///
    /// When there is none in half a minute.
    pub async fn dead_letter(&self, reason: &str) -> Result<(DeadLetter, i64), Failed> {
        let (topic, reason) = (self.dead_letter_topic.clone(), reason.to_owned());
        let consumer: BaseConsumer =
            self.client().set("group.id", "reads").set("enable.auto.commit", "false").create()?;
        let read = tokio::task::spawn_blocking(move || {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&topic, 0, Offset::Beginning)?;
            consumer.assign(&list)?;
            let start = Instant::now();
            while start.elapsed() < PATIENCE {
                let Some(Ok(mut message)) = consumer.poll(Duration::from_millis(100)) else {
                    continue;
                };
                let letter = Headers::read(&mut message, Bounds::DEFAULT).ok();
                let letter = letter.and_then(|headers| DeadLetter::of(&headers));
                if let Some(letter) = letter.filter(|letter| letter.reason == reason) {
                    return Ok::<_, KafkaError>(Some((letter, message.offset())));
                }
            }
            Ok(None)
        });
        read.await??.ok_or_else(|| "there is no such dead letter".into())
    }

    /// How many changes were told, and how many dead letters there are.
    ///
    /// # Errors
    ///
    /// When the brokers do not answer.
    pub async fn records(&self) -> Result<(i64, i64), Failed> {
        let (topic, dead) = (self.topic.clone(), self.dead_letter_topic.clone());
        self.ask(move |consumer| {
            let mut records = 0;
            for partition in 0..PARTITIONS {
                records += consumer.fetch_watermarks(&topic, partition, PATIENCE)?.1;
            }
            Ok((records, consumer.fetch_watermarks(&dead, 0, PATIENCE)?.1))
        })
        .await
    }

    /// How many changes the indexer has not committed yet.
    ///
    /// # Errors
    ///
    /// When the brokers do not answer.
    pub async fn lag(&self) -> Result<i64, Failed> {
        let topic = self.topic.clone();
        self.ask(move |consumer| {
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&topic, 0, PARTITIONS - 1);
            let mut lag = 0;
            for entry in consumer.committed_offsets(list, PATIENCE)?.elements() {
                let (low, high) = consumer.fetch_watermarks(&topic, entry.partition(), PATIENCE)?;
                lag += match entry.offset() {
                    Offset::Offset(at) => high - at,
                    _ => high - low,
                };
            }
            Ok(lag)
        })
        .await
    }

    /// Asks the brokers in the name of the indexer's group, of which it does not become a member.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&BaseConsumer) -> Result<T, KafkaError> + Send + 'static,
    ) -> Result<T, Failed> {
        let consumer: BaseConsumer = self.client().set("group.id", self.group()).create()?;
        Ok(tokio::task::spawn_blocking(move || question(&consumer)).await??)
    }

    fn group(&self) -> String {
        format!("{}.indexer", self.topic)
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }
}

impl fmt::Display for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.runs {
            // A real one answers as soon as there is something.
            Runs::Mock { .. } => f.write_str(
                "librdkafka's mock cluster, in this process: it answers a fetch that found nothing after half \
                 a second.",
            ),
            Runs::Broker { .. } => write!(f, "Kafka at {}.", self.brokers),
        }
    }
}

impl fmt::Debug for Kafka {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kafka").field("brokers", &self.brokers).finish_non_exhaustive()
    }
}
