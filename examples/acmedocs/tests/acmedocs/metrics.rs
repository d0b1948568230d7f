//! The table of metrics in the documentation is the one that the code makes.

use std::{env, fs, path::Path, sync::Arc};

use acmedocs::{Config, authority, config::TIERS, limits::Limited};
use demo::{Acmedocs, Setup, World, kafka::Brokers, rivals};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tenantkit::{
    TenantId, TenantPool,
    kafka::TenantConsumer,
    limit::{
        breaker::{Breaker, BreakerPolicy},
        fair::FairQueue,
    },
    otel::{Delivery, limits, metrics::TenantMetrics, requests::RequestMetrics},
    telemetry,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_table_in_the_documentation_is_that_of_the_code() {
    let setup = Setup::default().kafka(Brokers::Embedded).limits(rivals::LIMITS);
    let world = World::of(setup, Acmedocs::InProcess).await.unwrap();
    let config = Config::load(&world.folder().join("acmedocs.toml").to_string_lossy()).unwrap();
    let (edge, documents) =
        (authority::edge(&config).unwrap(), authority::documents(&config).unwrap());
    let limited = Limited::by(&config, &edge, &documents).unwrap().unwrap();
    let pool = TenantPool::connect(&config.documents.database_url, &documents).await.unwrap();
    let kafka = config.kafka.unwrap();
    let consumer = TenantConsumer::builder(&documents)
        .set("bootstrap.servers", &kafka.brokers)
        .group(&kafka.group)
        .topic(&kafka.topic)
        .dead_letters(&kafka.dead_letter_topic)
        .build()
        .unwrap();
    let clock = || Arc::clone(edge.clock());
    let queue: FairQueue<TenantId, u32> = FairQueue::builder(TIERS).build(clock()).unwrap();
    let breaker: Breaker = Breaker::new(BreakerPolicy::default(), clock());

    let metrics = TenantMetrics::declare(TIERS).start(SdkMeterProvider::builder()).unwrap();
    let meter = metrics.meter("acmedocs");
    RequestMetrics::new(&meter).unwrap();
    Delivery::observe(&meter, &Delivery::default(), &Delivery::default()).unwrap();
    limits::observe(&meter, &limited.edge).unwrap();
    limits::observe_queue(&meter, &queue, TIERS).unwrap();
    limits::observe_breaker(&meter, &breaker).unwrap();
    telemetry::observe_tokens(&meter, &edge).unwrap();
    telemetry::observe_pool(&meter, &pool).unwrap();
    telemetry::observe_consumer(&meter, &consumer.handle(), TIERS).unwrap();

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/metrics.md");
    let documented = fs::read_to_string(&file).unwrap();
    let (before, rest) = documented.split_once("| name |").unwrap();
    let after = rest.split_once("\n\n").unwrap().1;
    let generated = format!("{before}{}\n{after}", metrics.table());
    if env::var_os("METRICS").is_some_and(|it| it == "overwrite") {
        fs::write(&file, &generated).unwrap();
    } else {
        let how = "METRICS=overwrite cargo test -p acmedocs --test acmedocs metrics";
        assert!(documented == generated, "docs/metrics.md is not what the code makes: {how}");
    }
}
