//! What is measured, and what series that makes.

use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry_sdk::metrics::data::{ResourceMetrics, ScopeMetrics};
use tenantkit_core::{Door, RefusalCode, Tier, TierSet};
use tenantkit_otel::metrics::TenantMetrics;

use crate::world::{Outcome, Route, World, tier};

#[test]
fn there_are_as_many_series_as_were_computed_and_never_more() {
    let world = World::new(TenantMetrics::declare(TierSet::METALS).undeclared(0));
    let meter = world.metrics.meter("test");
    let requests =
        meter.counter::<(Tier, Option<Route>, Outcome)>("test.requests", "{request}", "");
    let open = meter.up_down_counter::<Tier>("test.open", "{request}", "").unwrap();
    let took = meter.histogram::<(Tier, Outcome)>("test.duration", "s", &[0.1, 1.0], "").unwrap();
    let refused = meter.counter::<(RefusalCode, Door)>("test.refusals", "{refusal}", "").unwrap();
    let requests = requests.unwrap();

    let computed = world.metrics.series().own;
    assert_eq!(world.series(), computed, "all are there before the first measurement");

    let tiers = TierSet::METALS.iter().chain(TierSet::new(&["of", "another"]).iter());
    for tier in tiers {
        open.add(1, tier);
        for outcome in [Outcome::Served, Outcome::Refused] {
            took.record(0.5, (tier, outcome));
            for number in 0..500 {
                // A user's own conversion, from what nobody bounds.
                let route = Route::of(&format!("/v1/documents/{number}"));
                requests.add(1, (tier, route, outcome));
            }
        }
    }
    for code in RefusalCode::ALL {
        for door in Door::ALL {
            refused.add(1, (*code, *door));
        }
    }
    assert_eq!(world.series(), computed);
    assert!(!world.names().iter().any(|name| name.contains("overflow")));
}

#[test]
fn a_measurement_goes_to_the_series_of_its_labels() {
    let world = World::new(TenantMetrics::declare(TierSet::METALS).undeclared(0));
    let meter = world.metrics.meter("test");
    let gauge = meter.gauge::<(Tier, Option<Route>, Outcome)>("test.level", "{thing}", "").unwrap();
    gauge.record(1.0, (tier("gold"), Some(Route::One), Outcome::Refused));
    gauge.record(2.0, (tier("bronze"), None, Outcome::Served));
    let names = world.names();
    let told = [
        "test.level{http.route=/v1/documents/{id},tenant.tier=gold,test.outcome=refused}",
        "test.level{http.route=_other,tenant.tier=bronze,test.outcome=served}",
    ];
    for name in told {
        assert!(names.contains(&name.to_owned()), "{name}: {names:?}");
    }
    // A gauge that was never told does not say 0.
    assert_eq!(names.iter().filter(|it| it.starts_with("test.level")).count(), 2);
}

#[test]
fn what_is_in_no_set_is_other_and_counted() {
    let world = World::new(TenantMetrics::declare(TierSet::METALS).undeclared(0));
    let meter = world.metrics.meter("test");
    let requests =
        meter.counter::<(Tier, Option<Route>)>("test.requests", "{request}", "").unwrap();
    requests.add(1, (tier("gold"), Route::of("/v1/documents")));
    assert_eq!(world.metrics.others(), 0);
    requests.add(1, (tier("gold"), Route::of("/etc/passwd")));
    let platinum = TierSet::new(&["platinum"]).get("platinum").unwrap();
    requests.add(1, (platinum, None));
    assert_eq!(world.metrics.others(), 3);
}

#[test]
fn what_counts_by_itself_is_asked_when_metrics_are_collected() {
    static LEVEL: AtomicU64 = AtomicU64::new(7);

    let world = World::new(TenantMetrics::declare(TierSet::METALS).undeclared(0));
    let meter = world.metrics.meter("test");
    meter
        .observe_counter::<Outcome>("test.things", "{thing}", "", |told| {
            told.tell(LEVEL.load(Ordering::Relaxed), Outcome::Served);
        })
        .unwrap();
    meter.observe_gauge::<Tier>("test.wait", "s", "", |told| told.tell(1.5, tier("gold"))).unwrap();
    let names = world.names();
    assert!(names.contains(&"test.things{test.outcome=served}".to_owned()), "{names:?}");
    assert!(names.contains(&"test.wait{tenant.tier=gold}".to_owned()), "{names:?}");
}

#[test]
fn a_second_reader_has_the_same_series() {
    let (provider, first) = crate::world::provider();
    let second = opentelemetry_sdk::metrics::InMemoryMetricExporter::default();
    let provider = provider.with_periodic_exporter(second.clone());
    let metrics = TenantMetrics::declare(TierSet::METALS).start(provider).unwrap();
    metrics.meter("test").counter::<Tier>("test.requests", "{request}", "").unwrap();
    metrics.provider().force_flush().unwrap();
    let names = |exporter: &opentelemetry_sdk::metrics::InMemoryMetricExporter| -> Vec<String> {
        let all = exporter.get_finished_metrics().unwrap();
        let scopes = all.iter().flat_map(ResourceMetrics::scope_metrics);
        let mut names: Vec<_> =
            scopes.flat_map(ScopeMetrics::metrics).map(|it| it.name().to_owned()).collect();
        names.sort();
        names
    };
    assert!(names(&first).contains(&"test.requests".to_owned()));
    assert_eq!(names(&first), names(&second));
}

#[test]
fn a_counter_that_something_keeps_by_itself_has_all_its_series_from_the_start() {
    let world = World::new(TenantMetrics::declare(TierSet::METALS).undeclared(0));
    let meter = world.metrics.meter("test");
    let tell = |told: &mut tenantkit_otel::metrics::Observed<'_, u64, Outcome>| {
        told.tell(3, Outcome::Served);
    };
    meter.observe_counter::<Outcome>("test.kept", "{thing}", "", tell).unwrap();
    meter.observe_time::<Tier>("test.taken", "", |_| ()).unwrap();
    assert_eq!(world.series(), world.metrics.series().own);
}
