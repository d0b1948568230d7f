//! One check of the rate limiter, beside `governor`'s keyed limiter, in one run.
//!
//! `cargo bench -p tenantkit-limit --features quanta --bench rate` prints a table of ratios; absolute figures swing with the
//! machine, the ratios of one run hold. With an argument only the parts whose name has it are run:
//! `check`, `threads`, `growth`, `memory`, `flood`.
//!
//! A million tenants, whose keys (and tiers) stand in the order of access before it begins. In the timed
//! region of ours are the clock, the tier's plan, a look for the tenant's own plan among a thousand
//! overrides, and the accounting of the cap; in governor's its clock and one quota for all, because it
//! has no more. The checks pass, which is the dearer way: ours is told a time that runs 61,035 times as
//! fast, so that quotas of a common size do not run out.
//!
//! - *TSC*: with `TscClock`, which reads the processor's counter as governor's clock does; without the
//!   feature `quanta` these are left out. The others read `SystemClock`.
//! - *hot*: always the same tenant. *uniform*: any. *zipf*: the k-th most frequent with weight 1/k.
//! - Ids are `u64`, or `TenantId`s of 19 to 25 bytes.
//! - Each figure is the median of rounds in which the contenders take turns, in time on a processor. The
//!   largest stall is of the wall, the least of five runs: on a machine with other work it is that work's.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{
    collections::HashMap,
    env, fs,
    hash::{BuildHasher, Hash, RandomState},
    hint::black_box,
    num::NonZeroU32,
    sync::{Barrier, LazyLock},
    thread,
    time::{Duration, Instant},
};

use foldhash::fast::RandomState as FastState;
use governor::state::keyed::DashMapStateStore;
use tenantkit_core::{Clock, SystemClock, TenantId};
#[cfg(feature = "quanta")]
use tenantkit_limit::rate::TscClock;
use tenantkit_limit::{
    quota::{Cost, Quota},
    rate::{Plan, RateLimiter},
};

const TENANTS: usize = 1_000_000;
const ROUNDS: usize = 9;

const ONE: Quota = Quota::per_second(1_000).declare();
const TWO: Quota = Quota::per_second(1_000).and_per_minute(30_000).declare();
const THREE: Quota =
    Quota::per_second(1_000).and_per_minute(30_000).and_per_day(40_000_000).declare();

fn main() {
    let wanted: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let parts: [(&str, fn()); 5] = [
        ("check", check),
        ("threads", threads),
        ("growth", growth),
        ("memory", memory),
        ("flood", flood),
    ];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            part();
        }
    }
}

/// A key that there are a million of.
trait Id: Hash + Eq + Clone + Send + Sync + 'static {
    const NAME: &'static str;
    fn number(number: u64) -> Self;
}

impl Id for u64 {
    const NAME: &'static str = "u64";

    fn number(number: u64) -> Self {
        scramble(number)
    }
}

impl Id for TenantId {
    const NAME: &'static str = "string";

    fn number(number: u64) -> Self {
        format!("tenant-{}", scramble(number) >> 20).parse().unwrap()
    }
}

/// Each number another, in no order.
fn scramble(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// One of those that are compared.
trait Contender<K>: Sync {
    fn check(&self, key: &K, tier: u8) -> bool;
    /// At a time at which nothing is idle yet.
    fn fill(&self, key: &K);
}

struct Ours<K: Id, C = SystemClock> {
    limiter: RateLimiter<K>,
    clock: C,
    tiers: [Plan; 4],
    overrides: HashMap<K, Plan, FastState>,
}

impl<K: Id, C: Clock + Default> Ours<K, C> {
    fn new(quota: &Quota, most: usize) -> Self {
        let limiter = RateLimiter::new(most);
        let plan = limiter.plan(quota, Duration::ZERO).unwrap();
        let overrides = (0..1_000).map(|at| (K::number(at * 991), plan.clone())).collect();
        let tiers = [(); 4].map(|()| plan.clone());
        Self { limiter, clock: C::default(), tiers, overrides }
    }
}

impl<K: Id, C: Clock> Contender<K> for Ours<K, C> {
    fn check(&self, key: &K, tier: u8) -> bool {
        let plan = self.overrides.get(key).unwrap_or(&self.tiers[usize::from(tier)]);
        self.limiter.check(key, plan, Cost::ONE, fast(self.clock.monotonic())).is_allowed()
    }

    fn fill(&self, key: &K) {
        let decision = self.limiter.check(key, &self.tiers[0], Cost::ONE, Duration::ZERO);
        assert!(decision.is_allowed() && !decision.is_shared());
    }
}

/// A second for each 2^14 nanoseconds, in steps that cost no division.
#[inline]
fn fast(now: Duration) -> Duration {
    let nanos = now.as_secs() * 1_000_000_000 + u64::from(now.subsec_nanos());
    Duration::new(nanos >> 14, ((nanos & 0x3fff) as u32) << 15)
}

type Governor<K, S> =
    governor::RateLimiter<K, DashMapStateStore<K, S>, governor::clock::DefaultClock>;

fn governor<K: Id, S: BuildHasher + Clone + Default>() -> Governor<K, S> {
    let quota = governor::Quota::per_second(NonZeroU32::new(50_000_000).unwrap());
    let store = DashMapStateStore::with_hasher(S::default());
    governor::RateLimiter::new(quota, store, governor::clock::DefaultClock::default())
}

impl<K: Id, S: BuildHasher + Clone + Send + Sync> Contender<K> for Governor<K, S> {
    fn check(&self, key: &K, _: u8) -> bool {
        self.check_key(key).is_ok()
    }

    fn fill(&self, key: &K) {
        assert!(self.check_key(key).is_ok());
    }
}

/// The keys in the order of access, each with its tier.
fn orders<K: Id>() -> [(&'static str, Vec<(K, u8)>); 3] {
    let mut random = fastrand::Rng::with_seed(7);
    let weights: Vec<f64> = (1..=TENANTS)
        .scan(0.0, |sum, k| {
            #[expect(clippy::cast_precision_loss, reason = "a million")]
            let weight = 1.0 / k as f64;
            *sum += weight;
            Some(*sum)
        })
        .collect();
    let access = |number: usize| (K::number(number as u64), (number % 4) as u8);
    let hot = vec![access(TENANTS / 3); TENANTS];
    let uniform = (0..TENANTS).map(|_| access(random.usize(..TENANTS))).collect();
    let zipf = (0..TENANTS)
        .map(|_| {
            let at = random.f64() * weights[TENANTS - 1];
            // Which tenants are the frequent ones has nothing to do with when they came.
            let rank = weights.partition_point(|sum| *sum < at).min(TENANTS - 1);
            access(usize::try_from(scramble(rank as u64) % TENANTS as u64).unwrap())
        })
        .collect();
    [("hot", hot), ("uniform", uniform), ("zipf", zipf)]
}

fn contenders<K: Id>() -> Vec<(&'static str, Box<dyn Timed<K>>)> {
    vec![
        ("governor", Box::new(governor::<K, RandomState>())),
        ("governor, fast hasher", Box::new(governor::<K, FastState>())),
        ("one window", Box::new(Ours::<_>::new(&ONE, 2 * TENANTS))),
        ("two windows", Box::new(Ours::<_>::new(&TWO, 2 * TENANTS))),
        ("three windows", Box::new(Ours::<_>::new(&THREE, 2 * TENANTS))),
        #[cfg(feature = "quanta")]
        ("one window, TSC", Box::new(Ours::<_, TscClock>::new(&ONE, 2 * TENANTS))),
        #[cfg(feature = "quanta")]
        ("two windows, TSC", Box::new(Ours::<_, TscClock>::new(&TWO, 2 * TENANTS))),
        #[cfg(feature = "quanta")]
        ("three windows, TSC", Box::new(Ours::<_, TscClock>::new(&THREE, 2 * TENANTS))),
    ]
}

/// A whole round behind one virtual call, so that a check is a plain one.
trait Timed<K>: Sync {
    fn prepare(&self);
    /// Nanoseconds a check.
    fn round(&self, order: &[(K, u8)]) -> f64;
}

impl<K: Id, C: Contender<K>> Timed<K> for C {
    fn prepare(&self) {
        (0..TENANTS as u64).for_each(|number| self.fill(&K::number(number)));
    }

    fn round(&self, order: &[(K, u8)]) -> f64 {
        let start = on_cpu();
        let passed = order.iter().filter(|(key, tier)| black_box(self.check(key, *tier))).count();
        let took = on_cpu() - start;
        // Almost: a thread that is interrupted between clock and check comes minutes late by our clock.
        assert!(passed + passed / 1_000 >= order.len(), "all checks pass");
        took * 1e9 / f64::from(u32::try_from(order.len()).unwrap())
    }
}

/// Seconds that this thread was on a processor, so that whoever else wants one does not count; where
/// that is not told, of the wall.
fn on_cpu() -> f64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    // Told when the thread gives way, to the nanosecond; otherwise at the last tick.
    thread::yield_now();
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse::<f64>().ok());
    nanos.map_or_else(|| START.elapsed().as_secs_f64(), |nanos| nanos / 1e9)
}

fn check() {
    let clock = SystemClock::new();
    let quanta = governor::clock::DefaultClock::default();
    let each = |read: &mut dyn FnMut()| {
        let start = on_cpu();
        (0..1_000_000).for_each(|_| read());
        (on_cpu() - start) * 1e3
    };
    #[cfg(feature = "quanta")]
    {
        let tsc = TscClock::new();
        let took = each(&mut || {
            black_box(tsc.monotonic());
        });
        println!("clock: TSC {took:.1} ns");
    }
    println!(
        "clock: ours {:.1} ns, governor's {:.1} ns",
        each(&mut || {
            black_box(clock.monotonic());
        }),
        each(&mut || {
            black_box(governor::clock::Clock::now(&quanta));
        })
    );
    println!(
        "{:<44}{:>9}{:>14}{:>14}",
        "one check, one thread", "ns", "of governor", "of its fast"
    );
    check_ids::<u64>();
    check_ids::<TenantId>();
}

fn check_ids<K: Id>() {
    let contenders = contenders::<K>();
    contenders.iter().for_each(|(_, contender)| contender.prepare());
    for (access, order) in orders::<K>() {
        let rounds = |_| contenders.iter().map(|(_, it)| it.round(&order)).collect();
        report(
            &format!("{}, {access}", K::NAME),
            &contenders,
            &(0..ROUNDS).map(rounds).collect::<Vec<_>>(),
        );
    }
}

fn threads() {
    println!(
        "{:<44}{:>9}{:>14}{:>14}",
        "one check, two threads at once", "ns", "of governor", "of its fast"
    );
    let contenders = contenders::<u64>();
    contenders.iter().for_each(|(_, contender)| contender.prepare());
    for (access, order) in orders::<u64>() {
        let both = |contender: &dyn Timed<u64>| {
            let barrier = Barrier::new(2);
            thread::scope(|scope| {
                let (first, second) = order.split_at(order.len() / 2);
                let halves = [first, second].map(|half| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        contender.round(half)
                    })
                });
                halves.map(|thread| thread.join().unwrap()).into_iter().fold(0.0, f64::max)
            })
        };
        let rounds = |_| contenders.iter().map(|(_, it)| both(it.as_ref())).collect();
        report(
            &format!("u64, {access}"),
            &contenders,
            &(0..ROUNDS).map(rounds).collect::<Vec<_>>(),
        );
    }
}

fn report<K>(name: &str, contenders: &[(&str, Box<dyn Timed<K>>)], rounds: &[Vec<f64>]) {
    let median = |of: &dyn Fn(&Vec<f64>) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    for (at, (contender, _)) in contenders.iter().enumerate() {
        let took = median(&|round| round[at]);
        // Each round's own ratio, because the machine changes between rounds.
        let (of_stock, of_fast) =
            (median(&|round| round[at] / round[0]), median(&|round| round[at] / round[1]));
        println!(
            "{:<44}{took:>9.1}{of_stock:>14.2}{of_fast:>14.2}",
            format!("{name}, {contender}")
        );
    }
}

fn growth() {
    println!("{:<44}{:>9}{:>14}", "growing to a million, u64", "ns each", "largest stall");
    let grow = |name: &str, new: &dyn Fn() -> Box<dyn Contender<u64>>| {
        let mut runs: Vec<(f64, Duration)> = (0..5)
            .map(|_| {
                let contender = new();
                let (start, mut largest, mut last) = (on_cpu(), Duration::ZERO, Instant::now());
                for number in 0..TENANTS as u64 {
                    contender.fill(&u64::number(number));
                    let now = Instant::now();
                    largest = largest.max(now - last);
                    last = now;
                }
                ((on_cpu() - start) * 1e3, largest)
            })
            .collect();
        runs.sort_by_key(|(_, largest)| *largest);
        println!("{name:<44}{:>9.0}{:>14.2?}", runs[0].0, runs[0].1);
    };
    grow("governor", &|| Box::new(governor::<u64, RandomState>()));
    grow("governor, fast hasher", &|| Box::new(governor::<u64, FastState>()));
    grow("one window", &|| Box::new(Ours::<_>::new(&ONE, 2 * TENANTS)));
    grow("three windows", &|| Box::new(Ours::<_>::new(&THREE, 2 * TENANTS)));
}

fn memory() {
    println!("{:<44}{:>9}{:>14}", "memory for a million idle tenants", "B each", "over the key");
    memory_of::<u64>();
    memory_of::<TenantId>();
}

fn memory_of<K: Id>() {
    let measure = |name: &str, new: &dyn Fn() -> Box<dyn Contender<K>>| {
        let mut kept = None;
        let used = allocation_counter::measure(|| {
            let contender = new();
            (0..TENANTS as u64).for_each(|number| contender.fill(&K::number(number)));
            kept = Some(contender);
        });
        drop(kept);
        #[expect(clippy::cast_precision_loss, reason = "megabytes")]
        let each = used.bytes_current as f64 / TENANTS as f64;
        let key = u32::try_from(size_of::<K>()).unwrap();
        println!(
            "{:<44}{each:>9.1}{:>14.1}",
            format!("{}, {name}", K::NAME),
            each - f64::from(key)
        );
    };
    measure("governor", &|| Box::new(governor::<K, RandomState>()));
    measure("one to three windows", &|| Box::new(Ours::<_>::new(&THREE, 2 * TENANTS)));
}

fn flood() {
    let mut limiter = None;
    let quota = Quota::per_minute(60).declare();
    let start = Instant::now();
    let (mut shared, mut took) = (0_u64, Duration::ZERO);
    let used = allocation_counter::measure(|| {
        let flooded = RateLimiter::new(TENANTS);
        let plan = flooded.plan(&quota, Duration::ZERO).unwrap();
        for number in 0..10 * TENANTS as u64 {
            shared +=
                u64::from(flooded.check(&number, &plan, Cost::ONE, start.elapsed()).is_shared());
        }
        took = start.elapsed();
        limiter = Some((flooded, plan));
    });
    println!(
        "flood: 10 million ids in {took:.1?}, {shared} counted together; {} remembered in {} MB ({} MB at most)",
        limiter.map_or(0, |(limiter, _)| limiter.len()),
        used.bytes_current / 1_000_000,
        used.bytes_max / 1_000_000,
    );
}
