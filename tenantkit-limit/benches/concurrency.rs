//! A pair of permits, the tenant's and the global one, taken and given back, beside what one would use
//! instead.
//!
//! `cargo bench -p tenantkit-limit --bench concurrency` prints nanoseconds a pair, and the ratio of each
//! contender to tokio's semaphores: absolute figures swing with the machine, ratios in one run hold. With
//! an argument only the parts whose name has it are run: `parts`, `hot`, `uniform`, `busy`, `threads`.
//! Keys stand in the order of access before it begins; to hash and to compare them is in the timed
//! region, as is a tenant's cap. Each figure is the median of rounds in which the contenders take turns,
//! in time on a processor.
//!
//! - *parts*: what a pair is made of, each alone, so that one sees where its floor is.
//! - *hot*: always the same tenant.
//! - *uniform*: one of a million tenants, of whom nobody else has a permit.
//! - *all busy*: one of a million tenants, each of whom holds a permit already.
//! - *two threads*: each its own tenant, so that only what is common is shared. Time is per pair and
//!   thread.
//! - *near the limit*: hot, with a global limit at which no permit is kept for the next; what a pair costs
//!   when each changes the common count.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{
    env, fs,
    future::{Future, Ready, ready},
    hash::{BuildHasher, Hash, RandomState},
    hint::black_box,
    pin::pin,
    sync::{
        Arc, Barrier, LazyLock, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
    thread,
    time::Instant,
};

use dashmap::DashMap;
use foldhash::quality::RandomState as Folded;
use tenantkit_core::TenantId;
use tenantkit_limit::concurrency::{Cap, ConcurrencyLimiter, Gradient2, Limit, Sharing};
use tokio::{
    runtime::{EnterGuard, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower_resilience_bulkhead::{Bulkhead, BulkheadLayer};
use tower_service::Service;

const TENANTS: usize = 1_000_000;
/// Pairs in a round.
const PAIRS: usize = 1_000_000;
const ROUNDS: usize = 9;
/// Above what is ever held here, so that nothing is refused.
const GLOBAL: u32 = 4_000_000;
const CAP: u32 = 16;

fn main() {
    let wanted: Vec<String> = env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let groups: [(&str, fn()); 5] = [
        ("parts", parts),
        ("hot", hot),
        ("uniform", uniform),
        ("busy", all_busy),
        ("threads", two_threads),
    ];
    for (name, group) in groups {
        if wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str())) {
            group();
        }
    }
}

/// One of the limiters that are compared.
trait Pair<K> {
    type Held;
    fn take(&self, key: &K) -> Self::Held;

    /// What it needs around it on each thread, outside of what is timed.
    fn around(&self) -> Option<EnterGuard<'_>> {
        None
    }
}

impl<K: Eq + Hash + Clone> Pair<K> for ConcurrencyLimiter<K> {
    type Held = tenantkit_limit::concurrency::Permit<K>;

    fn take(&self, key: &K) -> Self::Held {
        self.try_acquire(key, Cap::of(CAP)).unwrap()
    }
}

/// A semaphore for each tenant, and one for all. None is ever removed: it grows with every tenant.
struct Semaphores<K> {
    tenants: DashMap<K, Arc<Semaphore>>,
    global: Arc<Semaphore>,
}

impl<K: Eq + Hash + Clone> Semaphores<K> {
    fn new() -> Self {
        Self { tenants: DashMap::new(), global: Arc::new(Semaphore::new(GLOBAL as usize)) }
    }
}

impl<K: Eq + Hash + Clone> Pair<K> for Semaphores<K> {
    type Held = (OwnedSemaphorePermit, OwnedSemaphorePermit);

    fn take(&self, key: &K) -> Self::Held {
        let tenant = match self.tenants.get(key) {
            Some(tenant) => Arc::clone(&tenant),
            None => Arc::clone(
                &self
                    .tenants
                    .entry(key.clone())
                    .or_insert_with(|| Arc::new(Semaphore::new(CAP as usize))),
            ),
        };
        (tenant.try_acquire_owned().unwrap(), Arc::clone(&self.global).try_acquire_owned().unwrap())
    }
}

/// A bulkhead of `tower-resilience` for each tenant, around one for all. It has no permit to hold: a
/// call that is ready at once is the pair.
struct Bulkheads<K> {
    tenants: DashMap<K, Bulkhead<Bulkhead<Done>>>,
    global: Bulkhead<Done>,
    /// Its wait has a timeout, which needs one.
    runtime: Runtime,
}

#[derive(Clone)]
struct Done;

impl Service<()> for Done {
    type Response = ();
    type Error = std::io::Error;
    type Future = Ready<Result<(), std::io::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

impl<K: Eq + Hash + Clone> Bulkheads<K> {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        Self { tenants: DashMap::new(), global: bulkhead(GLOBAL, Done), runtime }
    }
}

fn bulkhead<S>(most: u32, inner: S) -> Bulkhead<S> {
    use tower_layer::Layer;
    let layer =
        BulkheadLayer::builder().max_concurrent_calls(most as usize).reject_when_full().build();
    layer.unwrap().layer(inner)
}

impl<K: Eq + Hash + Clone> Pair<K> for Bulkheads<K> {
    type Held = ();

    fn around(&self) -> Option<EnterGuard<'_>> {
        Some(self.runtime.enter())
    }

    fn take(&self, key: &K) {
        let mut service = match self.tenants.get(key) {
            Some(service) => service.clone(),
            None => self
                .tenants
                .entry(key.clone())
                .or_insert_with(|| bulkhead(CAP, self.global.clone()))
                .clone(),
        };
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        assert!(pin!(service.call(())).poll(&mut cx).is_ready());
    }
}

fn limiter<K: Eq + Hash + Clone>(limit: Limit) -> ConcurrencyLimiter<K> {
    let sharing = Sharing::DEFAULT;
    let builder = ConcurrencyLimiter::builder().global(limit).sharing(sharing);
    builder.keyed_by().build().unwrap()
}

fn fixed<K: Eq + Hash + Clone>() -> ConcurrencyLimiter<K> {
    limiter(Limit::fixed(GLOBAL))
}

fn text_ids() -> Vec<TenantId> {
    order().map(|number| TenantId::new(&format!("tenant-{number:07}")).unwrap()).collect()
}

fn number_ids() -> Vec<u64> {
    order().map(|number| number as u64).collect()
}

/// Each number once, far from its neighbours: a multiplier that shares no factor with their count.
fn order() -> impl Iterator<Item = usize> {
    (0..TENANTS).map(|at| at * 618_033 % TENANTS)
}

/// What a pair is made of. Nothing here waits for another processor: these are the least they cost.
fn parts() {
    println!("{:<52}{:>9}", "parts, one thread", "ns");
    let (count, lock, shared) = (AtomicU64::new(0), Mutex::new(0_u64), Arc::new(0_u64));
    let (text, folded, stock) =
        (TenantId::new("acme").unwrap(), Folded::default(), RandomState::new());
    part("a locked operation: fetch_add", || _ = count.fetch_add(1, Ordering::AcqRel));
    part("a compare-and-swap, after its load", || {
        let seen = count.load(Ordering::Relaxed);
        _ = count.compare_exchange_weak(seen, seen + 1, Ordering::AcqRel, Ordering::Relaxed);
    });
    part("a mutex locked and unlocked (2 locked operations)", || *lock.lock().unwrap() += 1);
    part("an Arc cloned and dropped (2 locked operations)", || {
        drop(black_box(Arc::clone(&shared)));
    });
    part("a text id hashed, foldhash", || _ = black_box(folded.hash_one(black_box(&text))));
    part("a text id compared", || _ = black_box(black_box(&text) == black_box(&text)));
    part("a text id as text", || _ = black_box(black_box(&text).as_str()));
    part("a u64 hashed, foldhash", || _ = black_box(folded.hash_one(black_box(7_u64))));
    part("a text id hashed, SipHash", || _ = black_box(stock.hash_one(black_box(&text))));
}

fn part(name: &str, mut run: impl FnMut()) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = on_cpu();
            (0..PAIRS).for_each(|_| run());
            nanos_each(start)
        })
        .collect();
    println!("{name:<52}{:>9.1}", median(&mut rounds));
}

fn hot() {
    let acme = [TenantId::new("acme").unwrap()];
    let learns = Gradient2::between(GLOBAL, GLOBAL);
    let contenders: [Contender<'_, TenantId>; 5] = [
        (RIVAL, &Semaphores::new()),
        ("tower-resilience in a DashMap", &Bulkheads::new()),
        ("tenantkit", &fixed()),
        ("tenantkit, near the limit", &limiter(Limit::fixed(2))),
        ("tenantkit, adaptive", &limiter(Limit::gradient2(learns))),
    ];
    race("hot, text ids", &contenders, &acme);
    let contenders: [Contender<'_, u64>; 2] =
        [(RIVAL, &Semaphores::new()), ("tenantkit", &fixed())];
    race("hot, u64 ids", &contenders, &[7]);
}

fn uniform() {
    let texts = text_ids();
    let (semaphores, bulkheads) = (Semaphores::new(), Bulkheads::new());
    texts.iter().for_each(|key| drop(semaphores.take(key)));
    let around = Pair::<TenantId>::around(&bulkheads);
    texts.iter().for_each(|key| bulkheads.take(key));
    drop(around);
    let contenders: [Contender<'_, TenantId>; 3] = [
        (RIVAL, &semaphores),
        ("tower-resilience in a DashMap", &bulkheads),
        ("tenantkit", &fixed()),
    ];
    race("uniform, text ids", &contenders, &texts);
    let (numbers, semaphores) = (number_ids(), Semaphores::new());
    numbers.iter().for_each(|key| drop(semaphores.take(key)));
    let contenders: [Contender<'_, u64>; 2] = [(RIVAL, &semaphores), ("tenantkit", &fixed())];
    race("uniform, u64 ids", &contenders, &numbers);
}

fn all_busy() {
    all_busy_ids("all busy, text ids", &text_ids());
    all_busy_ids("all busy, u64 ids", &number_ids());
}

fn all_busy_ids<K: Eq + Hash + Clone + Send + Sync>(name: &str, keys: &[K]) {
    let (ours, semaphores) = (fixed(), Semaphores::new());
    let held: Vec<_> = keys.iter().map(|key| (ours.take(key), semaphores.take(key))).collect();
    race(name, &[(RIVAL, &semaphores), ("tenantkit", &ours)], keys);
    drop(held);
}

fn two_threads() {
    let keys = [TenantId::new("acme").unwrap(), TenantId::new("globex").unwrap()];
    let contenders: [Contender<'_, TenantId>; 4] = [
        (RIVAL, &Semaphores::new()),
        ("tower-resilience in a DashMap", &Bulkheads::new()),
        ("tenantkit", &fixed()),
        ("tenantkit, near the limit", &limiter(Limit::fixed(4))),
    ];
    let round = |contender: &dyn Timed<TenantId>| {
        let barrier = Barrier::new(keys.len());
        thread::scope(|scope| {
            let run = |key| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    contender.round(std::slice::from_ref(key))
                })
            };
            let threads: Vec<_> = keys.iter().map(run).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).fold(0.0, f64::max)
        })
    };
    report("two threads, text ids", &contenders, round);
}

/// The one that all are compared with.
const RIVAL: &str = "tokio semaphores in a DashMap";

type Contender<'c, K> = (&'c str, &'c dyn Timed<K>);

trait Timed<K>: Sync {
    /// Nanoseconds a pair.
    fn round(&self, keys: &[K]) -> f64;
}

impl<K, P: Pair<K> + Sync> Timed<K> for P {
    fn round(&self, keys: &[K]) -> f64 {
        let _around = self.around();
        let mut at = 0;
        let start = on_cpu();
        for _ in 0..PAIRS {
            let key = &keys[at];
            at = if at + 1 == keys.len() { 0 } else { at + 1 };
            drop(black_box(self.take(black_box(key))));
        }
        nanos_each(start)
    }
}

fn race<K>(name: &str, contenders: &[Contender<'_, K>], keys: &[K]) {
    report(name, contenders, |contender| contender.round(keys));
}

fn report<K>(name: &str, contenders: &[Contender<'_, K>], round: impl Fn(&dyn Timed<K>) -> f64) {
    println!("{name:<52}{:>9}{:>14}", "ns", "of tokio's");
    let all = |_| contenders.iter().map(|(_, it)| round(*it)).collect();
    let rounds: Vec<Vec<f64>> = (0..ROUNDS).map(all).collect();
    for (at, (contender, _)) in contenders.iter().enumerate() {
        let took = median(&mut rounds.iter().map(|round| round[at]).collect::<Vec<_>>());
        // Each round's own ratio, because the machine changes between rounds.
        let of = median(&mut rounds.iter().map(|round| round[at] / round[0]).collect::<Vec<_>>());
        println!("  {contender:<50}{took:>9.1}{of:>14.2}");
    }
}

fn median(all: &mut [f64]) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn nanos_each(start: f64) -> f64 {
    (on_cpu() - start) * 1e9 / f64::from(u32::try_from(PAIRS).unwrap())
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
