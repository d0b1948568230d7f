//! Consumers that are killed, hang, and come back: nothing is lost, and what is done again is bounded.

use std::{
    collections::{HashMap, HashSet},
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command},
    time::{Duration, Instant},
};

use tenantkit_kafka::{Failure, TenantConsumer};

use crate::world::{PATIENCE, World, authority, ends};

/// What no member handles: one in fifty.
fn is_poison(payload: u32) -> bool {
    payload % 50 == 7
}

/// How often consumers are killed: 100 times where `TENANTKIT_KILLS` says so.
fn kills() -> usize {
    env::var("TENANTKIT_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(6)
}

/// A consumer in a process of its own, which writes what it handles into a file.
struct Member(Child);

impl Member {
    fn start(world: &World, topic: &str, log: &Path) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command
            .args(["--ignored", "--exact", "crash::the_member"])
            .env("MEMBER_SECRET", &world.secret)
            .env("MEMBER_BROKERS", &world.brokers)
            .env("MEMBER_TOPIC", topic)
            .env("MEMBER_LOG", log);
        let mut leashed = throwaway::leash(&command);
        leashed.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        Self(leashed.spawn().unwrap())
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args(["-s", signal, &self.0.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    fn kill(mut self) {
        self.signal("KILL");
        self.0.wait().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the process that the tests here start and kill"]
async fn the_member() {
    let of = |name: &str| env::var(name).unwrap();
    let (topic, log) = (of("MEMBER_TOPIC"), PathBuf::from(of("MEMBER_LOG")));
    let test = authority(&of("MEMBER_SECRET"));
    let consumer = TenantConsumer::builder(test.authority())
        .set("bootstrap.servers", &of("MEMBER_BROKERS"))
        .set("session.timeout.ms", "2000")
        .set("heartbeat.interval.ms", "300")
        .group(&format!("{topic}.group"))
        .topic(&topic)
        .dead_letters(&format!("{topic}.dead"))
        .concurrency(8)
        .build()
        .unwrap();
    consumer
        .run(move |tenant, record| {
            let log = log.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                let text =
                    |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap().to_vec()).unwrap();
                let (key, payload) = (text(record.key()), text(record.payload()));
                if is_poison(payload.parse().unwrap()) {
                    return Err(Failure::permanent("poison"));
                }
                let line = format!("{} {} {key} {payload}\n", std::process::id(), tenant.tenant());
                // One write, which the system keeps when the process is killed.
                let mut log = fs::OpenOptions::new().append(true).create(true).open(log)?;
                log.write_all(line.as_bytes())?;
                Ok(())
            }
        })
        .await
        .unwrap();
}

struct Line {
    process: String,
    tenant: String,
    key: String,
    payload: u32,
}

fn lines(log: &Path) -> Vec<Line> {
    let text = fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            Line {
                process: words[0].to_owned(),
                tenant: words[1].to_owned(),
                key: words[2].to_owned(),
                payload: words[3].parse().unwrap(),
            }
        })
        .collect()
}

async fn wait_for_lines(log: &Path, count: usize) {
    let start = Instant::now();
    while lines(log).len() < count {
        assert!(start.elapsed() < PATIENCE, "{} of {count} were handled", lines(log).len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_that_are_killed_under_load_lose_nothing_and_repeat_little() {
    let Some(world) = World::new() else { return };
    let (topic, dead) = world.topics().await;
    let folder = throwaway::Folder::new().unwrap();
    let log = folder.path().join("handled");
    let kills = kills();
    let count = u32::try_from(kills).unwrap() * 250;
    let tenants = ["acme", "globex", "tenant-1", "tenant-2"];
    world.produce(&topic, &tenants, count, 16).await;
    let bad = tenants.len() * (0..count).filter(|payload| is_poison(*payload)).count();
    let total = tenants.len() * count as usize - bad;

    let mut members: Vec<Member> = (0..2).map(|_| Member::start(&world, &topic, &log)).collect();
    let mut before = 0;
    for kill in 0..kills {
        // Something is done between two kills, and much is not.
        let start = Instant::now();
        while lines(&log).len() < (before + 100).min(total) {
            assert!(start.elapsed() < PATIENCE, "nothing more is done after {kill} kills");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        members.remove(0).kill();
        before = lines(&log).len();
        members.push(Member::start(&world, &topic, &log));
    }
    world.lag_is_over(&format!("{topic}.group"), &topic).await;
    members.into_iter().for_each(Member::kill);

    let lines = lines(&log);
    let once: HashSet<_> =
        lines.iter().map(|line| (&line.tenant, &line.key, line.payload)).collect();
    let again = lines.len() - once.len();
    println!("{kills} kills, {total} records, {again} handled again");
    assert_eq!(once.len(), total, "every record was handled");
    // What was done within 200 ms and not committed, and what was under way: 8 handlers of 5 ms each do
    // at most 320 in 200 ms; a rebalance, which every kill brings twice, hands over cleanly.
    assert!(again <= kills * (320 + 8), "{again} again, after {kills} kills");
    // Within one process, and so within one assignment, each key is in order but for what begins again.
    let mut last: HashMap<_, u32> = HashMap::new();
    let mut back = 0;
    for line in &lines {
        let of = (&line.process, &line.tenant, &line.key);
        let before = last.insert(of, line.payload);
        back += usize::from(before.is_some_and(|before| before >= line.payload));
    }
    assert!(back <= again, "{back} steps back, of {again} that were handled again");
    // Every bad one is a dead letter, some of them once more.
    let letters = usize::try_from(ends(&world.brokers, &dead)).unwrap();
    let letters = world.dead_letters(&dead, letters).await;
    let places: HashSet<_> =
        letters.iter().map(|letter| (letter.partition, letter.offset)).collect();
    println!("{bad} dead letters, {} of them written again", letters.len() - places.len());
    assert_eq!(places.len(), bad);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_hung_cannot_undo_what_another_committed() {
    let Some(world) = World::new() else { return };
    let (topic, _) = world.topics().await;
    let folder = throwaway::Folder::new().unwrap();
    let log = folder.path().join("handled");
    world.produce(&topic, &["acme", "globex"], 500, 16).await;
    let stale = Member::start(&world, &topic, &log);
    wait_for_lines(&log, 100).await;
    stale.signal("STOP");
    // Its session ends, and another takes over and finishes.
    let other = Member::start(&world, &topic, &log);
    let group = format!("{topic}.group");
    world.lag_is_over(&group, &topic).await;
    stale.signal("CONT");
    // It notices, and commits nothing of what it had under way.
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(4) {
        assert_eq!(world.lag(&group, &topic).await, 0, "a stale member took back a commit");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // And it works again: what comes is handled by either.
    world.produce(&topic, &["tenant-1"], 100, 16).await;
    world.lag_is_over(&group, &topic).await;
    let handled: HashSet<_> =
        lines(&log).iter().map(|line| (line.tenant.clone(), line.payload)).collect();
    let good = |count| (0..count).filter(|payload| !is_poison(*payload)).count();
    assert_eq!(handled.len(), 2 * good(500) + good(100));
    stale.kill();
    other.kill();
}
