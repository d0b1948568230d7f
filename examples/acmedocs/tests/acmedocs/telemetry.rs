//! What acmedocs tells of itself: to a collector, and on its own page.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use acmedocs::{Config, proto::CreateRequest};
use demo::{
    Acmedocs, Setup, World, issuer,
    kafka::{Brokers, Kafka},
};
use futures_util::{StreamExt as _, stream};
use hyper::Method;
use serde_json::Value;
use tenantkit::kafka::rdkafka::{
    ClientConfig, Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    message::Headers as _,
};
use throwaway::{Collector, free_port, tools};
use tonic::Request;

const TENANTS: usize = 5_000;

fn name(number: usize) -> String {
    format!("tenant-{number:04}")
}

/// Has each of the tenants write a document.
async fn write(world: &World, tenants: impl Iterator<Item = usize>) {
    let now = issuer::now();
    let written = stream::iter(tenants).map(|number| async move {
        let bearer = format!("Bearer {}", world.idp.bearer(&name(number), "alice", now));
        let headers = [("authorization", bearer.as_str())];
        let document = Some(r#"{"title":"plan"}"#);
        let answer = world.edge.call(Method::POST, "/v1/documents", &headers, document).await;
        assert_eq!(answer.unwrap().status, 201, "{number}");
    });
    written.buffer_unordered(16).collect::<()>().await;
}

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a caller says of its trace.
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

type Attributes = BTreeMap<String, String>;

/// The spans that a collector has received: their names, kinds and attributes.
fn spans(collector: &Collector) -> Vec<(String, u64, Attributes)> {
    let mut spans = Vec::new();
    for line in collector.received("traces").lines() {
        let document: Value = serde_json::from_str(line).unwrap();
        for resource in list(&document, "resourceSpans") {
            for scope in list(resource, "scopeSpans") {
                for span in list(scope, "spans") {
                    let name = span["name"].as_str().unwrap_or_default().to_owned();
                    spans.push((name, span["kind"].as_u64().unwrap_or(0), attributes(span)));
                }
            }
        }
    }
    spans
}

fn attributes(of: &Value) -> Attributes {
    let text = |it: &Value| {
        let value = it["value"].as_object().and_then(|it| it.values().next().cloned());
        let value = value.unwrap_or_default();
        let value = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        (it["key"].as_str().unwrap().to_owned(), value)
    };
    list(of, "attributes").iter().map(text).collect()
}

fn list<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value[name].as_array().map_or(&[], Vec::as_slice)
}

/// The names of the series on the collector's page, without what says whose page it is.
fn series(collector: &Collector) -> BTreeSet<String> {
    let page = collector.page().unwrap_or_default();
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let names = lines.filter_map(|line| line.rsplit_once(' ').map(|(name, _)| name.to_owned()));
    names.filter(|name| !name.starts_with("target_info")).collect()
}

/// How many series a service says that it may have.
fn may_have(collector: &Collector, service: &str) -> usize {
    let page = collector.page().unwrap();
    let mut own = page.lines().filter(|line| {
        line.starts_with("tenantkit_otel_series{")
            && line.contains(&format!("job=\"{service}\""))
            && line.contains("tenantkit_otel_series_of=\"own\"")
    });
    own.next().unwrap().rsplit_once(' ').unwrap().1.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_span_of_a_run_has_its_tenant_and_no_series_has_one() {
    let Some(collector) = tools::or_skip(Collector::start()) else { return };
    let lines = format!(
        "collector = \"{}\"\ntraces_per_second = 1000\nmetrics_every_ms = 500",
        collector.grpc()
    );
    let setup = Setup::default()
        .log("error")
        .kafka(Brokers::Embedded)
        .telemetry(&lines)
        .tenants((0..TENANTS).map(name));
    let mut world = World::of(setup, Acmedocs::Process).await.unwrap();
    write(&world, 0..10).await;
    let indexed = |series: &BTreeSet<String>| {
        series.iter().any(|it| it.starts_with("tenantkit_records_total") && it.contains("handled"))
    };
    eventually("the first metrics", || indexed(&series(&collector))).await;
    // Gauges are there once something told them.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let few = series(&collector);

    write(&world, 10..TENANTS).await;
    let kafka = world.kafka.as_ref().unwrap();
    let started = Instant::now();
    while kafka.lag().await.unwrap() > 0 {
        assert!(started.elapsed() < Duration::from_secs(120), "they are not indexed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let many = series(&collector);
    assert!(world.terminate().await.unwrap().success());
    assert!(!world.said().unwrap().contains("were lost"), "{}", world.said().unwrap());

    let may_have = ["edge", "documents"].map(|service| may_have(&collector, service));
    // It has written all of it when it has ended.
    collector.stop().unwrap();
    let spans = spans(&collector);
    for (name, _, attributes) in &spans {
        let of = attributes.get("tenant.id").map_or("", String::as_str);
        assert!(of.starts_with("tenant-"), "{name}: {attributes:?}");
        assert!(attributes.contains_key("tenant.tier"), "{name}");
        assert!(attributes.contains_key("tenantkit.transaction.id"), "{name}");
    }
    // Servers, clients, statements, records that are sent and handled: of each tenant each.
    let kinds: [(&str, u64); 7] = [
        ("POST", 2),
        ("acmedocs.v1.Documents/Create", 2),
        ("acmedocs.v1.Documents/Create", 3),
        ("INSERT", 3),
        ("COMMIT", 3),
        ("send", 4),
        ("process", 5),
    ];
    for (name, kind) in kinds {
        let of = spans.iter().filter(|it| it.0.starts_with(name) && it.1 == kind);
        let tenants: BTreeSet<_> = of.map(|it| &it.2["tenant.id"]).collect();
        assert_eq!(tenants.len(), TENANTS, "{name}");
    }

    let metrics = collector.received("metrics");
    for forbidden in ["tenant-0", "tenant.id", "tenantkit.transaction.id", "otel.metric.overflow"] {
        assert!(!metrics.contains(forbidden), "a metric has {forbidden}");
    }
    // What each service may have is what it has, but for one: nothing waits in a tier that is none.
    for (service, untold, may_have) in [("edge", 0, may_have[0]), ("documents", 1, may_have[1])] {
        let of = |it: &&String| it.contains(&format!("job=\"{service}\""));
        let has = many.iter().filter(of).count();
        assert_eq!(has + untold, may_have, "{service}: {many:?}");
    }
    let grown: Vec<_> = many.difference(&few).collect();
    assert!(grown.is_empty(), "series grow with tenants: {grown:?}");
    assert!(many.iter().any(|it| it.starts_with("tenantkit_pool_open")), "{many:?}");
}

/// The headers of a change that a tenant made.
fn change_of(kafka: &Kafka, tenant: &str) -> BTreeMap<String, String> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &kafka.brokers).set("group.id", "reads");
    let consumer: BaseConsumer = config.create().unwrap();
    let mut list = TopicPartitionList::new();
    let topics = consumer.fetch_metadata(Some(&kafka.topic), Duration::from_secs(30)).unwrap();
    for partition in topics.topics()[0].partitions() {
        list.add_partition_offset(&kafka.topic, partition.id(), Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut records =
        std::iter::repeat_with(|| consumer.poll(Duration::from_secs(1))).take(30).flatten();
    let headers = records.find_map(|record| {
        let headers = record.unwrap();
        let headers = headers.headers()?.iter();
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap()).into_owned();
        let headers: BTreeMap<_, _> =
            headers.map(|it| (it.key.to_owned(), text(it.value))).collect();
        (headers["tenant_id"] == tenant).then_some(headers)
    });
    headers.expect("the tenant made one")
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_goes_through_all_services_and_the_record() {
    let Some(collector) = tools::or_skip(Collector::start()) else { return };
    let lines = format!("collector = \"{}\"\nprotocol = \"http\"", collector.http());
    let setup = Setup::default().log("error").kafka(Brokers::Embedded).telemetry(&lines);
    let mut world = World::of(setup.tenants([name(1)]), Acmedocs::Process).await.unwrap();

    write(&world, 1..2).await;

    // A caller's baggage is nobody's identity. It goes on with the trace, but for the tenant in it.
    let document = CreateRequest { title: "plan".to_owned(), body: String::new() };
    let mut request = Request::new(document);
    let token = world.services.txn_token("acme", "alice", issuer::now());
    for (name, value) in
        [("txn-token", &*token), ("traceparent", PARENT), ("baggage", "tenant.id=globex,plan=b")]
    {
        request.metadata_mut().insert(name, value.parse().unwrap());
    }
    world.documents().await.unwrap().create(request).await.unwrap();
    while world.kafka.as_ref().unwrap().lag().await.unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let record = change_of(world.kafka.as_ref().unwrap(), "acme");
    assert!(record["traceparent"].starts_with(&PARENT[..36]), "{record:?}");
    assert_eq!(record["baggage"], "plan=b");
    assert!(world.terminate().await.unwrap().success());
    collector.stop().unwrap();

    let received = collector.received("traces");
    let mut traces = BTreeMap::<String, Vec<String>>::new();
    for line in received.lines() {
        let document: Value = serde_json::from_str(line).unwrap();
        for scope in list(&document, "resourceSpans").iter().flat_map(|it| list(it, "scopeSpans")) {
            for span in list(scope, "spans") {
                let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
                traces.entry(text("traceId")).or_default().push(text("name"));
            }
        }
    }
    let all = ["POST", "acmedocs.v1.Documents/Create", "INSERT", "COMMIT", "send ", "process "];
    let whole = |names: &&Vec<String>| {
        all.iter().all(|part| names.iter().any(|name| name.starts_with(part)))
    };
    assert!(traces.values().any(|names| whole(&names)), "{traces:?}");
    let of_the_caller = &traces[&PARENT[3..35]];
    assert!(all[1..].iter().all(|part| of_the_caller.iter().any(|it| it.starts_with(part))));
    assert!(received.contains("acme") && !received.contains("globex"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_fails_no_request_and_what_is_lost_is_said() {
    let lines = format!("collector = \"http://127.0.0.1:{}\"", free_port());
    let setup = Setup::default().log("error").telemetry(&lines).tenants((0..20).map(name));
    let mut world = World::of(setup, Acmedocs::Process).await.unwrap();
    write(&world, 0..20).await;
    assert!(world.terminate().await.unwrap().success());
    let said = world.said().unwrap();
    assert!(said.contains("spans were lost"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_holds_no_request_up_and_what_is_lost_is_counted() {
    let Some(collector) = tools::or_skip(Collector::start()) else { return };
    let lines = format!(
        "collector = \"{}\"\ntraces_per_second = 1000\nmetrics_every_ms = 500",
        collector.grpc()
    );
    let setup = Setup::default().log("error").telemetry(&lines).tenants((0..300).map(name));
    let mut world = World::of(setup, Acmedocs::Process).await.unwrap();
    write(&world, 0..10).await;
    let records = |fate: &str| {
        let page = collector.page().unwrap_or_default();
        let of = format!("tenantkit_otel_fate=\"{fate}\"");
        let mut lines = page.lines().filter(|line| {
            line.starts_with("tenantkit_otel_records_total{")
                && line.contains(&of)
                && line.contains("tenantkit_otel_signal=\"traces\"")
        });
        lines.next().map_or(0, |line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap())
    };
    eventually("the first spans", || records("delivered") > 0).await;

    // Each of them is answered while nothing of it can be exported; and there are more spans than there is room for.
    collector.pause().unwrap();
    for _ in 0..2 {
        write(&world, 0..300).await;
    }
    collector.resume().unwrap();
    eventually("what is lost is told", || records("made") > records("delivered") + 1000).await;
    assert!(world.terminate().await.unwrap().success());
    let said = world.said().unwrap();
    assert!(said.contains("spans were lost"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_shows_the_tiers_who_is_heavy_and_who_was_refused_and_each_look_is_audited() {
    let setup = Setup::default().telemetry("pinned = [\"acme\"]").tenants([name(1)]);
    let world = World::of(setup, Acmedocs::InProcess).await.unwrap();
    let bearer = format!("Bearer {}", world.idp.bearer("acme", "alice", issuer::now()));
    let own: &[(&str, &str)] = &[("authorization", &bearer)];
    for headers in [own, own, &[]] {
        world.edge.call(Method::GET, "/v1/documents", headers, None).await.unwrap();
    }
    let suspended = format!("Bearer {}", world.idp.bearer("initech", "bob", issuer::now()));
    let suspended: &[(&str, &str)] = &[("authorization", &suspended)];
    world.edge.call(Method::GET, "/v1/documents", suspended, None).await.unwrap();

    let page = world.page().unwrap();
    let read = async |path: &str| page.call(Method::GET, path, &[], None).await.unwrap();
    let started = Instant::now();
    let tiers = loop {
        let tiers: Value = serde_json::from_str(&read("/tiers.json").await.body).unwrap();
        if list_is_told(&tiers) {
            break tiers;
        }
        assert!(started.elapsed() < Duration::from_secs(20), "{tiers}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!((&tiers[0]["tier"], &tiers[0]["served"]), (&"gold".into(), &2.into()), "{tiers}");

    let top = read("/top.json?window=current&by=requests").await;
    assert!(top.body.contains(r#""tenant":"acme","amount":2"#), "{}", top.body);
    assert_eq!(top.headers["cache-control"], "no-store");
    let refused: Value = serde_json::from_str(&read("/refusals.json").await.body).unwrap();
    let codes: Vec<_> = refused.as_array().unwrap().iter().map(|it| &it["code"]).collect();
    assert_eq!(codes, ["suspended", "no-tenant"], "{refused}");
    let latencies: Value = serde_json::from_str(&read("/latencies.json").await.body).unwrap();
    assert_eq!((&latencies[0]["tenant"], &latencies[0]["served"]), (&"acme".into(), &2.into()));
    let html = read("/").await;
    assert_eq!(html.headers["content-type"], "text/html; charset=utf-8");
    for part in ["Tiers", "<td>gold", "<td>acme", "no-identity"] {
        assert!(html.body.contains(part), "{part}: {}", html.body);
    }
    assert_eq!(read("/elsewhere").await.status, 404);

    let audited = world.audited().unwrap();
    assert!(audited.contains(r#""capability":"telemetry""#), "{audited}");
}

fn list_is_told(tiers: &Value) -> bool {
    tiers.as_array().is_some_and(|tiers| tiers.iter().any(|it| it["served"] == 2))
}

#[tokio::test]
async fn a_mistake_in_the_telemetry_is_told_with_the_key_and_what_it_may_be() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    let file = world.folder().join("acmedocs.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    let good = good.split("[telemetry]").next().unwrap();
    for (lines, promised) in [
        ("collector = \"127.0.0.1:4317\"", "telemetry.collector may be"),
        ("collector = \"ftp://127.0.0.1:4317\"", "telemetry.collector may be"),
        ("collector = \"http://127.0.0.1:4317/v1/traces?x=1\"", "telemetry.collector may be"),
        ("collector = \"http://\"", "telemetry.collector may be"),
        ("page = \"0.0.0.0:9464\"", "telemetry.page may be an address of this machine only"),
        ("pinned = [\"No Tenant\"]", "telemetry.pinned may be"),
        ("protocol = \"carrier-pigeon\"", "telemetry.protocol"),
        ("traces_per_second = 0", "telemetry"),
        ("colector = \"\"", "collector"),
    ] {
        std::fs::write(&file, format!("{good}\n[telemetry]\n{lines}\n")).unwrap();
        let said = Config::load(&file.to_string_lossy()).unwrap_err().to_string();
        assert!(said.contains(promised), "{lines}: {said}");
        assert!(!said.contains("No Tenant"), "{said}");
    }
}
