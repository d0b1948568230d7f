//! A broker, an authority that seals, topics of one's own, and a consumer that runs.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use tenantkit_core::{
    Authority, Envelopes, KeySet, KeyTerms, KeyUse, SecretJwk, SigningKey, SystemClock,
    TenantContext, TenantRecord, TierSet, test_util::TestAuthority,
};
use tenantkit_kafka::{
    ConsumeError, ConsumerHandle, Failure, Headers, Incoming, Outgoing, TenantConsumer,
    TenantConsumerBuilder, TenantProducer, dead_letter::DeadLetter, headers::Bounds, rdkafka,
};
use throwaway::{Kafka, tools};
use tokio::task::JoinHandle;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
pub(crate) const PARTITIONS: i32 = 4;

pub(crate) struct World {
    pub(crate) test: TestAuthority,
    pub(crate) secret: String,
    pub(crate) brokers: String,
}

/// The broker that all tests share that leave it alone.
fn shared() -> Option<&'static Kafka> {
    static SHARED: OnceLock<Option<Kafka>> = OnceLock::new();
    SHARED.get_or_init(|| tools::or_skip(Kafka::from_env_or_start())).as_ref()
}

impl World {
    pub(crate) fn new() -> Option<Self> {
        let kafka = shared()?;
        Some(Self::at(kafka.brokers()))
    }

    pub(crate) fn at(brokers: &str) -> Self {
        let terms = KeyTerms::new(
            "documents-1".parse().unwrap(),
            KeyUse::Envelope,
            "documents".parse().unwrap(),
        );
        let secret = SecretJwk::generate(&terms).unwrap().expose().to_owned();
        Self { test: authority(&secret), secret, brokers: brokers.to_owned() }
    }

    pub(crate) fn authority(&self) -> &Authority {
        self.test.authority()
    }

    /// A topic that no other test has, with its dead letter topic.
    pub(crate) async fn topics(&self) -> (String, String) {
        let topic = name();
        let dead = format!("{topic}.dead");
        self.make_topic(&topic, PARTITIONS).await;
        self.make_topic(&dead, 1).await;
        (topic, dead)
    }

    pub(crate) async fn make_topic(&self, topic: &str, partitions: i32) {
        self.make_topic_that(topic, partitions, &[]).await;
    }

    /// With settings of its own.
    pub(crate) async fn make_topic_that(
        &self,
        topic: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) {
        let topic = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        let topic = settings.iter().fold(topic, |topic, (name, value)| topic.set(name, value));
        let made = self.admin().create_topics([&topic], &AdminOptions::new()).await.unwrap();
        assert!(made.iter().all(Result::is_ok), "{made:?}");
    }

    /// All records that are there now are not there any more, as if their time were over.
    pub(crate) async fn forget_records(&self, topic: &str) {
        let mut ends = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            ends.add_partition_offset(topic, partition, Offset::End).unwrap();
        }
        let gone = self.admin().delete_records(&ends, &AdminOptions::new()).await.unwrap();
        assert!(gone.elements().iter().all(|entry| entry.error().is_ok()), "{gone:?}");
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap()
    }

    pub(crate) fn producer(&self) -> TenantProducer {
        TenantProducer::builder(self.authority())
            .set("bootstrap.servers", &self.brokers)
            .set("linger.ms", "1")
            .build()
            .unwrap()
    }

    pub(crate) fn consumer(&self, topic: &str, dead: &str) -> TenantConsumerBuilder {
        TenantConsumer::builder(self.authority())
            .set("bootstrap.servers", &self.brokers)
            .group(&format!("{topic}.group"))
            .topic(topic)
            .dead_letters(dead)
    }

    /// Produces `count` records of each tenant, over `keys` keys each, numbered in order.
    pub(crate) async fn produce(&self, topic: &str, tenants: &[&str], count: u32, keys: u32) {
        let producer = self.producer();
        let mut last = Vec::new();
        for number in 0..count {
            for tenant in tenants {
                let context = self.test.context(tenant);
                let (key, payload) = (format!("{}", number % keys), format!("{number}"));
                let record = Outgoing::to(topic).key(key.as_bytes()).payload(payload.as_bytes());
                last.push(producer.enqueue(&context, record).await.unwrap());
            }
        }
        for delivery in last {
            delivery.await.unwrap();
        }
    }

    /// The dead letters that are there, once there are `count`.
    pub(crate) async fn dead_letters(&self, topic: &str, count: usize) -> Vec<DeadLetter> {
        let (brokers, topic) = (self.brokers.clone(), topic.to_owned());
        let letters = tokio::task::spawn_blocking(move || read(&brokers, &topic, count));
        letters
            .await
            .unwrap()
            .into_iter()
            .map(|(letter, _)| letter.expect("a dead letter"))
            .collect()
    }

    /// How far behind a group is in a topic, by what it has committed.
    pub(crate) async fn lag(&self, group: &str, topic: &str) -> i64 {
        let (brokers, group, topic) = (self.brokers.clone(), group.to_owned(), topic.to_owned());
        let lag = tokio::task::spawn_blocking(move || {
            let consumer: BaseConsumer = ClientConfig::new()
                .set("bootstrap.servers", &brokers)
                .set("group.id", &group)
                .create()
                .unwrap();
            let mut list = TopicPartitionList::new();
            list.add_partition_range(&topic, 0, PARTITIONS - 1);
            let committed = consumer.committed_offsets(list, PATIENCE).unwrap();
            committed
                .elements()
                .iter()
                .map(|entry| {
                    let (low, high) =
                        consumer.fetch_watermarks(&topic, entry.partition(), PATIENCE).unwrap();
                    match entry.offset() {
                        Offset::Offset(at) => high - at,
                        _ => high - low,
                    }
                })
                .sum::<i64>()
        });
        lag.await.unwrap()
    }

    pub(crate) async fn lag_is_over(&self, group: &str, topic: &str) {
        let start = Instant::now();
        while self.lag(group, topic).await > 0 {
            assert!(start.elapsed() < PATIENCE, "the lag is {}", self.lag(group, topic).await);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

pub(crate) fn name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let process = std::process::id();
    // Brokers that the environment names have the topics of other runs.
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    format!("documents.{process}.{now}.{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// One with the machine's clock, as a broker has, and a key that other processes can be given.
pub(crate) fn authority(secret: &str) -> TestAuthority {
    let key = SigningKey::from_jwk(secret).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let envelopes =
        Envelopes::new("acmedocs.example", "documents", keys).unwrap().signing(key).unwrap();
    let test = TestAuthority::with(TierSet::METALS, |builder| {
        builder.envelopes(envelopes).clock(SystemClock::new())
    });
    let silver = TierSet::METALS.get("silver").unwrap();
    for number in 0..20 {
        test.directory()
            .set(format!("tenant-{number}").parse().unwrap(), TenantRecord::active(silver));
    }
    test
}

/// What handlers have seen, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Vec<Handled>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Handled {
    pub(crate) tenant: String,
    pub(crate) key: String,
    pub(crate) payload: String,
}

impl Seen {
    pub(crate) fn note(&self, tenant: &TenantContext, record: &Incoming) {
        // In the tenant's scope, and no other.
        assert!(TenantContext::current().unwrap().is_same_tenant(tenant));
        let text =
            |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        self.0.lock().unwrap().push(Handled {
            tenant: tenant.tenant().to_string(),
            key: text(record.key()),
            payload: text(record.payload()),
        });
    }

    pub(crate) fn all(&self) -> Vec<Handled> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) async fn wait_for(&self, count: usize) {
        let start = Instant::now();
        while self.len() < count {
            assert!(start.elapsed() < PATIENCE, "{} of {count} were handled", self.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// That of each tenant and key the numbers came in order.
    pub(crate) fn in_order(&self) {
        let mut last: HashMap<(String, String), u32> = HashMap::new();
        for Handled { tenant, key, payload } in self.all() {
            let number: u32 = payload.parse().unwrap();
            let before = last.insert((tenant.clone(), key.clone()), number);
            assert!(before < Some(number), "{tenant} {key}: {number} came after {before:?}");
        }
    }
}

/// A consumer that runs, until this is shut down.
pub(crate) struct Running {
    pub(crate) handle: ConsumerHandle,
    task: JoinHandle<Result<(), ConsumeError>>,
}

impl Running {
    pub(crate) fn start<F>(
        consumer: TenantConsumerBuilder,
        handler: impl Fn(TenantContext, Incoming) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        let consumer = consumer.build().unwrap();
        let handle = consumer.handle();
        Self { handle, task: tokio::spawn(consumer.run(handler)) }
    }

    pub(crate) fn noting(consumer: TenantConsumerBuilder, seen: &Seen) -> Self {
        let seen = seen.clone();
        Self::start(consumer, move |tenant, record| {
            let seen = seen.clone();
            async move {
                seen.note(&tenant, &record);
                Ok(())
            }
        })
    }

    pub(crate) async fn shut_down(self) {
        self.handle.shutdown();
        tokio::time::timeout(PATIENCE, self.task).await.expect("it ends").unwrap().unwrap();
    }

    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&ConsumerHandle) -> bool) {
        let start = Instant::now();
        while !is_so(&self.handle) {
            assert!(start.elapsed() < PATIENCE, "{what}: {:#?}", self.handle.stats());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Reads `count` records of a topic, with what is before it.
pub(crate) fn read(brokers: &str, topic: &str, count: usize) -> Vec<(Option<DeadLetter>, Record)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reads")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let mut list = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let start = Instant::now();
    let mut records = Vec::new();
    while records.len() < count {
        assert!(start.elapsed() < PATIENCE, "{} of {count} records in {topic}", records.len());
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let mut message = message.unwrap();
        let bounds = Bounds { count: Bounds::MOST, bytes: 4 << 20 };
        let headers = Headers::read(&mut message, bounds).unwrap();
        let record = Record {
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            headers,
        };
        records.push((DeadLetter::of(&record.headers), record));
    }
    records
}

/// How many records there are in a topic.
pub(crate) fn ends(brokers: &str, topic: &str) -> i64 {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "reads")
        .create()
        .unwrap();
    let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).unwrap();
    let partitions = metadata.topics()[0].partitions().iter();
    partitions
        .map(|partition| consumer.fetch_watermarks(topic, partition.id(), PATIENCE).unwrap())
        .map(|(low, high)| high - low)
        .sum()
}

pub(crate) struct Record {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) headers: Headers,
}
