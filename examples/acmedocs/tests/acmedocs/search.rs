//! Search follows the documents by way of Kafka: here librdkafka's mock cluster in this process, or the
//! brokers that the environment names.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use acmedocs::{
    Config, authority,
    indexer::NOT_A_CHANGE,
    replay::{Asked, replay},
    start,
};
use demo::{
    Acmedocs, Edge, Setup, Teller, World, issuer,
    kafka::{Brokers, Kafka},
    search::{NOTHING, backlog, found, search, write},
};
use hyper::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection, PgConnection};
use tenantkit::{Grant, Outgoing, Subject, TenantProducer, Text};

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

fn kafka(world: &World) -> &Kafka {
    world.kafka.as_ref().unwrap()
}

fn config(world: &World) -> Config {
    Config::load(&world.folder().join("acmedocs.toml").to_string_lossy()).unwrap()
}

/// Until everything that was told is indexed, or a dead letter.
async fn settled(world: &World) {
    let start = Instant::now();
    while kafka(world).lag().await.unwrap() > 0 {
        assert!(start.elapsed() < PATIENCE, "changes wait for ever");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn admin(world: &World) -> PgConnection {
    PgConnection::connect(&world.database.admin_url()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_tenant_writes_changes_and_deletes_is_found_by_it_and_by_nobody_else() {
    let world = world().await;
    let path = create(&world, "Merger plan").await;
    found(&world, "acme", "merger").await.unwrap().expect("it is found by its title");
    assert!(search(&world, "acme", "body%20PLAN").await.unwrap().contains("Merger plan"));
    assert_eq!(search(&world, "acme", "merger%20sesame").await.unwrap(), NOTHING);
    assert_eq!(search(&world, "globex", "merger").await.unwrap(), NOTHING);

    call(&world.edge, &world, Method::PUT, &path, r#"{"title":"Takeover"}"#).await;
    found(&world, "acme", "takeover").await.unwrap().expect("it is found as it is now");
    assert_eq!(search(&world, "acme", "merger").await.unwrap(), NOTHING);

    call(&world.edge, &world, Method::DELETE, &path, "").await;
    settled(&world).await;
    assert_eq!(search(&world, "acme", "takeover").await.unwrap(), NOTHING);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_change_overwrites_nothing_newer_and_brings_nothing_back() {
    let world = world().await;
    // What is written first cannot be indexed, and comes last.
    let constraint = "ALTER TABLE search ADD CONSTRAINT wrong CHECK (title IS DISTINCT FROM 'Old')";
    world.database.execute(constraint).unwrap();
    let (changed, deleted) = (create(&world, "Old").await, create(&world, "Old").await);
    kafka(&world).dead_letter("handler-failed").await.unwrap();
    call(&world.edge, &world, Method::PUT, &changed, r#"{"title":"New"}"#).await;
    call(&world.edge, &world, Method::DELETE, &deleted, "").await;
    found(&world, "acme", "new").await.unwrap().expect("what is newer is found");
    settled(&world).await;
    world.database.execute("ALTER TABLE search DROP CONSTRAINT wrong").unwrap();

    let config = config(&world);
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
    assert_eq!(search(&world, "acme", "old").await.unwrap(), NOTHING);
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
    let left = backlog(&mut admin(&world).await, "acme").await.unwrap();
    assert_eq!(left, 0, "documents that nobody was told of");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_committed_is_told_to_nobody() {
    let mut world = world().await;
    // Refused by the commit itself, after every statement has succeeded.
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN RAISE 'not today'; END $$;
        CREATE CONSTRAINT TRIGGER refuse AFTER INSERT OR UPDATE OR DELETE ON documents
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()";
    let path = create(&world, "Kept").await;
    world.database.execute(refuse).unwrap();
    assert_eq!(write(&world, "acme", "Refused").await.unwrap(), 500);
    let draft = r#"{"title":"Refused"}"#;
    let updated = call(&world.edge, &world, Method::PUT, &path, draft).await;
    let deleted = call(&world.edge, &world, Method::DELETE, &path, "").await;
    assert_eq!((updated.status.as_u16(), deleted.status.as_u16()), (500, 500));
    // What was told is with the brokers when it has stopped.
    world.restart(None).await.unwrap();
    assert_eq!(kafka(&world).records().await.unwrap(), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_being_committed_when_it_stops_is_told() {
    let setup = Setup::default().kafka(Brokers::Embedded);
    let mut world = World::of(setup, Acmedocs::Process).await.unwrap();
    world.link.set_delay(Duration::from_millis(50));
    let at_once = |patience| {
        let world = &world;
        let one = async move || tokio::time::timeout(patience, write(world, "acme", "it")).await;
        async move { drop(tokio::join!(one(), one(), one(), one(), one(), one())) }
    };
    // The connections are there, and it is known how long it takes.
    at_once(PATIENCE).await;
    let began = Instant::now();
    at_once(PATIENCE).await;
    // They hang up while the commit is on its way, or is answered.
    at_once(began.elapsed() - Duration::from_millis(50)).await;
    assert_eq!(world.terminate().await.unwrap().code(), Some(0));

    let count = "SELECT count(*) FROM documents";
    let written: i64 = sqlx::query_scalar(count).fetch_one(&mut admin(&world).await).await.unwrap();
    assert!(written > 12, "all of them hung up too early");
    assert_eq!(kafka(&world).records().await.unwrap(), (written, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_away_makes_no_dead_letters() {
    let world = world().await;
    create(&world, "Before").await;
    found(&world, "acme", "before").await.unwrap().expect("the indexer is there");
    let mut lock = admin(&world).await;
    let mut lock = lock.begin().await.unwrap();
    sqlx::query("LOCK TABLE search IN EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    create(&world, "Meanwhile").await;
    // More often than a record is tried for a fault of its own.
    let mut admin = admin(&world).await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE usename = $1 AND wait_event_type = 'Lock'";
    let (mut ended, start) = (0, Instant::now());
    while ended < 5 {
        assert!(start.elapsed() < PATIENCE, "it was tried {ended} times");
        let query = sqlx::query_scalar::<_, i64>(end).bind(&world.serving_role);
        ended += query.fetch_one(&mut admin).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lock.rollback().await.unwrap();
    found(&world, "acme", "meanwhile").await.unwrap().expect("it is indexed afterwards");
    assert_eq!(kafka(&world).records().await.unwrap(), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_no_change_is_a_dead_letter_and_holds_nothing_up() {
    let world = world().await;
    let config = config(&world);
    let authority = authority::documents(&config).unwrap();
    let name = |name: &str| Text::new(name).unwrap();
    let grant = Grant::new(
        Subject::new(name("acmedocs"), name("tests")),
        name("a record that is no change"),
        Duration::from_secs(60),
    );
    let work = authority.system_work(authority::MIGRATE, grant).await.unwrap();
    let tenant = work.for_tenant("acme".parse().unwrap()).await.unwrap();
    let brokers = &config.kafka.as_ref().unwrap().brokers;
    let producer = TenantProducer::connect(brokers, &authority).unwrap();
    let change = json!({ "change": "deleted", "id": "no UUID", "version": 1 }).to_string();
    let payloads: [Option<&[u8]>; 4] = [None, Some(b"\xff"), Some(b"{}"), Some(change.as_bytes())];
    for payload in payloads {
        let record = Outgoing::to(&kafka(&world).topic).key("it");
        let record = payload.into_iter().fold(record, Outgoing::payload);
        producer.send(&tenant, record).await.unwrap();
    }
    create(&world, "Behind it").await;
    found(&world, "acme", "behind").await.unwrap().expect("what comes behind is indexed");
    settled(&world).await;
    assert_eq!(kafka(&world).records().await.unwrap(), (5, 4));
    let (letter, _) = kafka(&world).dead_letter(NOT_A_CHANGE).await.unwrap();
    assert_eq!((letter.attempts, letter.tenant), (1, Some(*tenant.tenant())));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_document_that_may_be_written_is_indexed() {
    let world = world().await;
    // As many different words as there may be, and what becomes six bytes a character in JSON.
    let words = (0..49_995).filter_map(|at| char::from_u32(0x2_0000 + at));
    let words = words.flat_map(|word| [word, ' ']).chain("manywords".chars()).collect::<String>();
    let escaped = "\u{1}".repeat(99_990) + " escaped";
    for (word, body) in [("manywords", words), ("escaped", escaped)] {
        assert!(body.chars().count() <= 100_000);
        let body = json!({ "title": "x".repeat(200), "body": body }).to_string();
        let created = call(&world.edge, &world, Method::POST, "/v1/documents", &body).await;
        assert_eq!(created.status, 201, "{created}");
        found(&world, "acme", word).await.unwrap().expect(word);
    }
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
    let mut config = config(&world);
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
    assert_eq!(answer.to_string(), NOTHING);
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
