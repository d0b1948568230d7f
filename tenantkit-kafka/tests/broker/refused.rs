//! Records that are nobody's: each becomes a dead letter for its own reason, and none is handled.

use std::{collections::BTreeMap, time::Duration};

use rdkafka::producer::{BaseProducer, Producer};
use tenantkit_core::{
    Algorithm, Authority, Clock, Envelopes, Incarnation, KeySet, KeyTerms, KeyUse, ManualClock,
    Reason, SigningKey, SystemClock, TenantRecord, TierSet, UnixTime, WireRecord,
    test_util::TestAuthority,
};
use tenantkit_kafka::{InvalidConsumer, dead_letter::DeadLetter, rdkafka};

use crate::{
    raw::{self, RawHeader},
    world::{PARTITIONS, PATIENCE, Running, Seen, World, authority, name},
};

const PAYLOAD: &[u8] = b"payload";

/// Produces records that are somehow wrong, and knows for what each is to be refused.
struct Forger<'w> {
    world: &'w World,
    topic: &'w str,
    producer: BaseProducer,
    expected: BTreeMap<&'static str, usize>,
    count: usize,
}

impl<'w> Forger<'w> {
    fn new(world: &'w World, topic: &'w str) -> Self {
        let producer = raw::producer(&world.brokers);
        Self { world, topic, producer, expected: BTreeMap::new(), count: 0 }
    }

    /// What the real producer would seal.
    fn envelope(&self) -> String {
        self.sealed(self.world.authority(), &WireRecord::new(self.topic, None, Some(PAYLOAD)))
    }

    fn sealed(&self, authority: &Authority, record: &WireRecord<'_>) -> String {
        let context = self.world.test.context("acme");
        assert_eq!(context.authority(), authority);
        authority.seal(&context, record).unwrap().to_string()
    }

    fn send(&mut self, headers: &[RawHeader<'_>], reason: Reason) {
        raw::produce(&self.producer, self.topic, headers);
        *self.expected.entry(reason.as_str()).or_default() += 1;
        self.count += 1;
    }

    fn send_with(&mut self, envelope: &str, reason: Reason) {
        self.send(&both("acme", envelope), reason);
    }
}

fn both<'a>(tenant: &'a str, envelope: &'a str) -> [RawHeader<'a>; 2] {
    [(b"tenant_id", Some(tenant.as_bytes())), (b"tenant_envelope", Some(envelope.as_bytes()))]
}

/// An authority that knows acme, with another key or at another time.
fn other(key: SigningKey, clock: impl Clock) -> TestAuthority {
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let envelopes =
        Envelopes::new("acmedocs.example", "documents", keys).unwrap().signing(key).unwrap();
    TestAuthority::with(TierSet::METALS, |builder| builder.envelopes(envelopes).clock(clock))
}

fn seal(test: &TestAuthority, tenant: &str, topic: &str) -> String {
    let record = WireRecord::new(topic, None, Some(PAYLOAD));
    test.authority().seal(&test.context(tenant), &record).unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_forgery_is_a_dead_letter_for_its_own_reason_and_never_anybodys() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let mut forger = Forger::new(&world, &topic);
    let good = forger.envelope();

    // Nobody's.
    forger.send(&[], Reason::NoIdentity);
    forger.send(&[(b"\xFF\xFE", Some(b"x"))], Reason::NoIdentity);
    forger.send(&[(b"tenant_envelope", Some(good.as_bytes()))], Reason::NoIdentity);
    // Only said.
    forger.send(&[(b"tenant_id", Some(b"acme"))], Reason::NotAdmitted);
    forger.send(&[(b"tenant_id", Some(b"\xFF\xFE"))], Reason::MalformedHeader);
    forger.send(&[(b"tenant_id", None)], Reason::MalformedHeader);
    forger.send(&[(b"tenant_id", Some(b"../acme"))], Reason::MalformedHeader);
    // In two ways.
    let twice = [both("acme", &good), both("acme", &good)].concat();
    forger.send(&twice, Reason::DuplicateHeader);
    let [_, envelope] = both("acme", &good);
    forger.send(&[(b"Tenant-Id", Some(b"acme")), envelope], Reason::AliasedHeader);
    forger.send(&[(b"tenant_id\0evil", Some(b"acme")), envelope], Reason::AliasedHeader);
    // Somebody else's.
    forger.send(&both("globex", &good), Reason::SourcesDisagree);
    // Another record's.
    let record = WireRecord::new("another.topic", None, Some(PAYLOAD));
    let sealed = forger.sealed(world.authority(), &record);
    forger.send_with(&sealed, Reason::WrongTopic);
    let record = WireRecord::new(&topic, Some(b"another"), Some(PAYLOAD));
    let sealed = forger.sealed(world.authority(), &record);
    forger.send_with(&sealed, Reason::WrongRecordKey);
    let record = WireRecord::new(&topic, None, Some(b"another"));
    let sealed = forger.sealed(world.authority(), &record);
    forger.send_with(&sealed, Reason::WrongPayload);
    // Not what was sealed.
    forger.send_with(&good[..good.len() - 10], Reason::TruncatedToken);
    let (head, signature) = good.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    forger.send_with(&format!("{head}.{first}{}", &signature[1..]), Reason::BadSignature);
    // Sealed by a key that nobody here knows.
    let terms =
        KeyTerms::new("evil-1".parse().unwrap(), KeyUse::Envelope, "documents".parse().unwrap());
    let evil = other(SigningKey::generate(terms, Algorithm::EdDsa).unwrap(), SystemClock::new());
    forger.send_with(&seal(&evil, "acme", &topic), Reason::UnknownKey);
    // Sealed long ago.
    let now = world.authority().now();
    let then = ManualClock::at(now.saturating_sub(Duration::from_secs(40 * 24 * 60 * 60)));
    let old = other(SigningKey::from_jwk(&world.secret).unwrap(), then);
    forger.send_with(&seal(&old, "acme", &topic), Reason::Expired);
    // More headers than anybody reads.
    let names: Vec<String> = (0..10_000).map(|number| format!("h{number}")).collect();
    let many: Vec<RawHeader<'_>> =
        names.iter().map(|name| (name.as_bytes(), Some(&b"v"[..]))).collect();
    forger.send(&many, Reason::TooManyHeaders);
    // Of a tenant that is not, or not any more.
    let elsewhere = authority(&world.secret);
    let silver = TierSet::METALS.get("silver").unwrap();
    for tenant in ["nobody", "reborn"] {
        elsewhere.directory().set(tenant.parse().unwrap(), TenantRecord::active(silver));
    }
    world.test.directory().set(
        "reborn".parse().unwrap(),
        TenantRecord::active(silver).incarnation(Incarnation::FIRST.next(), UnixTime::EPOCH),
    );
    let sealed = seal(&elsewhere, "nobody", &topic);
    forger.send(&both("nobody", &sealed), Reason::UnknownTenant);
    let sealed = seal(&elsewhere, "reborn", &topic);
    forger.send(&both("reborn", &sealed), Reason::StaleIncarnation);
    // The good one, and a copy of it.
    raw::produce(&forger.producer, &topic, &both("acme", &good));
    forger.send_with(&good, Reason::DuplicateRecord);

    let (expected, count) = (forger.expected, forger.count);
    let seen = Seen::default();
    let running = Running::noting(world.consumer(&topic, &dead), &seen);
    seen.wait_for(1).await;
    let letters = world.dead_letters(&dead, count).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    let stats = running.handle.stats();
    running.shut_down().await;

    assert_eq!(seen.len(), 1, "{:?}", seen.all());
    assert_eq!(seen.all()[0].tenant, "acme");
    let mut found: BTreeMap<&str, usize> = BTreeMap::new();
    for letter in &letters {
        *found.entry(&letter.reason).or_default() += 1;
        assert_eq!(letter.attempts, 0, "nobody tried {letter:?}");
    }
    assert_eq!(found, expected);
    assert_eq!(stats.tiers[&None].dead_letters, count as u64);
    verbatim(&letters, &good);
}

/// What a record came with is there, under other names, and nothing of it as if it were the letter's own.
fn verbatim(letters: &[DeadLetter], good: &str) {
    let of = |reason: Reason| {
        letters.iter().filter(move |letter| letter.reason == reason.as_str()).collect::<Vec<_>>()
    };
    let twice = of(Reason::DuplicateHeader)[0];
    let names: Vec<&[u8]> = twice.headers.iter().map(|(name, _)| name.as_slice()).collect();
    assert_eq!(names, [&b"tenant_id"[..], b"tenant_envelope", b"tenant_id", b"tenant_envelope"]);
    assert_eq!(twice.headers[1].1.as_deref(), Some(good.as_bytes()));
    assert_eq!(twice.tenant, None, "what a refused record says of itself is not believed");
    let odd = of(Reason::NoIdentity);
    assert!(
        odd.iter().any(|letter| letter.headers == [(b"\xFF\xFE".to_vec(), Some(b"x".to_vec()))])
    );
    let malformed = of(Reason::MalformedHeader);
    assert!(malformed.iter().any(|letter| letter.headers == [(b"tenant_id".to_vec(), None)]));
    let cut = of(Reason::AliasedHeader);
    assert!(cut.iter().any(|letter| letter.headers[0].0 == b"tenant_id\0"));
    assert_eq!(of(Reason::TooManyHeaders)[0].headers.len(), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_too_large_is_a_dead_letter_and_not_kept_in_memory() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let producer = world.producer();
    let large = vec![b'x'; 50_000];
    for payload in [&large[..], b"1"] {
        let record = tenantkit_kafka::Outgoing::to(&topic).key(b"k").payload(payload);
        producer.send(&world.test.context("acme"), record).await.unwrap();
    }
    let seen = Seen::default();
    let consumer = world.consumer(&topic, &dead).max_record_bytes(10_000);
    let running = Running::noting(consumer, &seen);
    seen.wait_for(1).await;
    let letters = world.dead_letters(&dead, 1).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert_eq!(letters[0].reason, "oversize-record");
}

/// Many bad records, and the good ones among them flow.
#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_forgeries_has_a_lane_of_its_own() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let producer = raw::producer(&world.brokers);
    for _ in 0..300 {
        raw::produce(&producer, &topic, &[(b"tenant_id", Some(b"acme"))]);
    }
    world.produce(&topic, &["acme"], 100, 5).await;
    let seen = Seen::default();
    let consumer =
        world.consumer(&topic, &dead).max_record_bytes(20_000).memory(100_000, 100).concurrency(4);
    let running = Running::noting(consumer, &seen);
    seen.wait_for(100).await;
    assert_eq!(world.dead_letters(&dead, 300).await.len(), 300);
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    seen.in_order();
}

/// An authority that trusts what it is told to.
fn believing(world: &World) -> TestAuthority {
    TestAuthority::with(TierSet::METALS, |builder| {
        let key = SigningKey::from_jwk(&world.secret).unwrap();
        let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
        builder
            .envelopes(Envelopes::new("acmedocs.example", "documents", keys).unwrap())
            .clock(SystemClock::new())
            .dangerous()
            .trust_plain_records()
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_record_is_believed_of_a_listed_topic_until_its_cut_over_only() {
    let Some(world) = World::new() else { return };
    let now = world.authority().now();
    let test = believing(&world);
    let hour = Duration::from_secs(3600);
    let (past, future) = (now.saturating_sub(hour), now.saturating_add(hour));
    let (another, _) = world.topics().await;
    for (listed, cut_over, is_believed) in
        [(None, future, true), (None, past, false), (Some(&another), future, false)]
    {
        let (topic, dead) = world.topics().await;
        let producer = raw::producer(&world.brokers);
        raw::produce(&producer, &topic, &[(b"tenant_id", Some(b"acme"))]);
        // One that is there and does not hold is never skipped.
        raw::produce(&producer, &topic, &both("acme", "a.b.c"));
        let consumer = tenantkit_kafka::TenantConsumer::builder(test.authority())
            .set("bootstrap.servers", &world.brokers)
            .group(&format!("{topic}.group"))
            .topic(&topic)
            .topic(&another)
            .dead_letters(&dead)
            .dangerous()
            .believe_plain_records(listed.unwrap_or(&topic), cut_over);
        let seen = Seen::default();
        let running = Running::noting(consumer, &seen);
        world.dead_letters(&dead, if is_believed { 1 } else { 2 }).await;
        world.lag_is_over(&format!("{topic}.group"), &topic).await;
        running.shut_down().await;
        assert_eq!(seen.len(), usize::from(is_believed));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_record_is_as_old_as_its_broker_says_where_the_broker_says_it() {
    let Some(world) = World::new() else { return };
    let test = believing(&world);
    for (time, is_believed) in [("LogAppendTime", true), ("CreateTime", false)] {
        let (topic, dead) = (name(), name());
        world.make_topic_that(&topic, PARTITIONS, &[("message.timestamp.type", time)]).await;
        world.make_topic(&dead, 1).await;
        let producer = raw::producer(&world.brokers);
        raw::produce(&producer, &topic, &[(b"tenant_id", Some(b"acme"))]);
        // It was there before the cut-over, and is read behind it.
        let cut_over = world.authority().now().saturating_add(Duration::from_millis(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
        let consumer = tenantkit_kafka::TenantConsumer::builder(test.authority())
            .set("bootstrap.servers", &world.brokers)
            .group(&format!("{topic}.group"))
            .topic(&topic)
            .dead_letters(&dead)
            .dangerous()
            .believe_plain_records(&topic, cut_over);
        let seen = Seen::default();
        let running = Running::noting(consumer, &seen);
        world.lag_is_over(&format!("{topic}.group"), &topic).await;
        running.shut_down().await;
        assert_eq!(seen.len(), usize::from(is_believed), "{time}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_took_back_is_nobodys_record() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let producer: BaseProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &world.brokers)
        .set("transactional.id", &topic)
        .create()
        .unwrap();
    let forger = Forger::new(&world, &topic);
    producer.init_transactions(PATIENCE).unwrap();
    for is_kept in [false, true, false] {
        producer.begin_transaction().unwrap();
        raw::produce(&producer, &topic, &both("acme", &forger.envelope()));
        let ended = if is_kept {
            producer.commit_transaction(PATIENCE)
        } else {
            producer.abort_transaction(PATIENCE)
        };
        ended.unwrap();
    }
    // Behind the marks of transactions, which are offsets as well.
    raw::produce(&forger.producer, &topic, &both("acme", &forger.envelope()));
    let seen = Seen::default();
    let running = Running::noting(world.consumer(&topic, &dead), &seen);
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert_eq!(seen.len(), 2);
    assert_eq!(crate::world::ends(&world.brokers, &dead), 0);
}

#[tokio::test]
async fn a_configuration_that_breaks_a_promise_is_refused_with_the_reason() {
    let world = World::at("127.0.0.1:1");
    let good = || world.consumer("documents", "documents.dead");
    good().build().unwrap();
    for (name, value) in [
        ("enable.auto.commit", "true"),
        ("enable.auto.offset.store", "true"),
        ("auto.offset.reset", "latest"),
        ("isolation.level", "read_uncommitted"),
        ("group.id", "another"),
        ("group.instance.id", "one"),
        ("queued.max.messages.kbytes", "1000000"),
    ] {
        let refused = good().set(name, value).build().unwrap_err();
        assert!(
            matches!(refused, InvalidConsumer::Breaks { name: named, .. } if named == name),
            "{refused}"
        );
    }
    let refused = world.consumer("documents", "documents").build().unwrap_err();
    assert!(matches!(refused, InvalidConsumer::ReadsItsDeadLetters));
    let refused = good().parking("documents").build().unwrap_err();
    assert!(matches!(refused, InvalidConsumer::ReadsItsDeadLetters));
    let refused = world.consumer("documents", "").build().unwrap_err();
    assert!(matches!(refused, InvalidConsumer::NoDeadLetters));
    let refused = good().memory(1 << 20, 1000).build().unwrap_err();
    assert!(matches!(refused, InvalidConsumer::Memory));
    let refused = good().concurrency(0).build().unwrap_err();
    assert!(matches!(refused, InvalidConsumer::Zero("concurrency")));
    let refused = good().dangerous().believe_plain_records("documents", UnixTime::MAX).build();
    assert!(matches!(refused.unwrap_err(), InvalidConsumer::PlainRecords));
}
