//! One tenant, a backlog, and work that takes the processor: how much longer than a bare loop?

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use crate::{
    plain,
    stage::{Stage, memory, processor, work},
};

pub(crate) async fn run(count: u64, micros: u64) {
    let stage = Stage::new();
    let topic = stage.topic().await;
    stage.fill(&topic, "acme", count).await;
    println!("{count} records, {micros} us of work each");
    let mut best = [f64::MAX; 3];
    let mut least = [f64::MAX; 3];
    for round in 0..3 {
        for (number, which) in ["bare", "bare and verified", "ours"].iter().enumerate() {
            let group = format!("{topic}.{number}.{round}");
            let (start, before) = (Instant::now(), processor());
            match number {
                0 => bare(&stage, &topic, &group, count, micros, false),
                1 => bare(&stage, &topic, &group, count, micros, true),
                _ => ours(&stage, &topic, &group, count, micros).await,
            }
            let (took, used) =
                (start.elapsed().as_secs_f64(), (processor() - before).as_secs_f64());
            best[number] = best[number].min(took);
            least[number] = least[number].min(used);
            println!(
                "{which}: {:.0} records/s, {:.1} us of the processor a record",
                count as f64 / took,
                used * 1e6 / count as f64
            );
        }
    }
    println!("throughput over a bare loop: {:.2}", best[0] / best[2]);
    println!("throughput over a bare loop that verifies: {:.2}", best[1] / best[2]);
    println!("processor time over a bare loop that verifies: {:.2}", least[2] / least[1]);
    println!("memory: {:?} MiB now and at the peak", memory());
}

fn bare(stage: &Stage, topic: &str, group: &str, count: u64, micros: u64, verifies: bool) {
    let consumer = plain::consumer(&stage.brokers, topic, group);
    let (mut done, mut committed) = (0, Instant::now());
    while done < count {
        let Some(Ok(mut message)) = consumer.poll(Duration::from_millis(100)) else { continue };
        if verifies {
            plain::verify(stage.test.authority(), &mut message);
        }
        work(micros);
        done += 1;
        if committed.elapsed() > Duration::from_millis(200) || done == count {
            committed = Instant::now();
            plain::commit(&consumer, &message);
        }
    }
}

async fn ours(stage: &Stage, topic: &str, group: &str, count: u64, micros: u64) {
    let done = Arc::new(AtomicU64::new(0));
    let consumer = stage.consumer(topic).group(group).build().unwrap();
    let handle = consumer.handle();
    let counting = Arc::clone(&done);
    let running = tokio::spawn(consumer.run(move |_, _| {
        let done = Arc::clone(&counting);
        async move {
            work(micros);
            done.fetch_add(1, SeqCst);
            Ok(())
        }
    }));
    while done.load(SeqCst) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    handle.shutdown();
    running.await.unwrap().unwrap();
}
