//! A game day, `retry storm`: a dependency fails every call of one tenant, whose clients try again as
//! hard as they may. The load grows by a fifth at most, and another tenant does not notice.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::body::Body;
use http::{Request, Response};
use tenantkit_core::{Clock, TenantContext, UnixTime};
use tenantkit_grpc::{
    BoxError,
    limit::client::{BreakerLayer, RetryLayer},
};
use tenantkit_limit::{
    breaker::{Breaker, BreakerPolicy},
    retry::{RetryBudget, RetryPolicy},
};
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

use crate::world::World;

const LATENCY: Duration = Duration::from_millis(5);
const FOR: Duration = Duration::from_secs(60);
/// Each tenant begins so many calls a second, whether earlier ones have ended or not.
const RATE: u32 = 50;

/// The clock of the paused runtime.
#[derive(Debug)]
struct Paused(Instant);

impl Clock for Paused {
    fn now(&self) -> UnixTime {
        UnixTime::from_secs(1_800_000_000).saturating_add(self.monotonic())
    }

    fn monotonic(&self) -> Duration {
        self.0.elapsed()
    }
}

/// How often the dependency was called, for each tenant.
type Load = Arc<Mutex<HashMap<String, u32>>>;

fn dependency(
    load: &Load,
) -> impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Clone + use<>
{
    let load = Arc::clone(load);
    service_fn(move |_: Request<Body>| {
        let whose = crate::world::current().unwrap();
        *load.lock().unwrap().entry(whose.clone()).or_default() += 1;
        async move {
            sleep(LATENCY).await;
            let status = if whose == "acme" { 503 } else { 200 };
            Ok(Response::builder().status(status).body(Body::empty()).unwrap())
        }
    })
}

#[derive(Debug, Default)]
struct Seen {
    failed: u32,
    refused: u32,
    slowest: Duration,
}

/// Calls at a steady rate, and says how it went.
async fn run<S, B>(client: S, whose: TenantContext) -> Seen
where
    S: Service<Request<Body>, Response = Response<B>, Error: Send, Future: Send>
        + Clone
        + Send
        + 'static,
    B: Send + 'static,
{
    let start = Instant::now();
    let calls: Vec<_> = (0..RATE * u32::try_from(FOR.as_secs()).unwrap())
        .map(|number| {
            let client = client.clone();
            let work = whose.scope(async move {
                sleep_until(start + Duration::from_secs(1) * number / RATE).await;
                let begun = Instant::now();
                let request = Request::get("http://search.internal/").body(Body::empty()).unwrap();
                let answer = client.oneshot(request).await;
                (answer.map(|it| it.status().as_u16()).ok(), begun.elapsed())
            });
            tokio::spawn(work.unwrap())
        })
        .collect();
    let mut seen = Seen::default();
    for call in calls {
        let (status, took) = call.await.unwrap();
        seen.failed += u32::from(status == Some(503));
        seen.refused += u32::from(status.is_none());
        seen.slowest = seen.slowest.max(took);
    }
    seen
}

struct Drill {
    acme: Seen,
    globex: Seen,
    load: HashMap<String, u32>,
}

async fn drill(with_breaker: bool) -> Drill {
    let world = World::new();
    let clock: Arc<dyn Clock> = Arc::new(Paused(Instant::now()));
    let policy = RetryPolicy::builder().max_attempts(10).build().unwrap();
    let budget = RetryBudget::builder().reserve(0).build(Arc::clone(&clock)).unwrap();
    let retry = RetryLayer::new(&world.authority, policy, Arc::new(budget));
    let breaker = Breaker::new(BreakerPolicy::default(), clock);
    let breaker = with_breaker.then(|| BreakerLayer::new(&world.authority, breaker));
    let load = Load::default();
    let client = ServiceBuilder::new().layer(retry);
    let (acme, globex) = (world.context("acme"), world.context("globex"));
    let (acme, globex) = match breaker {
        Some(breaker) => {
            let client = client.layer(breaker).service(dependency(&load));
            tokio::join!(run(client.clone(), acme), run(client, globex))
        }
        None => {
            let client = client.service(dependency(&load));
            tokio::join!(run(client.clone(), acme), run(client, globex))
        }
    };
    let load = load.lock().unwrap().clone();
    Drill { acme, globex, load }
}

const CALLS: u32 = RATE * 60;

#[tokio::test(start_paused = true)]
async fn clients_that_try_again_add_a_fifth_to_the_load_and_another_tenant_does_not_notice() {
    let Drill { acme, globex, load } = drill(false).await;
    assert!(load["acme"] <= CALLS * 12 / 10, "{load:?}");
    assert!(load["acme"] >= CALLS * 115 / 100, "it was no storm: {load:?}");
    assert_eq!(acme.failed, CALLS);
    assert_eq!((load["globex"], globex.failed, globex.refused), (CALLS, 0, 0));
    assert_eq!(globex.slowest, LATENCY);
}

#[tokio::test(start_paused = true)]
async fn with_a_breaker_below_the_storm_is_over_and_another_tenant_does_not_notice() {
    let Drill { acme, globex, load } = drill(true).await;
    assert!(load["acme"] < CALLS / 20, "{load:?}");
    assert_eq!(acme.failed + acme.refused, CALLS);
    assert_eq!((load["globex"], globex.failed, globex.refused), (CALLS, 0, 0));
    assert_eq!(globex.slowest, LATENCY);
}
