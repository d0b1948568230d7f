//! A push and a pop of the fair queue, beside a plain FIFO, `firq-core` and a cache miss, in one run.
//!
//! `cargo bench -p tenantkit-limit --bench fair` prints a table; absolute figures swing with the machine, the
//! ratios of one run hold. With an argument only the parts whose name has it are run: `core`, `whole`, and
//! `count` (once, for `perf stat -e instructions:u`, with the tenants as the second argument).
//!
//! - *core*: an item is pushed, and given away for good. *whole*: it is popped under a lease, with caps on items
//!   and cost, and completed at another cost than it was pushed with; and once more from a future that waits.
//! - *again*: the tenant that was popped is pushed to. *random*: any. Two items of each tenant wait when it
//!   begins, in a random order of arrival. Costs are 1 to 16, weights 1 to 8 by tier.
//! - *handles*: pushes go by handle; of those to any, in the order in which the handles lie. *hashed*: by id, a `u64`.
//! - The clock stands. What reading one costs is in the bench `rate`.
//! - *miss*: one step of a walk over as many lines of the cache as there are tenants, in a random circle, where each
//!   says which is next.
//! - Each figure is half of a pair of push and pop: the median of rounds in which the contenders take turns, in time
//!   on a processor. firq says `Empty` while it has something; it is asked again until it does not.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{
    collections::VecDeque,
    env, fs,
    hint::black_box,
    pin::pin,
    sync::{Arc, LazyLock, Mutex},
    task::{Context, Poll, Waker},
    thread,
    time::Instant,
};

use firq_core::{DequeueResult, EnqueueResult, Priority, Scheduler, SchedulerConfig, Task};
use tenantkit_core::{ManualClock, TierSet, UnixTime};
use tenantkit_limit::{
    fair::{FairQueue, Handle, Share, Weight, Work},
    quota::Cost,
};

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
const PAIRS: usize = 400_000;
const ROUNDS: usize = 5;
const TIERS: TierSet = TierSet::METALS;

fn main() {
    let wanted: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    if wanted.first().is_some_and(|part| part == "count") {
        return count(wanted[1].parse().unwrap());
    }
    let parts: [(&str, fn()); 2] = [("core", core), ("whole", whole)];
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            part();
        }
    }
}

/// One of those that are compared: a round is so many pairs of pop and push.
trait Contender {
    fn fill(&mut self, arrivals: &[u32]);
    /// Before a round of pushes to any, which is not measured.
    fn prepare(&mut self, _pushes: &[u32]) {}
    fn round(&mut self, pushes: &[u32], is_again: bool);
}

fn cost(at: usize) -> u32 {
    (scramble(at as u64) % 16) as u32 + 1
}

/// Each number another, in no order: ids are not told by their order.
fn scramble(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

struct Fifo(Mutex<VecDeque<(u32, u32)>>);

impl Contender for Fifo {
    fn fill(&mut self, arrivals: &[u32]) {
        arrivals
            .iter()
            .enumerate()
            .for_each(|(at, it)| self.0.get_mut().unwrap().push_back((*it, cost(at))));
    }

    fn round(&mut self, pushes: &[u32], is_again: bool) {
        for (at, tenant) in pushes.iter().enumerate() {
            let popped = self.0.lock().unwrap().pop_front().unwrap();
            let to = if is_again { popped.0 } else { *tenant };
            self.0.lock().unwrap().push_back((to, cost(at)));
        }
    }
}

struct Firq(Scheduler<u32>);

impl Firq {
    fn new() -> Self {
        let bounds =
            SchedulerConfig { shards: 1, max_global: usize::MAX, ..SchedulerConfig::default() };
        Self(Scheduler::new(SchedulerConfig { max_per_tenant: usize::MAX, ..bounds }))
    }

    fn push(&self, tenant: u32, cost: u32, now: Instant) {
        let task = Task {
            payload: tenant,
            enqueue_ts: now,
            deadline: None,
            priority: Priority::Normal,
            cost: u64::from(cost),
        };
        let pushed = self.0.enqueue(scramble(u64::from(tenant)).into(), task);
        assert!(matches!(pushed, EnqueueResult::Enqueued));
    }
}

impl Contender for Firq {
    fn fill(&mut self, arrivals: &[u32]) {
        let now = Instant::now();
        arrivals.iter().enumerate().for_each(|(at, tenant)| self.push(*tenant, cost(at), now));
    }

    fn round(&mut self, pushes: &[u32], is_again: bool) {
        let now = Instant::now();
        for (at, tenant) in pushes.iter().enumerate() {
            let popped = loop {
                if let DequeueResult::Task { task, .. } = self.0.try_dequeue() {
                    break task.payload;
                }
            };
            self.push(if is_again { popped } else { *tenant }, cost(at), now);
        }
    }
}

/// How ours is used.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Given,
    Leased,
    Awaited,
}

struct Ours {
    queue: FairQueue<u64, u32>,
    /// None where ids are hashed.
    handles: Vec<Handle<u64, u32>>,
    /// Those of the next pushes, in their order: whoever pushes has its own at hand.
    at_hand: Vec<Handle<u64, u32>>,
    way: Way,
}

impl Ours {
    fn new(tenants: usize, is_interned: bool, way: Way) -> Self {
        let mut builder = FairQueue::builder(TIERS).max_tenants(4_000_000).max_waiting(4_000_000);
        for (tier, weight) in TIERS.iter().zip([1, 2, 4, 8]) {
            let share = Share::of(Weight::new(weight).unwrap()).max_waiting(u32::MAX);
            let capped = share.max_in_flight(64).max_cost_in_flight(1_000);
            builder = builder.share(tier, if way == Way::Given { share } else { capped });
        }
        // What the cheapest item charges the greatest weight.
        let builder = builder.granule(Cost::ONE, Weight::new(8).unwrap());
        let clock = Arc::new(ManualClock::at(UnixTime::EPOCH));
        let queue: FairQueue<u64, u32> = builder.build(clock).unwrap();
        let interned = if is_interned { tenants } else { 0 };
        let handle = |tenant: usize| {
            let tier = TIERS.iter().nth(tenant % 4).unwrap();
            queue.tenant(&scramble(tenant as u64), tier).unwrap()
        };
        let handles = (0..interned).map(handle).collect();
        Self { queue, handles, at_hand: Vec::new(), way }
    }

    fn push(&self, tenant: u32, cost: u32) {
        let work = Work::new(tenant).cost(Cost::new(cost).unwrap());
        if let Some(handle) = self.handles.get(tenant as usize) {
            return handle.push(work).unwrap();
        }
        let tier = TIERS.iter().nth(tenant as usize % 4).unwrap();
        self.queue.push(&scramble(u64::from(tenant)), tier, work).unwrap();
    }

    fn pop(&self, at: usize) -> u32 {
        let lease = match self.way {
            Way::Given => return self.queue.try_give().unwrap().1,
            Way::Leased => self.queue.try_pop().unwrap(),
            Way::Awaited => {
                let mut pop = pin!(self.queue.pop());
                let Poll::Ready(lease) = pop.as_mut().poll(&mut Context::from_waker(Waker::noop()))
                else {
                    panic!("there is something")
                };
                lease.unwrap()
            }
        };
        let tenant = *lease;
        lease.complete_at(cost(at + 1)).unwrap();
        tenant
    }
}

impl Contender for Ours {
    fn fill(&mut self, arrivals: &[u32]) {
        arrivals.iter().enumerate().for_each(|(at, tenant)| self.push(*tenant, cost(at)));
    }

    fn prepare(&mut self, pushes: &[u32]) {
        let of = |tenant: &u32| self.handles.get(*tenant as usize).cloned();
        self.at_hand = pushes.iter().filter_map(of).collect();
    }

    fn round(&mut self, pushes: &[u32], is_again: bool) {
        for (at, tenant) in pushes.iter().enumerate() {
            let popped = self.pop(at);
            match self.at_hand.get(at) {
                Some(handle) if !is_again => {
                    let work = Work::new(*tenant).cost(Cost::new(cost(at)).unwrap());
                    handle.push(work).unwrap();
                }
                _ => self.push(if is_again { popped } else { *tenant }, cost(at)),
            }
        }
    }
}

/// A line of the cache that says which is next.
#[derive(Clone)]
#[repr(align(64))]
struct Line(u32);

struct Walk(Vec<Line>, u32);

impl Walk {
    fn new(lines: usize, random: &mut fastrand::Rng) -> Self {
        let mut order: Vec<u32> = (0..u32::try_from(lines).unwrap()).collect();
        random.shuffle(&mut order);
        let mut walk = vec![Line(0); lines];
        for (at, line) in order.iter().enumerate() {
            walk[*line as usize].0 = order[(at + 1) % lines];
        }
        Self(walk, 0)
    }

    fn steps(&mut self, steps: usize) {
        for _ in 0..steps {
            self.1 = self.0[self.1 as usize].0;
        }
        black_box(self.1);
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

#[expect(clippy::cast_precision_loss, reason = "below a million")]
fn each(operations: usize, work: impl FnOnce()) -> f64 {
    let start = on_cpu();
    work();
    (on_cpu() - start) * 1e9 / operations as f64
}

fn core() {
    race("core", |tenants| {
        vec![
            ("FIFO", Box::new(Fifo(Mutex::default())) as Box<dyn Contender>),
            ("firq-core", Box::new(Firq::new())),
            ("ours, handles", Box::new(Ours::new(tenants, true, Way::Given))),
            ("ours, hashed", Box::new(Ours::new(tenants, false, Way::Given))),
        ]
    });
}

fn whole() {
    race("whole", |tenants| {
        vec![
            ("FIFO", Box::new(Fifo(Mutex::default())) as Box<dyn Contender>),
            ("firq-core", Box::new(Firq::new())),
            ("leased, handles", Box::new(Ours::new(tenants, true, Way::Leased))),
            ("leased, hashed", Box::new(Ours::new(tenants, false, Way::Leased))),
            ("awaited, hashed", Box::new(Ours::new(tenants, false, Way::Awaited))),
        ]
    });
}

fn race(name: &str, contenders: impl Fn(usize) -> Vec<(&'static str, Box<dyn Contender>)>) {
    println!(
        "{:<44}{:>9}{:>11}{:>11}{:>11}",
        format!("{name}: half of a push and a pop"),
        "ns",
        "of a miss",
        "of firq",
        "of FIFO"
    );
    for tenants in SIZES {
        for is_again in [true, false] {
            let mut random = fastrand::Rng::with_seed(7);
            let arrivals = arrivals(tenants, &mut random);
            let mut walk = Walk::new(tenants, &mut random);
            let mut contenders = contenders(tenants);
            contenders.iter_mut().for_each(|(_, it)| it.fill(&arrivals));
            let mut misses = Vec::new();
            let mut rounds = vec![Vec::new(); contenders.len()];
            for _ in 0..ROUNDS {
                let pushes = pushes(tenants, &mut random);
                misses.push(each(PAIRS, || walk.steps(PAIRS)));
                for ((_, contender), rounds) in contenders.iter_mut().zip(&mut rounds) {
                    if !is_again {
                        contender.prepare(&pushes);
                    }
                    rounds.push(each(2 * PAIRS, || contender.round(&pushes, is_again)));
                }
            }
            let way = if is_again { "again" } else { "random" };
            println!("{:<44}{:>9.1}", format!("{tenants}, {way}, a miss"), median(misses.clone()));
            for ((contender, _), took) in contenders.iter().zip(&rounds) {
                // Each round's own ratio, because the machine changes between rounds.
                let of =
                    |other: &[f64]| median(took.iter().zip(other).map(|(a, b)| a / b).collect());
                println!(
                    "{:<44}{:>9.1}{:>11.2}{:>11.2}{:>11.2}",
                    format!("{tenants}, {way}, {contender}"),
                    median(took.clone()),
                    of(&misses),
                    of(&rounds[1]),
                    of(&rounds[0]),
                );
            }
        }
    }
}

fn arrivals(tenants: usize, random: &mut fastrand::Rng) -> Vec<u32> {
    let tenants = u32::try_from(tenants).unwrap();
    let mut arrivals: Vec<u32> = (0..tenants).chain(0..tenants).collect();
    random.shuffle(&mut arrivals);
    arrivals
}

fn pushes(tenants: usize, random: &mut fastrand::Rng) -> Vec<u32> {
    let tenants = u32::try_from(tenants).unwrap();
    (0..PAIRS).map(|_| random.u32(..tenants)).collect()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Fills a queue and serves it ten times as often as with an argument of zero rounds: the difference of two
/// counts of instructions is that of the pairs.
fn count(tenants: usize) {
    let rounds: usize = env::args().nth(3).map_or(10, |rounds| rounds.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(7);
    let mut ours = Ours::new(tenants, true, Way::Given);
    ours.fill(&arrivals(tenants, &mut random));
    let pushes = pushes(tenants, &mut random);
    (0..rounds).for_each(|_| ours.round(&pushes, true));
    println!("{} pairs", rounds * PAIRS);
}
