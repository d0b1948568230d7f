//! A pair of permits, the tenant's and the global one, taken and given back, beside what one would use
//! instead.
//!
//! `cargo bench -p tenantkit-limit --bench concurrency` prints criterion's figures, in groups whose
//! members are to be compared with each other: absolute figures swing with the machine, ratios in one
//! run hold. The keys stand in the order of access before it begins; to hash and to compare them is in
//! the timed region, as is a tenant's cap.
//!
//! - *hot*: always the same tenant.
//! - *uniform*: one of a million tenants, of whom nobody else has a permit.
//! - *uniform, all busy*: one of a million tenants, each of whom holds a permit already.
//! - *two threads*: each its own tenant, so that only what is common is shared. Time is per pair and
//!   thread.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{
    future::{Future, Ready, ready},
    hash::Hash,
    hint::black_box,
    pin::pin,
    sync::{Arc, Barrier},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use dashmap::DashMap;
use tenantkit_core::TenantId;
use tenantkit_limit::concurrency::{Cap, ConcurrencyLimiter, Gradient2, Limit, Sharing};
use tokio::{
    runtime::{EnterGuard, Runtime},
    sync::{OwnedSemaphorePermit, Semaphore},
};
use tower_resilience_bulkhead::{Bulkhead, BulkheadLayer};
use tower_service::Service;

criterion_group!(benches, hot, uniform, all_busy, two_threads);
criterion_main!(benches);

const TENANTS: usize = 1_000_000;
/// Above what is ever held here, so that nothing is refused.
const GLOBAL: u32 = 4_000_000;
const CAP: u32 = 16;

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

fn hot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hot");
    let acme = [TenantId::new("acme").unwrap()];
    bench(&mut group, "tenantkit, text ids", &fixed(), &acme);
    bench(&mut group, "tenantkit, u64 ids", &fixed(), &[7_u64]);
    let learns = Gradient2::between(GLOBAL, GLOBAL);
    bench(&mut group, "tenantkit, text ids, adaptive", &limiter(Limit::gradient2(learns)), &acme);
    bench(&mut group, "tokio semaphores in a DashMap, text ids", &Semaphores::new(), &acme);
    bench(&mut group, "tower-resilience in a DashMap, text ids", &Bulkheads::new(), &acme);
}

fn uniform(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("uniform");
    let (texts, numbers) = (text_ids(), number_ids());
    bench(&mut group, "tenantkit, text ids", &fixed(), &texts);
    bench(&mut group, "tenantkit, u64 ids", &fixed(), &numbers);
    let semaphores = Semaphores::new();
    texts.iter().for_each(|key| drop(semaphores.take(key)));
    bench(&mut group, "tokio semaphores in a DashMap, text ids", &semaphores, &texts);
    drop(semaphores);
    let bulkheads = Bulkheads::new();
    let _around = Pair::<TenantId>::around(&bulkheads);
    texts.iter().for_each(|key| bulkheads.take(key));
    bench(&mut group, "tower-resilience in a DashMap, text ids", &bulkheads, &texts);
}

fn all_busy(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("uniform, all busy");
    let (texts, numbers) = (text_ids(), number_ids());
    let ours = fixed();
    let held: Vec<_> = texts.iter().map(|key| ours.take(key)).collect();
    bench(&mut group, "tenantkit, text ids", &ours, &texts);
    drop((held, ours));
    let ours = fixed();
    let held: Vec<_> = numbers.iter().map(|key| ours.take(key)).collect();
    bench(&mut group, "tenantkit, u64 ids", &ours, &numbers);
    drop((held, ours));
    let semaphores = Semaphores::new();
    let held: Vec<_> = texts.iter().map(|key| semaphores.take(key)).collect();
    bench(&mut group, "tokio semaphores in a DashMap, text ids", &semaphores, &texts);
    drop((held, semaphores));
}

fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("two threads");
    let keys = [TenantId::new("acme").unwrap(), TenantId::new("globex").unwrap()];
    bench_threads(&mut group, "tenantkit, text ids", &fixed(), &keys);
    bench_threads(&mut group, "tokio semaphores in a DashMap, text ids", &Semaphores::new(), &keys);
    bench_threads(&mut group, "tower-resilience in a DashMap, text ids", &Bulkheads::new(), &keys);
}

fn bench<K, P: Pair<K>>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    pair: &P,
    keys: &[K],
) {
    let _around = pair.around();
    let mut at = 0;
    group.bench_function(name, |bencher| {
        bencher.iter(|| {
            let key = &keys[at];
            at = if at + 1 == keys.len() { 0 } else { at + 1 };
            drop(black_box(pair.take(black_box(key))));
        });
    });
}

fn bench_threads<K: Sync, P: Pair<K> + Sync>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    pair: &P,
    keys: &[K],
) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let barrier = Barrier::new(keys.len());
            std::thread::scope(|scope| {
                let run = |key| {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        let _around = pair.around();
                        barrier.wait();
                        let began = Instant::now();
                        for _ in 0..rounds {
                            drop(black_box(pair.take(black_box(key))));
                        }
                        began.elapsed()
                    })
                };
                let threads: Vec<_> = keys.iter().map(run).collect();
                let times = threads.into_iter().map(|thread| thread.join().unwrap());
                times.max().unwrap_or(Duration::ZERO)
            })
        });
    });
}
