//! A heavy tenant's backlog in the partitions of a light one, told by the order of service and not by time.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use rdkafka::{
    ClientConfig, Message,
    consumer::{BaseConsumer, Consumer},
};
use tenantkit_core::TenantId;
use tenantkit_kafka::{Headers, Partitioner, headers::Bounds, rdkafka};

use tokio_util::sync::CancellationToken;

use crate::world::{PARTITIONS, PATIENCE, Running, World};

const HEAVY: u32 = 10_000;
const LIGHT: u32 = 100;

/// One that has the same partitions as the heavy one.
fn light() -> String {
    let shard = |tenant: &TenantId| {
        Partitioner::default().shard(tenant, u32::try_from(PARTITIONS).unwrap())
    };
    let heavy = shard(&"acme".parse().unwrap());
    let mut names = (0..20).map(|number| format!("tenant-{number}"));
    names.find(|name| shard(&name.parse().unwrap()) == heavy).unwrap()
}

/// How many records of each were handled, and how many of the heavy one's were before the light one's.
#[derive(Debug, Default)]
struct Order {
    heavy: AtomicUsize,
    light: AtomicUsize,
    before_the_first: AtomicUsize,
    before_the_last: AtomicUsize,
}

impl Order {
    fn note(&self, is_light: bool) {
        if !is_light {
            self.heavy.fetch_add(1, SeqCst);
            return;
        }
        let before = self.heavy.load(SeqCst);
        if self.light.fetch_add(1, SeqCst) == 0 {
            self.before_the_first.store(before, SeqCst);
        }
        self.before_the_last.fetch_max(before, SeqCst);
    }

    fn is_over(&self) -> bool {
        self.light.load(SeqCst) == LIGHT as usize
    }
}

// On one thread: a handler that the system puts to sleep would let the others go ahead of it.
#[tokio::test]
async fn a_light_tenants_records_flow_past_a_backlog_that_a_plain_loop_handles_first() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let light = light();
    world.produce(&topic, &["acme"], HEAVY, 50).await;
    world.produce(&topic, &[&light], LIGHT, 10).await;

    let (order, read) = (Arc::new(Order::default()), CancellationToken::new());
    let (noting, name, is_read) = (Arc::clone(&order), light.clone(), read.clone());
    // Of the 10,000, 1,000 find room. The others are left behind, and the light one's found beyond them.
    let consumer = world
        .consumer(&topic, &dead)
        .max_record_bytes(10_000)
        .memory(4_000_000, 2000)
        .concurrency(4);
    let running = Running::start(consumer, move |tenant, _| {
        let (order, is_light) = (Arc::clone(&noting), *tenant.tenant() == *name);
        let is_read = is_read.clone();
        async move {
            // Nothing is handled until all was looked at: the order is the queue's, on any machine.
            is_read.cancelled().await;
            // Whoever else was given a record has its turn as well.
            tokio::task::yield_now().await;
            order.note(is_light);
            Ok(())
        }
    });
    let is_all_seen = |behind: u64| behind == u64::from(HEAVY + LIGHT);
    running.until("all is read", |handle| is_all_seen(handle.stats().behind.values().sum())).await;
    read.cancel();
    running.until("the light tenant is done", |_| order.is_over()).await;
    running.shut_down().await;
    // The heavy one has its two handlers when the light one comes, and then each gets its turn.
    let first = order.before_the_first.load(SeqCst);
    let last = order.before_the_last.load(SeqCst);
    assert!(first < 20, "{first} of the heavy one came first");
    assert!(last < 2 * LIGHT as usize, "{last} of the heavy one came before the last");

    let control = tokio::task::spawn_blocking(move || plain(&world.brokers, &topic, &light));
    let stalled = control.await.unwrap().before_the_last.load(SeqCst);
    assert!(stalled >= HEAVY as usize / 2, "a plain loop stalls: {stalled}");
}

/// What is in the queue is handled without a pause, by handlers that have nothing to wait for.
#[tokio::test]
async fn handlers_that_never_wait_leave_the_runtime_to_others() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    world.produce(&topic, &["acme"], 2000, 10).await;
    let (handled, read) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
    let (counting, is_read) = (Arc::clone(&handled), read.clone());
    let consumer = world.consumer(&topic, &dead).concurrency(1);
    let running = Running::start(consumer, move |_, _| {
        let (handled, is_read) = (Arc::clone(&counting), is_read.clone());
        async move {
            is_read.cancelled().await;
            handled.fetch_add(1, SeqCst);
            Ok(())
        }
    });
    running.until("all is in memory", |handle| handle.stats().records == 2000).await;
    read.cancel();
    let (mut before, mut longest) = (0, 0);
    while before < 2000 {
        tokio::task::yield_now().await;
        let now = handled.load(SeqCst);
        longest = longest.max(now - before);
        before = now;
    }
    running.shut_down().await;
    assert!(longest < 500, "{longest} were handled before anybody else had a turn");
}

/// What one would write without this crate.
fn plain(brokers: &str, topic: &str, light: &str) -> Order {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", format!("{topic}.plain"))
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let order = Order::default();
    let start = Instant::now();
    while !order.is_over() {
        assert!(start.elapsed() < PATIENCE, "{order:?}");
        let Some(message) = consumer.poll(Duration::from_millis(100)) else { continue };
        let mut message = message.unwrap();
        assert!(message.payload().is_some());
        let headers = Headers::read(&mut message, Bounds::DEFAULT).unwrap();
        order.note(headers.identity().unwrap().tenant.unwrap() == *light);
    }
    order
}
