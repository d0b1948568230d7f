//! A broker, an authority, topics and records.

use std::{
    fs,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use tenantkit_core::{
    Algorithm, Envelopes, KeySet, KeyTerms, KeyUse, SigningKey, SystemClock, TenantId,
    TenantRecord, TierSet, test_util::TestAuthority,
};
use tenantkit_kafka::{
    Outgoing, Partitioner, TenantConsumer, TenantConsumerBuilder, TenantProducer,
    rdkafka::{
        ClientConfig,
        admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
        client::DefaultClientContext,
    },
};
use throwaway::Kafka;

pub(crate) const PARTITIONS: u32 = 4;

pub(crate) struct Stage {
    _kafka: Kafka,
    pub(crate) brokers: String,
    pub(crate) test: TestAuthority,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let kafka = Kafka::from_env_or_start().unwrap();
        let terms = KeyTerms::new(
            "documents-1".parse().unwrap(),
            KeyUse::Envelope,
            "documents".parse().unwrap(),
        );
        let key = SigningKey::generate(terms, Algorithm::EdDsa).unwrap();
        let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
        let envelopes =
            Envelopes::new("acmedocs.example", "documents", keys).unwrap().signing(key).unwrap();
        let test = TestAuthority::with(TierSet::METALS, |builder| {
            builder.envelopes(envelopes).clock(SystemClock::new())
        });
        Self { brokers: kafka.brokers().to_owned(), _kafka: kafka, test }
    }

    pub(crate) async fn topic(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let topic = format!("bench.{}.{number}", std::process::id());
        let admin: AdminClient<DefaultClientContext> =
            ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap();
        for (topic, partitions) in
            [(topic.clone(), i32::try_from(PARTITIONS).unwrap()), (format!("{topic}.dead"), 1)]
        {
            let topic = NewTopic::new(&topic, partitions, TopicReplication::Fixed(1));
            admin.create_topics([&topic], &AdminOptions::new()).await.unwrap();
        }
        topic
    }

    pub(crate) fn producer(&self) -> TenantProducer {
        TenantProducer::builder(self.test.authority())
            .set("bootstrap.servers", &self.brokers)
            .set("linger.ms", "1")
            .build()
            .unwrap()
    }

    pub(crate) fn consumer(&self, topic: &str) -> TenantConsumerBuilder {
        TenantConsumer::builder(self.test.authority())
            .set("bootstrap.servers", &self.brokers)
            .group(&format!("{topic}.group"))
            .topic(topic)
            .dead_letters(&format!("{topic}.dead"))
    }

    /// A tenant that has the same partitions as another one.
    pub(crate) fn neighbour_of(&self, tenant: &str) -> TenantId {
        let shard = |tenant: &TenantId| Partitioner::default().shard(tenant, PARTITIONS);
        let theirs = shard(&tenant.parse().unwrap());
        let names = (0..).map(|number| format!("light-{number}").parse().unwrap());
        let tenant = { names }.find(|name| shard(name) == theirs).unwrap();
        let bronze = TierSet::METALS.get("bronze").unwrap();
        self.test.directory().set(tenant, TenantRecord::active(bronze));
        tenant
    }

    /// `count` records of 100 bytes of one tenant, sealed, over 1,000 keys.
    pub(crate) async fn fill(&self, topic: &str, tenant: &str, count: u64) {
        let (producer, start) = (self.producer(), Instant::now());
        let payload = [b'x'; 100];
        let mut context = self.test.context(tenant);
        for number in 0..count {
            // Contexts are short.
            if number % 10_000 == 0 {
                context = self.test.context(tenant);
            }
            let key = (number % 1000).to_string();
            let record = Outgoing::to(topic).key(key.as_bytes()).payload(&payload);
            drop(producer.enqueue(&context, record).await.unwrap());
        }
        producer.flush().await.unwrap();
        println!("{count} records of {tenant} were sealed and sent in {:.1?}", start.elapsed());
    }
}

/// Work that takes the processor for so long.
pub(crate) fn work(micros: u64) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_micros(micros) {
        std::hint::spin_loop();
    }
}

/// Processor time of this process so far.
pub(crate) fn processor() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// Resident memory of this process, in MiB: now, and at its peak.
pub(crate) fn memory() -> (u64, u64) {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    };
    (of("VmRSS:"), of("VmHWM:"))
}
