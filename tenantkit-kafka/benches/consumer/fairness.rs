//! A heavy tenant's backlog in the partitions of a light one: what does the light one wait?

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use rdkafka::Message;
use tenantkit_kafka::{Outgoing, rdkafka};

use crate::{
    plain,
    stage::{Stage, memory},
};

/// How long a handler waits for something else: it leaves the processor alone.
const HANDLING: Duration = Duration::from_millis(5);
const LIGHT: u32 = 1000;
/// Records of the light tenant before those that are measured: the first ones of a producer and a consumer meet
/// connections that are still made.
const WARM_UP: u32 = 100;
const EVERY: Duration = Duration::from_millis(20);
/// When the control is given up.
const STALLED: Duration = Duration::from_secs(180);

type Waits = Arc<Mutex<Vec<Duration>>>;

pub(crate) async fn run(heavy: u64) {
    let stage = Stage::new();
    println!("memory before: {:?} MiB now and at the peak", memory());
    let alone = stage.topic().await;
    let solo = ours(&stage, &alone, 0).await;
    tell("light tenant alone", &solo);
    println!("memory: {:?} MiB now and at the peak", memory());

    let together = stage.topic().await;
    stage.fill(&together, "acme", heavy).await;
    println!("memory, records sent: {:?} MiB now and at the peak", memory());
    let crowded = ours(&stage, &together, heavy).await;
    tell("light tenant beside the backlog", &crowded);
    println!("p99 over its solo run: {:.2}", at(&crowded, 0.99) / at(&solo, 0.99));
    println!("memory: {:?} MiB now and at the peak", memory());

    // In a group of its own, which has all of the backlog before it.
    control(&stage, &together).await;
}

/// What a record of the light tenant says: in which run it was sent, and when.
fn stamp(run: &str, epoch: Instant) -> String {
    format!("{run} {}", epoch.elapsed().as_nanos())
}

/// How long such a record has waited. None for another run's, and for the heavy tenant's.
fn waited(payload: &[u8], run: &str, epoch: Instant) -> Option<Duration> {
    let sent = std::str::from_utf8(payload).ok()?.strip_prefix(run)?.strip_prefix(' ')?;
    Some(epoch.elapsed() - Duration::from_nanos(sent.parse().ok()?))
}

fn tell(what: &str, waits: &[f64]) {
    println!(
        "{what}: p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms, of {}",
        at(waits, 0.5),
        at(waits, 0.99),
        at(waits, 1.0),
        waits.len()
    );
}

/// In milliseconds; sorted.
fn at(waits: &[f64], part: f64) -> f64 {
    let at = (waits.len() as f64 * part).ceil() as usize;
    waits.get(at.saturating_sub(1)).copied().unwrap_or(f64::INFINITY)
}

/// Milliseconds, sorted, of each record of the light tenant from when it was sent.
async fn ours(stage: &Stage, topic: &str, heavy: u64) -> Vec<f64> {
    let waits = Waits::default();
    let consumer = stage.consumer(topic).build().unwrap();
    let handle = consumer.handle();
    let noting = Arc::clone(&waits);
    let epoch = Instant::now();
    let running = tokio::spawn(consumer.run(move |_, record| {
        let waits = Arc::clone(&noting);
        async move {
            tokio::time::sleep(HANDLING).await;
            waits.lock().unwrap().extend(waited(record.payload().unwrap(), "ours", epoch));
            Ok(())
        }
    }));
    // It is running for some time when the light tenant comes: it has looked through what is there.
    let start = Instant::now();
    let is_ready = || {
        let stats = handle.stats();
        let read = stats.behind.values().sum::<u64>() + stats.tiers[&Some("gold")].handled;
        stats.rebalances > 0 && read >= heavy * 99 / 100
    };
    while !is_ready() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    println!("{heavy} records were looked through in {:.1?}", start.elapsed());
    light(stage, topic, "warm-up", WARM_UP, epoch).await;
    light(stage, topic, "ours", LIGHT, epoch).await;
    let most = Instant::now();
    while waits.lock().unwrap().len() < LIGHT as usize && most.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let stats = handle.stats();
    println!(
        "of the heavy tenant {} were handled meanwhile; {} records and {} KiB are in memory",
        stats.tiers[&Some("gold")].handled,
        stats.records,
        stats.bytes / 1024
    );
    handle.shutdown();
    running.await.unwrap().unwrap();
    sorted(&waits)
}

fn sorted(waits: &Waits) -> Vec<f64> {
    let mut waits: Vec<f64> =
        waits.lock().unwrap().iter().map(|wait| wait.as_secs_f64() * 1e3).collect();
    waits.sort_by(f64::total_cmp);
    waits
}

/// One record every 20 ms, whether or not the one before was handled.
async fn light(stage: &Stage, topic: &str, run: &str, records: u32, epoch: Instant) {
    let (producer, tenant) = (stage.producer(), stage.neighbour_of("acme"));
    let mut pace = tokio::time::interval(EVERY);
    for number in 0..records {
        pace.tick().await;
        let (key, sent) = (number.to_string(), stamp(run, epoch));
        let record = Outgoing::to(topic).key(key.as_bytes()).payload(sent.as_bytes());
        drop(producer.enqueue(&stage.test.context(tenant.as_str()), record).await.unwrap());
    }
    producer.flush().await.unwrap();
}

/// The plain loop, which handles as many at once, in the order in which they come.
async fn control(stage: &Stage, topic: &str) {
    let (brokers, owned) = (stage.brokers.clone(), topic.to_owned());
    let waits = Waits::default();
    let noting = Arc::clone(&waits);
    let epoch = Instant::now();
    let runtime = tokio::runtime::Handle::current();
    let stops = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stops);
    let plain = tokio::task::spawn_blocking(move || {
        let consumer = plain::consumer(&brokers, &owned, &format!("{owned}.plain"));
        let permits = Arc::new(tokio::sync::Semaphore::new(64));
        while !stopped.load(std::sync::atomic::Ordering::SeqCst) {
            let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) else { continue };
            let payload = message.payload().unwrap().to_vec();
            let permit = runtime.block_on(Arc::clone(&permits).acquire_owned()).unwrap();
            let waits = Arc::clone(&noting);
            runtime.spawn(async move {
                tokio::time::sleep(HANDLING).await;
                waits.lock().unwrap().extend(waited(&payload, "plain", epoch));
                drop(permit);
            });
        }
    });
    light(stage, topic, "plain", LIGHT, epoch).await;
    while waits.lock().unwrap().len() < LIGHT as usize && epoch.elapsed() < STALLED {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stops.store(true, std::sync::atomic::Ordering::SeqCst);
    plain.await.unwrap();
    let handled = sorted(&waits);
    println!(
        "control, a plain loop: {} of {LIGHT} of the light tenant were handled within {:.0?}",
        handled.len(),
        epoch.elapsed()
    );
    if !handled.is_empty() {
        tell("control, those that were", &handled);
    }
}
