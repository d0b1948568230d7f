//! What each user sees first.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use tenantkit_core::TenantStatus;
use tenantkit_kafka::{ConsumerHandle, Failure, Outgoing};
use tenantkit_limit::retry::RetryBudget;
use tokio_util::sync::CancellationToken;

use crate::world::{Running, Seen, World};

#[tokio::test(flavor = "multi_thread")]
async fn each_record_is_handled_once_in_its_tenants_scope_and_in_order() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme", "globex"], 500, 7).await;
    let seen = Seen::default();
    let running = Running::noting(world.consumer(&topic, &dead), &seen);
    seen.wait_for(1000).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert_eq!(seen.len(), 1000);
    seen.in_order();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_tells_how_long_it_waited_for_its_turn() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 3, 3).await;
    let waits = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&waits);
    let consumer = world.consumer(&topic, &dead).concurrency(1);
    let running = Running::start(consumer, move |_, record| {
        noting.lock().unwrap().push(record.waited());
        async {
            tokio::time::sleep(Duration::from_millis(200)).await;
            Ok(())
        }
    });
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    let mut waits = waits.lock().unwrap().clone();
    waits.sort();
    assert_eq!(waits.len(), 3);
    // They come from up to three partitions, so not all at once: one of them met another at work.
    assert!(waits[2] >= Duration::from_millis(100), "{waits:?}");
    assert!(waits[0] < waits[2], "{waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifth_of_poison_becomes_dead_letters_and_holds_up_nothing_else() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let tenants = ["acme", "globex", "tenant-1", "tenant-2"];
    world.produce(&topic, &tenants, 250, 10).await;
    let seen = Seen::default();
    let noting = seen.clone();
    // One of five keys never succeeds, and fails in one of three ways.
    let running = Running::start(world.consumer(&topic, &dead), move |tenant, record| {
        let seen = noting.clone();
        async move {
            let number: u32 =
                std::str::from_utf8(record.payload().unwrap()).unwrap().parse().unwrap();
            match (number % 5, number % 3) {
                (0, 0) => Err(Failure::permanent("not-a-document")),
                (0, 1) => Err(std::io::Error::other("no such index").into()),
                (0, _) => panic!("a mistake in the handler"),
                _ => {
                    seen.note(&tenant, &record);
                    Ok(())
                }
            }
        }
    });
    seen.wait_for(800).await;
    let letters = world.dead_letters(&dead, 200).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    let stats = running.handle.stats();
    running.shut_down().await;

    assert_eq!(seen.len(), 800);
    seen.in_order();
    let places: HashSet<_> =
        letters.iter().map(|letter| (letter.partition, letter.offset)).collect();
    assert_eq!(places.len(), 200, "each is there once");
    for letter in &letters {
        assert_eq!(letter.topic, topic);
        assert!(letter.tenant.is_some() && letter.attempts > 0 && letter.timestamp.is_some());
        let known = ["not-a-document", "handler-failed", "handler-panicked"];
        assert!(known.contains(&letter.reason.as_str()), "{letter:?}");
    }
    let of = |tier| stats.tiers[&Some(tier)];
    assert_eq!(of("gold").handled, 200);
    assert_eq!(of("gold").dead_letters, 50);
    assert_eq!(of("bronze").dead_letters, 50);
    assert_eq!(of("silver").dead_letters, 100);
    assert_eq!(stats.tiers[&None].handled, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_succeeds_later_holds_back_its_key_only() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 40, 4).await;
    let seen = Seen::default();
    let noting = seen.clone();
    let running = Running::start(world.consumer(&topic, &dead), move |tenant, record| {
        let seen = noting.clone();
        async move {
            if record.key() == Some(b"0") && record.payload() == Some(b"0") && record.attempt() < 3
            {
                // Everything else of the partition goes on meanwhile.
                if record.attempt() == 2 {
                    seen.wait_for(30).await;
                }
                return Err(Failure::again_after("not-yet", Duration::from_millis(50)));
            }
            seen.note(&tenant, &record);
            Ok(())
        }
    });
    seen.wait_for(40).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    seen.in_order();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_whose_budget_of_retries_is_spent_has_dead_letters_and_nobody_elses_is() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 30, 30).await;
    world.produce(&topic, &["globex"], 3, 3).await;
    let budget = RetryBudget::builder().window(Duration::from_secs(3600)).percent(0).reserve(4);
    let budget = budget.build(Arc::clone(world.authority().clock())).unwrap();
    let seen = Seen::default();
    let noting = seen.clone();
    let running = Running::start(
        world.consumer(&topic, &dead).retry_budget(budget),
        move |tenant, record| {
            let seen = noting.clone();
            async move {
                if tenant.tenant().as_str() == "acme" || record.attempt() == 1 {
                    return Err(Failure::again_after("no-index", Duration::from_millis(1)));
                }
                seen.note(&tenant, &record);
                Ok(())
            }
        },
    );
    seen.wait_for(3).await;
    let letters = world.dead_letters(&dead, 30).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert!(seen.all().iter().all(|handled| handled.tenant == "globex"));
    assert!(letters.iter().all(|letter| letter.tenant == Some("acme".parse().unwrap())));
    let spent = letters.iter().filter(|letter| letter.code == "budget-spent");
    assert!(spent.count() >= 28, "two records may be tried three times");
    assert!(letters.iter().all(|letter| letter.reason == "no-index"));
    let tried: u32 = letters.iter().map(|letter| letter.attempts).sum();
    assert_eq!(tried, 30 + 4, "four retries, and no more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_suspended_tenant_has_is_parked_and_others_go_on() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let parking = format!("{topic}.parked");
    world.make_topic(&parking, 1).await;
    world.produce(&topic, &["acme", "globex"], 20, 3).await;
    world.test.change("globex", |record| record.status(TenantStatus::Suspended));
    let seen = Seen::default();
    let running = Running::noting(world.consumer(&topic, &dead).parking(&parking), &seen);
    seen.wait_for(20).await;
    let parked = world.dead_letters(&parking, 20).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert!(seen.all().iter().all(|handled| handled.tenant == "acme"));
    for letter in parked {
        assert_eq!(
            (letter.code.as_str(), letter.reason.as_str()),
            ("suspended", "tenant-suspended")
        );
        assert_eq!(letter.tenant, Some("globex".parse().unwrap()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_moved_waits_and_loses_no_attempt() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme", "globex"], 20, 3).await;
    world.test.change("globex", |record| record.status(TenantStatus::Moving));
    let seen = Seen::default();
    let running = Running::noting(world.consumer(&topic, &dead), &seen);
    seen.wait_for(20).await;
    running.until("it is put off", |handle| handle.stats().tiers[&None].put_off > 0).await;
    assert_eq!(seen.len(), 20);
    world.test.change("globex", |record| record.status(TenantStatus::Active));
    seen.wait_for(40).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    seen.in_order();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_is_put_off_waits_as_one_and_not_record_by_record() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["globex"], 500, 500).await;
    world.test.change("globex", |record| record.status(TenantStatus::Moving));
    let running = Running::noting(world.consumer(&topic, &dead).concurrency(2), &Seen::default());
    let put_off = |handle: &ConsumerHandle| handle.stats().tiers[&None].put_off;
    running.until("it is put off", |handle| put_off(handle) > 0).await;
    // One record each 50 ms or less often.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let put_off = put_off(&running.handle);
    running.shut_down().await;
    assert!(put_off < 100, "{put_off}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_of_one_tenant_and_a_poisoned_one_is_taken_apart() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme", "globex"], 200, 50).await;
    let (seen, largest) = (Seen::default(), Arc::new(Mutex::new(0)));
    let consumer = world.consumer(&topic, &dead).build().unwrap();
    let handle = consumer.handle();
    let (noting, most) = (seen.clone(), Arc::clone(&largest));
    // Where the records lie that were in a batch that failed.
    let failed = Arc::new(Mutex::new(HashSet::new()));
    let running = tokio::spawn(consumer.run_batches(16, move |tenant, records| {
        let (seen, most, failed) = (noting.clone(), Arc::clone(&most), Arc::clone(&failed));
        async move {
            let mine = records.iter().map(|record| (record.partition(), record.offset()));
            let mine: Vec<_> = mine.collect();
            {
                let mut most = most.lock().unwrap();
                *most = records.len().max(*most);
                let failed = failed.lock().unwrap();
                let is_alone = mine.len() == 1;
                assert!(is_alone || mine.iter().all(|record| !failed.contains(record)));
            }
            // A batch of several, so that there is something to be taken apart.
            tokio::time::sleep(Duration::from_millis(20)).await;
            if records.iter().any(|record| record.payload() == Some(b"33")) {
                failed.lock().unwrap().extend(mine);
                return Err(Failure::permanent("not-a-document"));
            }
            records.iter().for_each(|record| seen.note(&tenant, record));
            Ok(())
        }
    }));
    seen.wait_for(398).await;
    assert_eq!(world.dead_letters(&dead, 2).await.len(), 2);
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    handle.shutdown();
    running.await.unwrap().unwrap();
    assert_eq!(seen.len(), 398);
    seen.in_order();
    assert!((2..=16).contains(&*largest.lock().unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_is_dropped_and_its_record_is_tried_again() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 1, 1).await;
    let (seen, tried) = (Seen::default(), Arc::new(Mutex::new(0)));
    let noting = seen.clone();
    let consumer = world.consumer(&topic, &dead).attempt_timeout(Duration::from_millis(200));
    let running = Running::start(consumer, move |tenant, record| {
        let (seen, tried) = (noting.clone(), Arc::clone(&tried));
        async move {
            let is_first = std::mem::replace(&mut *tried.lock().unwrap(), 1) == 0;
            if is_first {
                std::future::pending::<()>().await;
            }
            seen.note(&tenant, &record);
            Ok(())
        }
    });
    seen.wait_for(1).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert_eq!(seen.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lag_is_told_to_the_end_of_the_partition_also_where_reading_pauses() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 3000, 1).await;
    let goes_on = CancellationToken::new();
    let waiting = goes_on.clone();
    let consumer = world.consumer(&topic, &dead).read_ahead(100);
    let running = Running::start(consumer, move |_, _| {
        let goes_on = waiting.clone();
        async move {
            goes_on.cancelled().await;
            Ok(())
        }
    });
    running.until("the end is told", |it| it.stats().lag.values().sum::<u64>() == 3000).await;
    let read = running.handle.stats().behind.into_values().sum::<u64>();
    assert!(read < 3000, "reading did not pause: {read}");
    goes_on.cancel();
    let has_none = |lag: &BTreeMap<_, u64>| !lag.is_empty() && lag.values().all(|it| *it == 0);
    running.until("all is done", |it| has_none(&it.stats().lag)).await;
    running.shut_down().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tombstone_of_a_compacted_topic_is_handled_with_the_tenant_in_its_key() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let producer = tenantkit_kafka::TenantProducer::builder(world.authority())
        .set("bootstrap.servers", &world.brokers)
        .compacted(&topic)
        .build()
        .unwrap();
    producer.send(&world.test.context("acme"), Outgoing::to(&topic).key(b"7")).await.unwrap();
    let seen = Seen::default();
    let group = format!("{topic}.group");
    let consumer = tenantkit_kafka::TenantConsumer::builder(world.authority())
        .set("bootstrap.servers", &world.brokers)
        .group(&group)
        .compacted(&topic)
        .dead_letters(&dead);
    let running = Running::noting(consumer, &seen);
    seen.wait_for(1).await;
    world.lag_is_over(&group, &topic).await;
    running.shut_down().await;
    assert_eq!(seen.all()[0].key, "acme:7");
}
