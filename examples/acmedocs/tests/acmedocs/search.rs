//! Search follows the documents by way of Kafka: here librdkafka's mock cluster in this process, or the
//! brokers that the environment names.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use acmedocs::{
    Config,
    replay::{Asked, replay},
    start,
};
use demo::{
    Acmedocs, Edge, Setup, Teller, World, issuer,
    kafka::Brokers,
    search::{backlog, found, search, write},
};
use hyper::{Method, StatusCode};
use sqlx::{Connection, PgConnection};

const PATIENCE: Duration = Duration::from_secs(60);

async fn world() -> World {
    World::of(Setup::default().kafka(Brokers::Embedded), Acmedocs::InProcess).await.unwrap()
}

async fn call(edge: &Edge, world: &World, method: Method, path: &str, body: &str) -> demo::Answer {
    let bearer = format!("Bearer {}", world.idp.bearer("acme", "alice", issuer::now()));
    let body = (!body.is_empty()).then_some(body);
    edge.call(method, path, &[("authorization", &bearer)], body).await.unwrap()
}

/// Writes a document of acme's, and gives its path.
async fn create(world: &World, title: &str) -> String {
    let body = format!(r#"{{"title":"{title}","body":"and its body"}}"#);
    let created = call(&world.edge, world, Method::POST, "/v1/documents", &body).await;
    assert_eq!(created.status, 201, "{created}");
    format!("/v1/documents/{}", created.member("id"))
}

/// Until everything that was told is indexed, or a dead letter.
async fn settled(world: &World) {
    let start = Instant::now();
    while world.kafka.as_ref().unwrap().lag().await.unwrap() > 0 {
        assert!(start.elapsed() < PATIENCE, "changes wait for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn is_empty(answer: &str) -> bool {
    answer == r#"200 {"documents":[]}"#
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_writes_changes_and_deletes_is_found_by_it_and_by_nobody_else() {
    let world = world().await;
    let path = create(&world, "Merger plan").await;
    found(&world, "acme", "merger").await.unwrap().expect("it is found by its title");
    assert!(search(&world, "acme", "body%20PLAN").await.unwrap().contains("Merger plan"));
    assert!(is_empty(&search(&world, "acme", "merger%20sesame").await.unwrap()));
    assert!(is_empty(&search(&world, "globex", "merger").await.unwrap()));

    call(&world.edge, &world, Method::PUT, &path, r#"{"title":"Takeover"}"#).await;
    found(&world, "acme", "takeover").await.unwrap().expect("it is found as it is now");
    assert!(is_empty(&search(&world, "acme", "merger").await.unwrap()));

    call(&world.edge, &world, Method::DELETE, &path, "").await;
    settled(&world).await;
    assert!(is_empty(&search(&world, "acme", "takeover").await.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_change_overwrites_nothing_newer_and_brings_nothing_back() {
    let world = world().await;
    // What is written first cannot be indexed, and comes last.
    let constraint = "ALTER TABLE search ADD CONSTRAINT wrong CHECK (title IS DISTINCT FROM 'Old')";
    world.database.execute(constraint).unwrap();
    let (changed, deleted) = (create(&world, "Old").await, create(&world, "Old").await);
    world.kafka.as_ref().unwrap().dead_letter("handler-failed").await.unwrap();
    call(&world.edge, &world, Method::PUT, &changed, r#"{"title":"New"}"#).await;
    call(&world.edge, &world, Method::DELETE, &deleted, "").await;
    found(&world, "acme", "new").await.unwrap().expect("what is newer is found");
    settled(&world).await;
    world.database.execute("ALTER TABLE search DROP CONSTRAINT wrong").unwrap();

    let config = Config::load(&world.folder().join("acmedocs.toml").to_string_lossy()).unwrap();
    let of = |arguments: &[&str]| {
        Asked::parse(arguments.iter().map(|argument| (*argument).to_owned())).unwrap()
    };
    let dry = replay(&config, of(&["--dry"])).await.unwrap();
    assert_eq!((dry.read, dry.replayed), (2, 2));
    let others = replay(&config, of(&["--tenant", "globex"])).await.unwrap();
    assert_eq!((others.replayed, others.others), (0, 2));
    let again = of(&["--tenant", "acme", "--reason", "handler-failed"]);
    assert_eq!(replay(&config, again).await.unwrap().replayed, 2);
    settled(&world).await;
    assert!(is_empty(&search(&world, "acme", "old").await.unwrap()));
    assert!(search(&world, "acme", "new").await.unwrap().contains("New"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_hangs_up_while_it_is_committed_loses_no_change() {
    let world = world().await;
    world.link.set_delay(Duration::from_millis(5));
    for at in 0..40 {
        let patience = Duration::from_millis(10 + 2 * at);
        let _ = tokio::time::timeout(patience, write(&world, "acme", "Hung up")).await;
    }
    world.link.set_delay(Duration::ZERO);
    write(&world, "acme", "last").await.unwrap();
    found(&world, "acme", "last").await.unwrap().unwrap();
    settled(&world).await;
    let mut admin = PgConnection::connect(&world.database.admin_url()).await.unwrap();
    assert_eq!(backlog(&mut admin, "acme").await.unwrap(), 0, "documents that nobody was told of");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_kafka_nothing_is_told_and_a_search_says_so() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    create(&world, "Merger plan").await;
    let answer = call(&world.edge, &world, Method::GET, "/v1/search?q=merger", "").await;
    assert_eq!(answer.status, StatusCode::NOT_IMPLEMENTED, "{answer}");
    let count = "DO $$ BEGIN ASSERT NOT EXISTS (SELECT FROM search); END $$";
    world.database.execute(count).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kafka_that_is_gone_fails_no_write() {
    let world = world().await;
    let mut config = Config::load(&world.folder().join("acmedocs.toml").to_string_lossy()).unwrap();
    config.kafka.as_mut().unwrap().brokers = "127.0.0.1:1".to_owned();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    config.edge.listen.set_port(0);
    config.documents.listen = free;
    config.edge.documents_url = format!("http://{free}");
    let started = start(&config).await.unwrap();
    let edge = Edge::at(started.edge);
    let written = call(&edge, &world, Method::POST, "/v1/documents", r#"{"title":"it"}"#).await;
    assert_eq!(written.status, 201, "{written}");
    let answer = call(&edge, &world, Method::GET, "/v1/search?q=it", "").await;
    assert!(is_empty(&answer.to_string()), "{answer}");
    drop(edge);
    started.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_screen_that_the_demonstration_shows_is_as_promised() {
    let world = World::of(Setup::default().kafka(Brokers::Embedded), Acmedocs::Process);
    let (world, mut teller) = (world.await.unwrap(), Teller::default());
    demo::search::tell(&world, &mut teller).await.unwrap();
    let (told, broken) = teller.end();
    assert!(told > 10 && broken == 0, "{broken} of {told} lines were not as promised");
}
