//! A process that serves one tenant, and the load on it.

use std::{
    collections::BTreeMap,
    env,
    fmt::Write as _,
    io::{BufRead, BufReader, Write},
    num::NonZeroU32,
    process::{Child, ChildStdout, Command, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use tenantkit_core::{AuthorityBuilder, SystemClock, TierSet, test_util::TestAuthority};
use tenantkit_limit::{
    limits::{Limits, ResourceLimits},
    policy::{Allowance, LimitPolicy},
    quota::{Cost, Quota},
    shared::{Courier, SharedRates, SharedRatesBuilder, Sharing},
};

pub(crate) const PROCESSES: NonZeroU32 = NonZeroU32::new(4).unwrap();
/// What is counted together, in milliseconds.
const BUCKET: u128 = 10;

/// What one process is to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// A second, and the burst.
    pub(crate) quota: u32,
    /// A second.
    pub(crate) offered: u32,
    pub(crate) span: Duration,
    /// How long a call to Redis may take.
    pub(crate) deadline: Duration,
}

/// What one process did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// What was allowed in each bucket of time, by all who added to it.
    pub(crate) allowed: BTreeMap<u128, u64>,
    pub(crate) asked: u64,
    pub(crate) calls: u64,
    pub(crate) apart: u64,
    /// How many of them are on their own in the end.
    pub(crate) end_apart: u64,
}

impl Done {
    pub(crate) fn allowed(&self) -> u64 {
        self.allowed.values().sum()
    }

    /// What was allowed between two moments of the calendar, whole buckets only.
    pub(crate) fn between(&self, from: u128, to: u128) -> u64 {
        self.allowed.range(from.div_ceil(BUCKET)..to / BUCKET).map(|(_, allowed)| allowed).sum()
    }

    /// The most that any span has beyond `rate * span`, that is a burst and what is beyond it.
    pub(crate) fn most_beyond(&self, rate: u32) -> f64 {
        // The largest sum of a run of buckets, each less what it earns.
        let (mut most, mut run) = (0.0_f64, 0.0_f64);
        let mut last = None;
        let earned = f64::from(rate) * BUCKET as f64 / 1_000.0;
        for (&bucket, &allowed) in &self.allowed {
            let skipped = last.map_or(0, |last| bucket - last - 1) as f64;
            run = (run - skipped * earned).max(0.0) + allowed as f64 - earned;
            most = most.max(run + earned);
            run = run.max(0.0);
            last = Some(bucket);
        }
        most
    }

    pub(crate) fn add(&mut self, other: Self) {
        for (bucket, allowed) in other.allowed {
            *self.allowed.entry(bucket).or_default() += allowed;
        }
        self.asked += other.asked;
        self.calls += other.calls;
        self.apart += other.apart;
        self.end_apart += other.end_apart;
    }
}

/// Another process.
pub(crate) struct Process {
    child: Child,
    says: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it. It waits until it is [let go](Self::go).
    pub(crate) fn start(url: &str, load: Load) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "process::serves", "--nocapture"])
            .env("SERVES_URL", url)
            .env("SERVES_QUOTA", load.quota.to_string())
            .env("SERVES_OFFERED", load.offered.to_string())
            .env("SERVES_MILLIS", load.span.as_millis().to_string())
            .env("SERVES_DEADLINE", load.deadline.as_millis().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let says = BufReader::new(child.stdout.take().unwrap());
        let mut process = Self { child, says };
        process.until("ready");
        process
    }

    pub(crate) fn go(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }

    pub(crate) fn done(mut self) -> Done {
        let mut done = Done::default();
        let line = self.until("done");
        let mut words = line.split_whitespace().skip(1).map(|word| word.parse::<u128>().unwrap());
        let mut next = || words.next().unwrap();
        done.asked = next() as u64;
        done.calls = next() as u64;
        done.apart = next() as u64;
        done.end_apart = next() as u64;
        for _ in 0..next() {
            let bucket = next();
            done.allowed.insert(bucket, next() as u64);
        }
        assert!(self.child.wait().unwrap().success());
        done
    }

    fn until(&mut self, word: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.says.read_line(&mut line).unwrap(), 0, "the process ended early");
            if line.starts_with(word) {
                return line;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It is gone already, but for a test that failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// All of them, let go at one moment, and what they did together. `meanwhile` runs while they do.
pub(crate) fn all(url: &str, loads: &[Load], meanwhile: impl FnOnce()) -> Done {
    // One load at a time: what is late on a busy machine is no promise broken.
    static ALONE: Mutex<()> = Mutex::new(());
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut processes: Vec<_> = loads.iter().map(|load| Process::start(url, *load)).collect();
    processes.iter_mut().for_each(Process::go);
    meanwhile();
    let mut together = Done::default();
    for process in processes {
        together.add(process.done());
    }
    together
}

/// Milliseconds of the calendar.
pub(crate) fn millis() -> u128 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()
}

/// What a test in this process has.
pub(crate) type Here = (TestAuthority, ResourceLimits, SharedRates, Courier);

/// Limits in this process, by the time of the machine.
pub(crate) fn limits(url: &str, quota: Quota, prefix: &str) -> Here {
    let clock = |builder: AuthorityBuilder| builder.clock(SystemClock::default());
    limits_of(TestAuthority::with(TierSet::METALS, clock), url, quota, prefix)
}

/// Limits in this process, by the time of the authority.
pub(crate) fn limits_of(tests: TestAuthority, url: &str, quota: Quota, prefix: &str) -> Here {
    let builder = SharedRates::builder(url, PROCESSES).prefix(prefix);
    let (door, shared, courier) = build(&tests, quota, builder);
    (tests, door, shared, courier)
}

/// The door to `api`, with the same quota for every tier.
pub(crate) fn build(
    tests: &TestAuthority,
    quota: Quota,
    builder: SharedRatesBuilder,
) -> (ResourceLimits, SharedRates, Courier) {
    let tiers = tests.authority().tiers();
    let each = Allowance::unlimited().rate(quota);
    let policy = tiers
        .iter()
        .fold(LimitPolicy::builder(tiers), |policy, tier| policy.tier("api", tier.as_str(), each))
        .build()
        .unwrap();
    let (shared, courier) = builder.build().unwrap();
    let limits = Limits::builder(tests.authority(), policy).shared(shared.clone()).build().unwrap();
    (limits.resource("api").unwrap(), shared, courier)
}

#[test]
#[ignore = "what the other tests start as another process"]
fn serves() {
    let said = |name: &str| env::var(name).unwrap();
    let (quota, offered): (u32, u32) =
        (said("SERVES_QUOTA").parse().unwrap(), said("SERVES_OFFERED").parse().unwrap());
    let [span, deadline] = ["SERVES_MILLIS", "SERVES_DEADLINE"]
        .map(|name| Duration::from_millis(said(name).parse().unwrap()));
    let quota = Quota::per_second(quota).build().unwrap();
    let clock = |builder: AuthorityBuilder| builder.clock(SystemClock::default());
    let tests = TestAuthority::with(TierSet::METALS, clock);
    let builder = SharedRates::builder(said("SERVES_URL"), PROCESSES).deadline(deadline);
    let (door, shared, courier) = build(&tests, quota, builder);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.spawn(courier.run());
    let together = || {
        let patience = Instant::now() + Duration::from_secs(10);
        while shared.status().sharing != Sharing::Together && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    together();
    println!("\nready");
    std::io::stdin().read_line(&mut String::new()).unwrap();

    let acme = tests.context("acme");
    let mut done = Done::default();
    let start = Instant::now();
    while start.elapsed() < span {
        // All whose time has come, however late we are.
        let due = (start.elapsed().as_secs_f64() * f64::from(offered)) as u64;
        while done.asked < due {
            done.asked += 1;
            if door.try_enter(&acme, Cost::ONE).is_ok() {
                *done.allowed.entry(millis() / BUCKET).or_default() += 1;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    together();
    let status = shared.status();
    let mut line = format!(
        "\ndone {} {} {} {} {}",
        done.asked,
        status.counts.calls,
        status.counts.decided_apart,
        u8::from(status.sharing != Sharing::Together),
        done.allowed.len()
    );
    for (bucket, allowed) in &done.allowed {
        write!(line, " {bucket} {allowed}").unwrap();
    }
    println!("{line}");
}
