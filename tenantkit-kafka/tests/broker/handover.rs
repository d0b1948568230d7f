//! Partitions that go to another member: nothing is lost, and nothing is done twice that was done.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tenantkit_core::TenantContext;
use tenantkit_kafka::{Failure, Incoming, TenantConsumerBuilder};
use throwaway::{Kafka, tools};

use crate::world::{PARTITIONS, Running, Seen, World};

/// So many that each partition has records of some.
const TENANTS: [&str; 8] = [
    "tenant-0", "tenant-1", "tenant-2", "tenant-3", "tenant-4", "tenant-5", "tenant-6", "tenant-7",
];

/// Handles all but the first record of each partition, at which it hangs.
fn hanging(consumer: TenantConsumerBuilder, seen: &Seen) -> Running {
    let seen = seen.clone();
    Running::start(consumer, move |tenant, record| {
        let seen = seen.clone();
        async move {
            if record.offset() == 0 {
                pending::<()>().await;
            }
            seen.note(&tenant, &record);
            Ok(())
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_is_cancelled_and_done_by_the_next_owner_and_what_was_done_is_not() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &TENANTS, 25, 25).await;
    let (seen, hang) = (Seen::default(), usize::try_from(PARTITIONS).unwrap());
    let consumer = || world.consumer(&topic, &dead).drain(Duration::from_millis(100));
    let first = hanging(consumer(), &seen);
    seen.wait_for(200 - hang).await;
    let second = Running::noting(consumer(), &seen);
    seen.wait_for(200 - hang / 2).await;
    let count = |read: fn(&tenantkit_kafka::TierStats) -> u64| -> u64 {
        first.handle.stats().tiers.values().map(read).sum()
    };
    assert_eq!(count(|tier| tier.handled), (200 - hang) as u64);
    assert_eq!(count(|tier| tier.cancelled), (hang / 2) as u64);
    first.shut_down().await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    second.shut_down().await;
    assert_eq!(seen.len(), 200, "what lies behind one that hangs was done once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_goes_to_another_member_is_handed_over_without_a_repeat() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme", "globex"], 400, 16).await;
    let seen = Seen::default();
    let slow = |seen: &Seen| {
        let seen = seen.clone();
        move |tenant: TenantContext, record: Incoming| {
            let seen = seen.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(10)).await;
                seen.note(&tenant, &record);
                Ok::<_, Failure>(())
            }
        }
    };
    let consumer = || world.consumer(&topic, &dead).concurrency(4);
    let first = Running::start(consumer(), slow(&seen));
    seen.wait_for(100).await;
    let second = Running::start(consumer(), slow(&seen));
    second.until("it has a part", |handle| !handle.stats().behind.is_empty()).await;
    seen.wait_for(400).await;
    // And back.
    let handle = first.handle.clone();
    first.shut_down().await;
    seen.wait_for(800).await;
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    let stats = [handle.stats(), second.handle.stats()];
    second.shut_down().await;
    assert_eq!(seen.len(), 800, "none was handled twice: {stats:#?}");
    seen.in_order();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_of_a_partition_that_is_gone_takes_no_room() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &TENANTS, 50, 50).await;
    let stuck = || {
        let consumer = world.consumer(&topic, &dead).concurrency(1);
        Running::start(consumer.drain(Duration::from_millis(100)), |_, _| pending())
    };
    let first = stuck();
    first.until("all is in memory", |handle| handle.stats().records == 400).await;
    let second = stuck();
    first
        .until("what is gone is not in memory", |handle| {
            let stats = handle.stats();
            stats.behind.len() == 2 && stats.records as u64 == stats.behind.values().sum::<u64>()
        })
        .await;
    first.shut_down().await;
    second.shut_down().await;
}

/// Another may have them by now: who drained would go on in what is no longer its own.
#[tokio::test(flavor = "multi_thread")]
async fn what_runs_when_the_group_gave_a_member_up_is_dropped_at_once() {
    let Some(kafka) = tools::or_skip(Kafka::start()) else { return };
    let world = World::at(kafka.brokers());
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 1, 1).await;
    let (seen, hangs) = (Seen::default(), Arc::new(AtomicBool::new(true)));
    let (noting, is_hung) = (seen.clone(), Arc::clone(&hangs));
    let consumer = world
        .consumer(&topic, &dead)
        .set("session.timeout.ms", "2000")
        .set("heartbeat.interval.ms", "300")
        .drain(Duration::from_secs(3600));
    let running = Running::start(consumer, move |tenant, record| {
        let (seen, hangs) = (noting.clone(), is_hung.swap(false, SeqCst));
        async move {
            if hangs {
                pending::<()>().await;
            }
            seen.note(&tenant, &record);
            Ok(())
        }
    });
    running.until("it runs", |_| !hangs.load(SeqCst)).await;
    tokio::task::block_in_place(|| kafka.pause()).unwrap();
    let gold = |handle: &tenantkit_kafka::ConsumerHandle| handle.stats().tiers[&Some("gold")];
    running.until("it is dropped", |handle| gold(handle).cancelled == 1).await;
    tokio::task::block_in_place(|| kafka.resume()).unwrap();
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    running.shut_down().await;
    assert_eq!(seen.len(), 1);
}
