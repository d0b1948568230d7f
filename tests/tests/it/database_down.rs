//! Postgres that ends, hangs, is cut off and comes back, while many tenants are at work.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use acmedocs::proto::ListRequest;
use demo::{Acmedocs, Edge, Setup, World, issuer};
use hyper::Method;
use tokio::task::JoinSet;
use tonic::{Code, Request};
use tonic_types::StatusExt;

use crate::support::{
    DOCUMENTS, bearer, eventually, nothing_is_left_open, titles, world_of, write,
};

const TENANTS: usize = 8;

fn tenant(at: usize) -> String {
    format!("t{at}")
}

/// Tenants that write and list through the edge until they are told to stop.
struct Hammer {
    stop: Arc<AtomicBool>,
    answers: Arc<Mutex<BTreeMap<u16, usize>>>,
    served: Arc<AtomicUsize>,
    callers: JoinSet<()>,
}

impl Hammer {
    fn start(world: &Arc<World>) -> Self {
        let mut hammer = Self {
            stop: Arc::default(),
            answers: Arc::default(),
            served: Arc::default(),
            callers: JoinSet::new(),
        };
        for at in 0..TENANTS {
            let (world, stop) = (Arc::clone(world), Arc::clone(&hammer.stop));
            let (answers, served) = (Arc::clone(&hammer.answers), Arc::clone(&hammer.served));
            hammer.callers.spawn(async move {
                for number in 0.. {
                    if stop.load(SeqCst) {
                        return;
                    }
                    let status = call(&world, &tenant(at), number).await;
                    *answers.lock().unwrap().entry(status).or_default() += 1;
                    served.fetch_add(usize::from(status < 300), SeqCst);
                }
            });
        }
        hammer
    }

    /// Waits until so many more calls are served: it is all well again.
    async fn recovered(&self) {
        let goal = self.served.load(SeqCst) + 5 * TENANTS;
        eventually("served again", async || self.served.load(SeqCst) >= goal).await;
    }

    async fn refused(&self) {
        let refused = || self.answers.lock().unwrap().get(&503).copied().unwrap_or_default();
        let before = refused();
        eventually("refused", async || refused() > before).await;
    }

    async fn stop(mut self) -> BTreeMap<u16, usize> {
        self.stop.store(true, SeqCst);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        std::mem::take(&mut self.answers.lock().unwrap())
    }
}

/// One call of this tenant, whose answer is its own or a refusal that is as documented.
async fn call(world: &World, tenant: &str, number: usize) -> u16 {
    let bearer = bearer(world, tenant);
    let headers = [("authorization", bearer.as_str())];
    let answer = if number.is_multiple_of(3) {
        let body = format!(r#"{{"title":"of {tenant}!"}}"#);
        world.edge.call(Method::POST, DOCUMENTS, &headers, Some(&body)).await.unwrap()
    } else {
        world.edge.call(Method::GET, DOCUMENTS, &headers, None).await.unwrap()
    };
    match answer.status.as_u16() {
        200 | 201 => {
            let own = answer.body.matches(&format!("of {tenant}!")).count();
            assert_eq!(answer.body.matches("of t").count(), own, "{tenant} sees another's");
        }
        503 => {
            assert_eq!(answer.headers["retry-after"], "1", "{answer}");
            assert_eq!(answer.headers["cache-control"], "no-store", "{answer}");
            assert_eq!(answer.member("type"), "urn:tenantkit:overloaded", "{answer}");
        }
        _ => panic!("{tenant}: {answer}"),
    }
    answer.status.as_u16()
}

fn many() -> Setup {
    Setup::default().tenants((0..TENANTS).map(tenant)).max_connections(4)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_ends_and_comes_back_costs_refusals_and_nothing_else() {
    let setup = many().on_its_own_postgres();
    let world = Arc::new(World::of(setup, Acmedocs::InProcess).await.unwrap());
    let postgres = world.postgres.as_ref().unwrap();
    let hammer = Hammer::start(&world);
    hammer.recovered().await;

    postgres.restart().unwrap();
    hammer.recovered().await;

    postgres.stop().unwrap();
    hammer.refused().await;
    postgres.restart().unwrap();
    hammer.recovered().await;

    postgres.pause().unwrap();
    hammer.refused().await;
    postgres.resume().unwrap();
    hammer.recovered().await;

    let answers = hammer.stop().await;
    assert!(answers.keys().all(|status| matches!(status, 200 | 201 | 503)), "{answers:?}");
    nothing_is_left_open(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_breaks_again_and_again_shows_nobody_anothers_rows() {
    let world = Arc::new(world_of(many()).await);
    let hammer = Hammer::start(&world);
    world.link.set_delay(Duration::from_millis(1));
    for _ in 0..10 {
        world.link.cut();
        hammer.recovered().await;
    }
    hammer.stop().await;
    nothing_is_left_open(&world).await;
    for at in 0..TENANTS {
        let own = format!("of {}!", tenant(at));
        assert!(titles(&world, &tenant(at)).await.iter().all(|title| *title == own));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_while_they_were_idle_cost_no_refusal() {
    let world = world_of(Setup::default()).await;
    write(&world, "acme", "Merger plan").await;
    world.link.cut();
    assert_eq!(titles(&world, "acme").await, ["Merger plan"]);
    world.link.cut();
    write(&world, "acme", "Second plan").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_grpc_it_is_unavailable_with_how_long_to_wait() {
    let world = world_of(Setup::default()).await;
    write(&world, "acme", "Merger plan").await;
    world.link.refuse();
    world.link.cut();
    let mut documents = world.documents().await.unwrap();
    let token = world.services.txn_token("acme", "alice", issuer::now());
    let request = || {
        let mut request = Request::new(ListRequest::default());
        request.metadata_mut().insert("txn-token", token.parse().unwrap());
        request
    };
    let status = documents.list(request()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    let wait = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(wait, Some(Duration::from_secs(1)));
    assert_eq!(status.get_details_error_info().unwrap().reason, "OVERLOADED");

    world.link.accept().unwrap();
    // Found out within a second.
    let listed = async || {
        let listed = documents.clone().list(request()).await;
        listed.is_ok_and(|listed| listed.into_inner().documents.len() == 1)
    };
    eventually("served again", listed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starved_pool_refuses_and_recovers() {
    let world = Arc::new(world_of(many().max_connections(1)).await);
    // Nobody is answered in time: one holds the connection, and the others wait for it in vain.
    world.link.set_delay(Duration::from_secs(4));
    let calls = (0..TENANTS).map(|at| {
        let world = Arc::clone(&world);
        async move { call(&world, &tenant(at), 1).await }
    });
    let statuses = calls.collect::<JoinSet<_>>().join_all().await;
    assert!(statuses.contains(&503), "{statuses:?}");
    world.link.set_delay(Duration::ZERO);
    let recovered = async || call(&world, "t0", 1).await == 200;
    eventually("served again", recovered).await;
    nothing_is_left_open(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_has_no_connection_left_refuses_and_recovers() {
    let world = Arc::new(world_of(many()).await);
    let role = &world.serving_role;
    world.database.execute(format!("ALTER ROLE {role} CONNECTION LIMIT 0")).unwrap();
    world.link.cut();
    let hammer = Hammer::start(&world);
    hammer.refused().await;
    world.database.execute(format!("ALTER ROLE {role} CONNECTION LIMIT -1")).unwrap();
    hammer.recovered().await;
    hammer.stop().await;
    nothing_is_left_open(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_documents_service_that_is_not_there_is_as_unavailable_as_a_database() {
    let world = world_of(Setup::default()).await;
    let file = world.folder().join("acmedocs.toml");
    let mut config = acmedocs::Config::load(&file.to_string_lossy()).unwrap();
    config.edge.listen.set_port(0);
    config.documents.listen.set_port(0);
    config.edge.documents_url = "http://127.0.0.1:1".to_owned();
    let started = acmedocs::start(&config).await.unwrap();
    let bearer = bearer(&world, "acme");
    let headers = [("authorization", bearer.as_str())];
    let answer = Edge::at(started.edge).call(Method::GET, DOCUMENTS, &headers, None).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status, 503, "{answer}");
    assert_eq!(answer.headers["retry-after"], "1", "{answer}");
    assert_eq!(answer.headers["cache-control"], "no-store", "{answer}");
    started.stop().await.unwrap();
}
