//! What a breaker costs a call while all is well, beside what one would use instead.
//!
//! `cargo bench -p tenantkit-limit --bench breaker` prints criterion's figures, in groups whose members
//! are to be compared with each other: absolute figures swing with the machine, ratios in one run hold.
//! Time is time on a processor, so that whoever else wants one does not count.
//! The keys stand in the order of access before it begins; to hash and to compare them is in the timed
//! region, and so is the clock.
//!
//! - *check*: may the call go out? What became of it is not told.
//! - *hot*: a check, and that the call succeeded; always the same tenant.
//! - *uniform*: the same, one of a hundred thousand tenants.
//! - *another fails*: the same, while another tenant has a circuit of its own.
//! - *two threads*: each its own tenant. Time is per call and thread.
//!
//! The others are breakers for one dependency, so each tenant has one, in a map that nothing is removed
//! from.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed bench")]

use std::{
    fs,
    future::{Ready, ready},
    hint::black_box,
    io,
    pin::pin,
    sync::{Arc, Barrier},
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use dashmap::DashMap;
use recloser::Recloser;
use tenantkit_core::{SystemClock, TenantId};
use tenantkit_limit::breaker::{Breaker, BreakerPolicy};
use tower_layer::Layer;
use tower_resilience_circuitbreaker::{CircuitBreaker, CircuitBreakerLayer, DefaultClassifier};
use tower_service::Service;

criterion_group!(benches, check, hot, uniform, another_fails, two_threads);
criterion_main!(benches);

const TENANTS: usize = 100_000;

/// One of the breakers that are compared.
trait Breaks: Sync {
    /// Asks, and says that the call succeeded.
    fn succeed(&self, tenant: &TenantId);
}

impl Breaks for Breaker {
    fn succeed(&self, tenant: &TenantId) {
        self.call(tenant).unwrap().succeeded();
    }
}

/// One for all, without a key: the least that a rival can cost.
impl Breaks for Recloser {
    fn succeed(&self, _: &TenantId) {
        self.call(|| Ok::<_, ()>(())).unwrap();
    }
}

#[derive(Default)]
struct Reclosers(DashMap<TenantId, Arc<Recloser>>);

impl Breaks for Reclosers {
    fn succeed(&self, tenant: &TenantId) {
        let known = self.0.get(tenant).map(|it| Arc::clone(&it));
        let breaker = known.unwrap_or_else(|| Arc::clone(&self.0.entry(*tenant).or_default()));
        breaker.call(|| Ok::<_, ()>(())).unwrap();
    }
}

/// Of `tower-resilience`. It has no check to hold: a call that is ready at once stands for it.
#[derive(Default)]
struct TowerResilience(DashMap<TenantId, CircuitBreaker<Done, DefaultClassifier>>);

#[derive(Clone)]
struct Done;

impl Service<()> for Done {
    type Response = ();
    type Error = io::Error;
    type Future = Ready<io::Result<()>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, (): ()) -> Self::Future {
        ready(Ok(()))
    }
}

impl Breaks for TowerResilience {
    fn succeed(&self, tenant: &TenantId) {
        let make = || CircuitBreakerLayer::builder().build().unwrap().layer(Done);
        let known = self.0.get(tenant).map(|it| it.clone());
        let mut service =
            known.unwrap_or_else(|| self.0.entry(*tenant).or_insert_with(make).clone());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut cx).is_ready());
        assert!(pin!(service.call(())).poll(&mut cx).is_ready());
    }
}

fn breaker() -> Breaker {
    Breaker::new(BreakerPolicy::default(), Arc::new(SystemClock::new()))
}

fn tenant(number: usize) -> TenantId {
    TenantId::new(&format!("tenant-{number:07}")).unwrap()
}

fn check(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("check");
    let (breaker, acme) = (breaker(), tenant(1));
    group.bench_function("tenantkit", |bench| {
        bench
            .iter_custom(|times| on_cpu(times, || drop(black_box(breaker.call(black_box(&acme))))));
    });
}

fn hot(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hot");
    let acme = [tenant(1)];
    bench(&mut group, "tenantkit", &breaker(), &acme);
    bench(&mut group, "recloser, one for all", &Recloser::default(), &acme);
    bench(&mut group, "recloser in a DashMap", &Reclosers::default(), &acme);
    bench(&mut group, "tower-resilience in a DashMap", &TowerResilience::default(), &acme);
}

fn uniform(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("uniform");
    // Each once, far from its neighbours.
    let tenants: Vec<_> = (0..TENANTS).map(|at| tenant(at * 61_803 % TENANTS)).collect();
    bench(&mut group, "tenantkit", &breaker(), &tenants);
    bench(&mut group, "recloser in a DashMap", &Reclosers::default(), &tenants);
    bench(&mut group, "tower-resilience in a DashMap", &TowerResilience::default(), &tenants);
}

fn another_fails(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("another fails");
    let policy = BreakerPolicy::builder();
    // Open for as long as this takes.
    let policy = policy.open_for(Duration::from_secs(3600)).open_at_most(Duration::from_secs(3600));
    let breaker = Breaker::new(policy.build().unwrap(), Arc::new(SystemClock::new()));
    while let Ok(call) = breaker.call(&tenant(2)) {
        call.failed();
    }
    bench(&mut group, "tenantkit", &breaker, &[tenant(1)]);
}

fn two_threads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("two threads");
    bench_threads(&mut group, "tenantkit", &breaker());
    bench_threads(&mut group, "recloser, one for all", &Recloser::default());
    bench_threads(&mut group, "recloser in a DashMap", &Reclosers::default());
    bench_threads(&mut group, "tower-resilience in a DashMap", &TowerResilience::default());
}

fn bench<B: Breaks>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    breaker: &B,
    tenants: &[TenantId],
) {
    let mut at = 0;
    group.bench_function(name, |bench| {
        bench.iter_custom(|times| {
            on_cpu(times, || {
                breaker.succeed(black_box(&tenants[at]));
                at = if at + 1 == tenants.len() { 0 } else { at + 1 };
            })
        });
    });
}

fn bench_threads<B: Breaks>(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, breaker: &B) {
    group.bench_function(name, |bench| {
        bench.iter_custom(|times| {
            let begin = Barrier::new(2);
            let run = |tenant: TenantId| {
                begin.wait();
                on_cpu(times, || breaker.succeed(black_box(&tenant)))
            };
            thread::scope(|scope| {
                let other = scope.spawn(|| run(tenant(2)));
                let own = run(tenant(1));
                (own + other.join().unwrap()) / 2
            })
        });
    });
}

/// How long this thread was on a processor for so many times; where that is not told, how long it took.
fn on_cpu(times: u64, mut work: impl FnMut()) -> Duration {
    let told = || {
        // Told when the thread gives way; otherwise as of the last tick.
        thread::yield_now();
        let told = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        told.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    let (start, before) = (Instant::now(), told());
    (0..times).for_each(|_| work());
    let on_cpu = before.zip(told()).map(|(before, after)| after.saturating_sub(before));
    on_cpu.unwrap_or_else(|| start.elapsed())
}
