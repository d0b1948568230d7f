//! Records that find no room: they are left where they are, and come back for.

use std::time::Duration;

use tenantkit_kafka::Outgoing;
use tokio_util::sync::CancellationToken;

use crate::world::{Running, Seen, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_finds_no_room_is_left_behind_and_come_back_for() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    // So little room that one tenant fills its part of it many times over.
    world.produce(&topic, &["acme"], 3000, 11).await;
    world.produce(&topic, &["globex"], 50, 5).await;
    let seen = Seen::default();
    let noting = seen.clone();
    let consumer =
        world.consumer(&topic, &dead).max_record_bytes(100_000).memory(400_000, 200).concurrency(8);
    let running = Running::start(consumer, move |tenant, record| {
        let seen = noting.clone();
        async move {
            tokio::time::sleep(Duration::from_millis(2)).await;
            seen.note(&tenant, &record);
            Ok(())
        }
    });
    running.until("somebody is left behind", |handle| handle.stats().left_behind > 0).await;
    let mut most = (0, 0);
    while seen.len() < 3050 {
        let stats = running.handle.stats();
        most = (stats.records.max(most.0), stats.bytes.max(most.1));
        assert!(stats.records <= 200 && stats.bytes <= 400_000, "{stats:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert_eq!(seen.len(), 3050);
    seen.in_order();
    assert!(most.0 > 50, "the room was used: {most:?}");
    let last_light = seen.all().iter().rposition(|handled| handled.tenant == "globex").unwrap();
    assert!(
        last_light < 1500,
        "globex lay behind 3,000 of acme, and was handled after {last_light}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_record_does_not_pass_a_larger_one_of_its_key_that_found_no_room() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    // Of the 400,000 bytes one tenant has half, less the room of a record: the third finds none, and the
    // fourth would.
    let sizes = [90_000, 30_000, 90_000, 10];
    let producer = world.producer();
    for size in sizes {
        let payload = vec![b'x'; size];
        let record = Outgoing::to(&topic).key(b"k").payload(&payload);
        producer.send(&world.test.context("acme"), record).await.unwrap();
    }
    let (seen, goes_on) = (Seen::default(), CancellationToken::new());
    let (noting, waiting) = (seen.clone(), goes_on.clone());
    let consumer = world.consumer(&topic, &dead).max_record_bytes(100_000).memory(400_000, 200);
    let running = Running::start(consumer, move |tenant, record| {
        let (seen, goes_on) = (noting.clone(), waiting.clone());
        async move {
            goes_on.cancelled().await;
            seen.note(&tenant, &record);
            Ok(())
        }
    });
    running.until("all is read", |it| it.stats().behind.values().sum::<u64>() == 4).await;
    assert_eq!(running.handle.stats().records, 2);
    goes_on.cancel();
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    let handled: Vec<usize> = seen.all().iter().map(|handled| handled.payload.len()).collect();
    assert_eq!(handled, sizes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_left_behind_and_is_not_there_any_more_is_not_waited_for() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 1000, 11).await;
    let (seen, goes_on) = (Seen::default(), CancellationToken::new());
    let (noting, waiting) = (seen.clone(), goes_on.clone());
    let consumer = world.consumer(&topic, &dead).max_record_bytes(100_000).memory(400_000, 200);
    let running = Running::start(consumer, move |tenant, record| {
        let (seen, goes_on) = (noting.clone(), waiting.clone());
        async move {
            goes_on.cancelled().await;
            seen.note(&tenant, &record);
            Ok(())
        }
    });
    running.until("all is read", |it| it.stats().behind.values().sum::<u64>() == 1000).await;
    world.forget_records(&topic).await;
    goes_on.cancel();
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert!((1..1000).contains(&seen.len()), "{} were in memory", seen.len());
}
