//! Brokers that restart, are slow, or lack a topic: nothing is lost, and it goes on by itself.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tenantkit_kafka::{Failure, Outgoing};
use throwaway::{Kafka, tools};

use crate::world::{Running, Seen, World};

/// A broker of one's own, that may be ill-treated.
fn own() -> Option<(Arc<Kafka>, World)> {
    let kafka = Arc::new(tools::or_skip(Kafka::start())?);
    let world = World::at(kafka.brokers());
    Some((kafka, world))
}

/// What takes long and blocks.
async fn order(kafka: &Arc<Kafka>, order: impl FnOnce(&Kafka) + Send + 'static) {
    let kafka = Arc::clone(kafka);
    tokio::task::spawn_blocking(move || order(&kafka)).await.unwrap();
}

/// Handles all but a few, which are poison.
fn start(world: &World, topic: &str, dead: &str, seen: &Seen) -> Running {
    let noting = seen.clone();
    Running::start(world.consumer(topic, dead).concurrency(8), move |tenant, record| {
        let seen = noting.clone();
        async move {
            let number = std::str::from_utf8(record.payload().unwrap()).unwrap();
            if number.parse::<u32>().unwrap() % 100 == 7 {
                return Err(Failure::permanent("poison"));
            }
            tokio::time::sleep(Duration::from_millis(3)).await;
            seen.note(&tenant, &record);
            Ok(())
        }
    })
}

/// That each of `count` records but the poison was handled, however often.
fn nothing_is_lost(seen: &Seen, count: u32) {
    let handled: HashSet<_> =
        seen.all().into_iter().map(|handled| (handled.tenant, handled.payload)).collect();
    for tenant in ["acme", "globex"] {
        for number in (0..count).filter(|number| number % 100 != 7) {
            assert!(
                handled.contains(&(tenant.to_owned(), number.to_string())),
                "{tenant} {number}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_restarts_under_load_loses_nothing() {
    let Some((kafka, world)) = own() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme", "globex"], 1000, 20).await;
    let seen = Seen::default();
    let running = start(&world, &topic, &dead, &seen);
    for at in [300, 1000] {
        seen.wait_for(at).await;
        order(&kafka, |kafka| kafka.restart().unwrap()).await;
    }
    seen.wait_for(1980).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    assert!(world.dead_letters(&dead, 20).await.len() >= 20);
    running.shut_down().await;
    nothing_is_lost(&seen, 1000);
    // What is done again, because the broker had not heard of it: no more than that.
    assert!(seen.len() < 1980 + 500, "{} redelivered", seen.len() - 1980);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_hangs_and_comes_back_loses_nothing() {
    let Some((kafka, world)) = own() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme", "globex"], 300, 20).await;
    let seen = Seen::default();
    let running = start(&world, &topic, &dead, &seen);
    seen.wait_for(100).await;
    order(&kafka, |kafka| kafka.pause().unwrap()).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    order(&kafka, |kafka| kafka.resume().unwrap()).await;
    seen.wait_for(594).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    nothing_is_lost(&seen, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_broker_that_hangs_up_slows_and_loses_nothing() {
    let Some((kafka, direct)) = own() else { return };
    let (topic, dead) = direct.topics().await;
    direct.produce(&topic, &["acme", "globex"], 300, 20).await;
    let link = kafka.link().unwrap();
    link.set_delay(Duration::from_millis(50));
    let slow = World { brokers: link.address().to_string(), ..World::at(kafka.brokers()) };
    let slow = World { test: direct.test.clone(), ..slow };
    let seen = Seen::default();
    let running = start(&slow, &topic, &dead, &seen);
    seen.wait_for(200).await;
    link.cut();
    seen.wait_for(594).await;
    direct.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    nothing_is_lost(&seen, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_topic_that_is_missing_holds_up_only_what_would_go_there_and_is_told() {
    let Some(world) = World::new() else { return };
    let topic = crate::world::name();
    let dead = format!("{topic}.dead");
    world.make_topic(&topic, crate::world::PARTITIONS).await;
    world.produce(&topic, &["acme", "globex"], 300, 100).await;
    let seen = Seen::default();
    let running = start(&world, &topic, &dead, &seen);
    // Those behind the poison of the same key wait: 3 of each tenant.
    seen.wait_for(594).await;
    running.until("it is told", |handle| handle.stats().dead_letter_trouble.is_some()).await;
    let group = format!("{topic}.group");
    assert!(world.lag(&group, &topic).await > 0, "what is no dead letter yet is not committed");
    world.make_topic(&dead, 1).await;
    assert_eq!(world.dead_letters(&dead, 6).await.len(), 6);
    world.lag_is_over(&group, &topic).await;
    running.until("it is over", |handle| handle.stats().dead_letter_trouble.is_none()).await;
    running.shut_down().await;
    nothing_is_lost(&seen, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_its_topic_does_not_take_says_at_least_where_the_record_was() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = (crate::world::name(), crate::world::name());
    world.make_topic(&topic, crate::world::PARTITIONS).await;
    world.make_topic_that(&dead, 1, &[("max.message.bytes", "2000")]).await;
    let payload = "7".repeat(5000);
    let record = Outgoing::to(&topic).key(b"k").payload(payload.as_bytes());
    world.producer().send(&world.test.context("acme"), record).await.unwrap();
    let running = Running::start(world.consumer(&topic, &dead), |_, _| async {
        Err(Failure::permanent("poison"))
    });
    let letter = world.dead_letters(&dead, 1).await.remove(0);
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert!(letter.is_cut && letter.headers.is_empty());
    assert_eq!((letter.topic, letter.reason.as_str()), (topic, "poison"));
}
