//! A cluster, an authority that seals, and a consumer that is rdkafka's own.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::BorrowedMessage,
    mocking::MockCluster,
    producer::DefaultProducerContext,
};
use tenantkit_core::{
    Algorithm, AuthorityBuilder, Envelopes, KeySet, KeyTerms, KeyUse, SigningKey, TierSet,
    test_util::TestAuthority,
};
use tenantkit_kafka::{
    Headers, TenantProducer, TenantProducerBuilder,
    headers::{Bounds, HeadersError},
};

pub(crate) const PARTITIONS: i32 = 6;
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct World {
    pub(crate) cluster: MockCluster<'static, DefaultProducerContext>,
    pub(crate) test: TestAuthority,
    pub(crate) brokers: String,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(change: impl FnOnce(AuthorityBuilder) -> AuthorityBuilder) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        let brokers = cluster.bootstrap_servers();
        let envelopes = envelopes();
        let test =
            TestAuthority::with(TierSet::METALS, |builder| change(builder.envelopes(envelopes)));
        Self { cluster, test, brokers }
    }

    /// A topic that no other test has.
    pub(crate) fn topic(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let topic = format!("documents.{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.cluster.create_topic(&topic, PARTITIONS, 1).unwrap();
        topic
    }

    pub(crate) fn builder(&self) -> TenantProducerBuilder {
        TenantProducer::builder(self.test.authority())
            .set("bootstrap.servers", &self.brokers)
            .set("linger.ms", "0")
    }

    pub(crate) fn producer(&self) -> TenantProducer {
        self.builder().build().unwrap()
    }

    /// Reads a topic from the start.
    pub(crate) fn consumer(&self, topic: &str) -> BaseConsumer {
        let consumer: BaseConsumer = ClientConfig::new()
            .set("bootstrap.servers", &self.brokers)
            .set("group.id", "test")
            .set("auto.offset.reset", "earliest")
            .set("enable.auto.commit", "false")
            .create()
            .unwrap();
        let mut assignment = TopicPartitionList::new();
        for partition in 0..PARTITIONS {
            assignment.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&assignment).unwrap();
        consumer
    }

    /// The next records of a topic, as they are on the wire.
    pub(crate) fn read(&self, topic: &str, count: usize) -> Vec<Read> {
        let consumer = self.consumer(topic);
        (0..count).map(|_| Read::of(&mut next(&consumer))).collect()
    }
}

pub(crate) fn next(consumer: &BaseConsumer) -> BorrowedMessage<'_> {
    consumer.poll(PATIENCE).expect("a record").unwrap()
}

pub(crate) fn envelopes() -> Envelopes {
    let terms = KeyTerms::new(
        "documents-1".parse().unwrap(),
        KeyUse::Envelope,
        "documents".parse().unwrap(),
    );
    let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    Envelopes::new("acmedocs.example", "documents", keys).unwrap().signing(key).unwrap()
}

/// A record as it was consumed.
pub(crate) struct Read {
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) payload: Option<Vec<u8>>,
    pub(crate) partition: i32,
    pub(crate) headers: Result<Headers, HeadersError>,
}

impl Read {
    pub(crate) fn of(message: &mut BorrowedMessage<'_>) -> Self {
        Self {
            headers: Headers::read(message, Bounds::DEFAULT),
            key: message.key().map(<[u8]>::to_vec),
            payload: message.payload().map(<[u8]>::to_vec),
            partition: message.partition(),
        }
    }

    /// Every value that stands under a name.
    pub(crate) fn values(&self, name: &str) -> Vec<Option<&[u8]>> {
        let headers = self.headers.as_ref().unwrap().iter();
        headers.filter(|it| it.name == name.as_bytes()).map(|it| it.value).collect()
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        let values = self.values(name);
        assert_eq!(values.len(), 1, "{name} stands once");
        std::str::from_utf8(values[0].unwrap()).unwrap()
    }
}
