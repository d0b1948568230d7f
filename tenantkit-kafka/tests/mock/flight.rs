//! What is in flight: bounded, for all and for each tenant, and lost by no drop.

use std::{future::poll_fn, pin::Pin, task::Poll, time::Duration};

use tenantkit_core::Reason;
use tenantkit_kafka::{Error, Outgoing, TenantProducer};

use crate::cluster::World;

const PAYLOAD: [u8; 8_000] = [0; 8_000];

/// Four records of `PAYLOAD` in all, two of one tenant.
fn tight(world: &World) -> TenantProducer {
    let builder = world.builder().in_flight(41_000).in_flight_per_tenant(20_500);
    builder.max_record_bytes(20_000).build().unwrap()
}

fn record(topic: &str) -> Outgoing<'_> {
    Outgoing::to(topic).payload(&PAYLOAD)
}

async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

#[tokio::test]
async fn a_tenant_whose_records_do_not_get_away_leaves_room_to_others() {
    let world = World::new();
    let (topic, producer) = (world.topic(), tight(&world));
    let (acme, globex) = (world.test.context("acme"), world.test.context("globex"));
    producer.send(&acme, Outgoing::to(&topic)).await.unwrap();
    world.cluster.broker_down(1).unwrap();

    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(producer.try_enqueue(&acme, record(&topic)).await.unwrap());
    }
    let full = producer.try_enqueue(&acme, record(&topic)).await;
    assert!(matches!(full, Err(Error::Full)));
    // Others do not stand in acme's line, however long it is.
    let mut waiting: Vec<_> =
        (0..50).map(|_| Box::pin(producer.enqueue(&acme, record(&topic)))).collect();
    for one in &mut waiting {
        assert!(is_pending(one).await);
    }
    for _ in 0..2 {
        held.push(producer.try_enqueue(&globex, record(&topic)).await.unwrap());
    }
    assert!(matches!(producer.try_enqueue(&globex, record(&topic)).await, Err(Error::Full)));

    world.cluster.broker_up(1).unwrap();
    for delivery in held {
        delivery.await.unwrap();
    }
    for one in waiting {
        one.await.unwrap().await.unwrap();
    }
    assert_eq!(world.read(&topic, 55).len(), 55);
}

#[tokio::test]
async fn a_send_that_is_dropped_while_it_waits_sends_nothing_and_gives_its_place_back() {
    let world = World::new();
    let (topic, producer) = (world.topic(), tight(&world));
    let acme = world.test.context("acme");
    producer.send(&acme, Outgoing::to(&topic)).await.unwrap();
    world.cluster.broker_down(1).unwrap();
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(producer.try_enqueue(&acme, record(&topic)).await.unwrap());
    }
    {
        let mut dropped = Box::pin(producer.send(&acme, record(&topic)));
        assert!(is_pending(&mut dropped).await);
    }
    world.cluster.broker_up(1).unwrap();
    for delivery in held {
        delivery.await.unwrap();
    }
    producer.send(&acme, Outgoing::to(&topic).payload("last")).await.unwrap();
    let read = world.read(&topic, 4);
    let waited = read.iter().filter(|read| read.payload.as_deref() == Some(&PAYLOAD));
    assert_eq!(waited.count(), 2);
    producer.flush().await.unwrap();
}

#[tokio::test]
async fn a_send_that_is_dropped_at_any_poll_is_sent_whole_or_not_at_all() {
    let world = World::new();
    let (topic, producer) = (world.topic(), world.producer());
    let acme = world.test.context("acme");
    let mut handed_over = 0;
    for polls in 0..40 {
        let payload = polls.to_string();
        let record = Outgoing::to(&topic).key("k").payload(&payload);
        let mut send = Box::pin(producer.send(&acme, record));
        let mut done = false;
        for _ in 0..polls {
            if !is_pending(&mut send).await {
                done = true;
                break;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(send);
        producer.flush().await.unwrap();
        handed_over += usize::from(polls > 0);
        if done {
            break;
        }
    }
    producer.send(&acme, Outgoing::to(&topic).key("k").payload("end")).await.unwrap();
    let consumer = world.consumer(&topic);
    let mut read = 0;
    loop {
        let mut message = crate::cluster::next(&consumer);
        let record = crate::cluster::Read::of(&mut message);
        assert_eq!(record.text("tenant_id"), "acme");
        if record.payload.as_deref() == Some(b"end") {
            break;
        }
        read += 1;
    }
    assert!(read > 0 && read <= handed_over, "{read} of {handed_over}");
}

#[tokio::test]
async fn a_failure_of_which_nobody_was_told_is_told_by_the_flush() {
    let world = World::new();
    let topic = world.topic();
    let producer = world.builder().set("message.timeout.ms", "1500").build().unwrap();
    let acme = world.test.context("acme");
    producer.send(&acme, Outgoing::to(&topic)).await.unwrap();
    world.cluster.broker_down(1).unwrap();

    drop(producer.enqueue(&acme, record(&topic)).await.unwrap());
    drop(producer.enqueue(&acme, record(&topic)).await.unwrap());
    let told = producer.enqueue(&acme, record(&topic)).await.unwrap();
    let kept = producer.enqueue(&acme, record(&topic)).await.unwrap();
    let error = told.await.unwrap_err();
    assert!(matches!(error, Error::Delivery(_)));
    assert_eq!(error.refusal().unwrap().reason(), Reason::OutcomeUnknown);
    assert!(matches!(producer.flush().await, Err(Error::Undelivered { count: 2 })));
    // It was ready, and nobody looked.
    drop(kept);
    assert!(matches!(producer.flush().await, Err(Error::Undelivered { count: 1 })));
    producer.flush().await.unwrap();
}

#[tokio::test]
async fn a_producer_that_is_dropped_still_sends_what_was_handed_over() {
    let world = World::new();
    let topic = world.topic();
    let producer = world.builder().set("linger.ms", "200").build().unwrap();
    let acme = world.test.context("acme");
    let mut deliveries = Vec::new();
    for _ in 0..10 {
        deliveries.push(producer.enqueue(&acme, record(&topic)).await.unwrap());
    }
    drop(producer);
    for delivery in deliveries {
        delivery.await.unwrap();
    }
    assert_eq!(world.read(&topic, 10).len(), 10);
}

#[tokio::test]
async fn brokers_that_are_not_there_are_overload_and_a_topic_that_cannot_be_is_told() {
    let world = World::new();
    let producer = world.builder().set("bootstrap.servers", "127.0.0.1:1").build().unwrap();
    let acme = world.test.context("acme");
    let error = producer.send(&acme, Outgoing::to("nowhere")).await.unwrap_err();
    assert!(matches!(error, Error::Metadata(_)), "{error:?}");
    assert_eq!(error.refusal().unwrap().reason(), Reason::DependencyUnavailable);
}
