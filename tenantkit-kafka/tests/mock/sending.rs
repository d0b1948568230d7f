//! What a record is on the wire, and what is refused before it gets there.

use std::time::Duration;

use tenantkit_core::{
    Carrier, KeySet, KeyTerms, KeyUse, Reason, Refusal, SigningKey, TenantContext, TenantStatus,
    WireRecord, test_util::TestAuthority,
};
use tenantkit_kafka::{
    BuildError, Error, InvalidRecord, Outgoing, TenantProducer,
    headers::{TENANT_ENVELOPE, TENANT_ID},
    tenant_key,
};

use crate::cluster::World;

fn reason(error: &Error) -> Option<Reason> {
    match error {
        Error::Refused(refusal) => Some(refusal.reason()),
        _ => None,
    }
}

#[tokio::test]
async fn a_record_has_one_tenant_and_one_envelope_that_opens_for_it_alone() {
    let world = World::new();
    let (topic, acme) = (world.topic(), world.test.context("acme"));
    let producer = world.producer();
    let record = Outgoing::to(&topic).key("7").payload("changed").header("color", "red");
    let delivered = producer.send(&acme, record).await.unwrap();

    let read = world.read(&topic, 1).remove(0);
    assert_eq!(read.partition, delivered.partition);
    assert_eq!(read.key.as_deref(), Some(&b"7"[..]));
    assert_eq!(read.payload.as_deref(), Some(&b"changed"[..]));
    assert_eq!(read.text(TENANT_ID), "acme");
    assert_eq!(read.text("color"), "red");
    assert_eq!(read.headers.as_ref().unwrap().len(), 3);

    let identity = read.headers.as_ref().unwrap().identity().unwrap();
    let wire = WireRecord::new(&topic, Some(b"7"), Some(b"changed"));
    let authority = world.test.authority();
    let opened =
        authority.open(identity.tenant.as_ref(), read.text(TENANT_ENVELOPE), &wire).unwrap();
    let context = opened.context().unwrap();
    assert_eq!(context.tenant(), "acme");
    assert_eq!(context.transaction(), acme.transaction());
    assert_eq!(context.subject(), acme.subject());
}

#[tokio::test]
async fn null_and_empty_are_told_apart_all_the_way() {
    let world = World::new();
    let (topic, acme, producer) = (world.topic(), world.test.context("acme"), world.producer());
    let nothing = || Outgoing::to(&topic);
    for record in
        [nothing(), nothing().payload(""), nothing().key(""), nothing().key("").payload("")]
    {
        producer.send(&acme, record).await.unwrap();
    }
    let mut read: Vec<_> = world
        .read(&topic, 4)
        .into_iter()
        .map(|read| {
            let wire = WireRecord::new(&topic, read.key.as_deref(), read.payload.as_deref());
            let opened = world.test.authority().open(None, read.text(TENANT_ENVELOPE), &wire);
            assert_eq!(opened.unwrap().tenant(), "acme");
            (read.key, read.payload)
        })
        .collect();
    read.sort();
    let empty = || Some(Vec::new());
    assert_eq!(read, [(None, None), (None, empty()), (empty(), None), (empty(), empty())]);
}

#[tokio::test]
async fn a_key_of_a_compacted_topic_is_the_tenants_own_and_its_envelope_does_not_expire() {
    let world = World::new();
    let topic = world.topic();
    let producer = world.builder().compacted(&topic).build().unwrap();
    for tenant in ["acme", "globex"] {
        let context = world.test.context(tenant);
        producer.send(&context, Outgoing::to(&topic).key("7").payload("x")).await.unwrap();
        producer.send(&context, Outgoing::to(&topic).key("7")).await.unwrap();
        let refused = producer.send(&context, Outgoing::to(&topic).payload("x")).await;
        assert!(matches!(refused, Err(Error::Invalid(InvalidRecord::NoKey))));
    }
    world.test.clock().advance(Duration::from_secs(10 * 365 * 24 * 60 * 60));
    for read in world.read(&topic, 4) {
        let tenant = read.text(TENANT_ID).parse().unwrap();
        assert_eq!(read.key, Some(tenant_key(&tenant, b"7")));
        let wire = WireRecord::new(&topic, read.key.as_deref(), read.payload.as_deref());
        let open = |wire: &WireRecord<'_>| {
            let opened =
                world.test.authority().open(Some(&tenant), read.text(TENANT_ENVELOPE), wire);
            opened.map(|opened| *opened.tenant()).map_err(|refusal| refusal.reason())
        };
        assert_eq!(open(&wire.compacted(true)), Ok(tenant));
        // One that never expires proves nothing where it has to.
        assert_eq!(open(&wire), Err(Reason::BadClaim));
    }
}

#[tokio::test]
async fn headers_over_ours_are_refused_in_every_spelling() {
    let world = World::new();
    let (topic, acme, producer) = (world.topic(), world.test.context("acme"), world.producer());
    let reserved = [
        "tenant_id",
        "Tenant_ID",
        "TENANT-ID",
        "tenant.id",
        " tenant_id",
        "tenant_id\0",
        "tenant_id\0x",
        "tenant_envelope",
        "Tenant-Envelope",
        "tenant envelope",
        "tenantkit_",
        "TenantKit-Reason",
    ];
    for name in reserved {
        let record = Outgoing::to(&topic).header(name, "globex");
        let refused = producer.send(&acme, record).await.unwrap_err();
        assert!(matches!(refused, Error::Invalid(InvalidRecord::ReservedHeader)), "{name:?}");
        assert!(!refused.to_string().contains("globex"));
    }
    for name in ["", "a\0", "a\nb"] {
        let refused = producer.send(&acme, Outgoing::to(&topic).header(name, "x")).await;
        assert!(matches!(refused, Err(Error::Invalid(InvalidRecord::HeaderName))), "{name:?}");
    }
    for name in ["tenants", "tenant", "tenant_ids", "my_tenant_id", "tenantkit"] {
        producer.send(&acme, Outgoing::to(&topic).header(name, "x")).await.unwrap();
    }
}

#[tokio::test]
async fn a_topic_that_is_none_and_what_is_too_large_is_refused_before_it_is_sent() {
    let world = World::new();
    let (topic, acme) = (world.topic(), world.test.context("acme"));
    let producer = world.builder().max_record_bytes(10_000).max_headers(2).build().unwrap();
    let long = "x".repeat(250);
    for topic in ["", ".", "..", "a b", "a/b", "a\0", &long] {
        let refused = producer.send(&acme, Outgoing::to(topic)).await;
        assert!(matches!(refused, Err(Error::Invalid(InvalidRecord::Topic))), "{topic:?}");
    }
    let large = vec![0; 10_000];
    for record in [
        Outgoing::to(&topic).payload(&large),
        Outgoing::to(&topic).key(&large),
        Outgoing::to(&topic).header("h", &large),
    ] {
        let refused = producer.send(&acme, record).await;
        assert!(matches!(refused, Err(Error::Invalid(InvalidRecord::TooLarge { .. }))));
    }
    let record = Outgoing::to(&topic).header("a", "").header("b", "").header("c", "");
    let refused = producer.send(&acme, record).await;
    let too_many = InvalidRecord::TooManyHeaders { count: 3, most: 2 };
    assert!(matches!(refused, Err(Error::Invalid(invalid)) if invalid == too_many));
    // The largest that passes is taken by librdkafka as well.
    producer.send(&acme, Outgoing::to(&topic).payload(&large[..7_900])).await.unwrap();
}

#[tokio::test]
async fn the_door_checks_the_context_again() {
    let world = World::new();
    let (topic, test, producer) = (world.topic(), &world.test, world.producer());
    let send = async |context: &TenantContext| {
        let sent = producer.send(context, Outgoing::to(&topic).payload("x")).await;
        sent.map(drop).map_err(|error| reason(&error))
    };
    let (acme, globex) = (test.context("acme"), test.context("globex"));
    assert_eq!(send(&acme).await, Ok(()));

    let foreign = TestAuthority::new().context("acme");
    assert_eq!(send(&foreign).await, Err(Some(Reason::ForeignAuthority)));

    let in_scope = globex.scope(send(&acme)).unwrap().await;
    assert_eq!(in_scope, Err(Some(Reason::ScopeDisagrees)));
    assert_eq!(acme.scope(send(&acme)).unwrap().await, Ok(()));

    test.change("acme", |record| record.status(TenantStatus::Suspended));
    assert_eq!(send(&acme).await, Err(Some(Reason::TenantSuspended)));
    test.change("acme", |record| record.status(TenantStatus::Active));
    assert_eq!(send(&acme).await, Ok(()));

    let later = test.clock().clone();
    later.advance(Duration::from_secs(1));
    let now = test.authority().now();
    test.change("acme", |record| record.incarnation(tenantkit_core::Incarnation::new(2), now));
    assert_eq!(send(&acme).await, Err(Some(Reason::StaleIncarnation)));

    later.advance(Duration::from_secs(300));
    assert_eq!(send(&globex).await, Err(Some(Reason::Expired)));

    let refused = test.audited().into_iter().filter(|event| event.action.as_str() == "refused");
    assert_eq!(refused.count(), 5, "each is audited, once");
    assert_eq!(world.read(&topic, 3).len(), 3);
}

#[tokio::test]
async fn what_may_not_be_sent_is_refused_without_a_word_to_the_brokers() {
    let world = World::new();
    let builder = world.builder().set("bootstrap.servers", "127.0.0.1:1");
    let producer = builder.max_record_bytes(10_000).build().unwrap();
    let foreign = TestAuthority::new().context("acme");
    let refused = producer.send(&foreign, Outgoing::to("nowhere")).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::ForeignAuthority));
    let (acme, large) = (world.test.context("acme"), vec![0; 10_000]);
    let refused = producer.send(&acme, Outgoing::to("nowhere").payload(&large)).await;
    assert!(matches!(refused, Err(Error::Invalid(InvalidRecord::TooLarge { .. }))));
}

#[tokio::test]
async fn a_context_that_expires_while_its_record_waits_is_refused() {
    let world = World::new();
    let (topic, acme) = (world.topic(), world.test.context("acme"));
    // Room for one record, which does not get away.
    let producer = world
        .builder()
        .in_flight(40_000)
        .max_record_bytes(30_000)
        .in_flight_per_tenant(30_000)
        .build()
        .unwrap();
    let payload = vec![0; 20_000];
    producer.send(&acme, Outgoing::to(&topic)).await.unwrap();
    world.cluster.broker_down(1).unwrap();
    let first = producer.enqueue(&acme, Outgoing::to(&topic).payload(&payload)).await.unwrap();
    let second = producer.send(&acme, Outgoing::to(&topic).payload(&payload));
    tokio::pin!(second);
    assert!(futures_pending(&mut second).await);
    world.test.clock().advance(Duration::from_secs(301));
    world.cluster.broker_up(1).unwrap();
    first.await.unwrap();
    assert_eq!(reason(&second.await.unwrap_err()), Some(Reason::Expired));
}

/// Polls once.
async fn futures_pending<F: Future + Unpin>(future: &mut F) -> bool {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut *future).poll(cx).is_pending())
    })
    .await
}

#[tokio::test]
async fn a_service_without_a_signing_key_has_no_producer_and_seals_nothing() {
    let terms = KeyTerms::new("k".parse().unwrap(), KeyUse::Envelope, "other".parse().unwrap());
    let key = SigningKey::generate(terms, tenantkit_core::Algorithm::EdDsa).unwrap();
    let keys = KeySet::new([key.verifying_key().clone()]).unwrap();
    let opens = tenantkit_core::Envelopes::new("acmedocs.example", "documents", keys).unwrap();
    let test = TestAuthority::with(tenantkit_core::TierSet::METALS, |it| it.envelopes(opens));
    let built = TenantProducer::connect("localhost:1", test.authority());
    assert!(matches!(built, Err(BuildError::CannotSeal)));
    let record = WireRecord::new("documents", None, None);
    let refused = test.authority().seal(&test.context("acme"), &record).unwrap_err();
    assert_eq!(refused.reason(), Reason::CannotMint);
}

#[tokio::test]
async fn the_trace_goes_along_once_and_carries_nothing_else() {
    let world = World::new();
    let (topic, acme) = (world.topic(), world.test.context("acme"));
    let producer = world
        .builder()
        .trace(|carrier: &mut dyn Carrier| {
            carrier.put("traceparent", "00-old").unwrap();
            carrier.put("traceparent", "00-1-2-01").unwrap();
            carrier.put("baggage", "a=b").unwrap();
            assert!(carrier.put("tenant_id", "globex").is_err());
            assert!(carrier.put("txn-token", "a.b.c").is_err());
            assert!(carrier.put("tracestate", &"x".repeat(9000)).is_err());
        })
        .build()
        .unwrap();
    let record = Outgoing::to(&topic).header("Traceparent", "00-users").header("tracestate", "u=1");
    producer.send(&acme, record).await.unwrap();
    let read = world.read(&topic, 1).remove(0);
    assert_eq!(read.text("traceparent"), "00-1-2-01");
    assert_eq!(read.text("baggage"), "a=b");
    assert_eq!(read.text("tracestate"), "u=1");
    assert_eq!(read.text(TENANT_ID), "acme");
    assert_eq!(read.headers.unwrap().len(), 5);
}

#[test]
fn what_was_not_sent_and_what_nobody_knows_are_told_apart_for_the_caller() {
    let full = Error::Full.refusal().unwrap();
    assert_eq!(full.reason(), Reason::LoadShed);
    assert_eq!(Error::Ended.refusal().unwrap().reason(), Reason::OutcomeUnknown);
    let refused = Refusal::new(Reason::Expired, tenantkit_core::Door::Produce);
    assert_eq!(Error::from(refused).refusal(), Some(refused));
    assert_eq!(Error::from(InvalidRecord::NoKey).refusal(), None);
}
