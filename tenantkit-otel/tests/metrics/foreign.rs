//! Instruments that other libraries make.

use opentelemetry::{InstrumentationScope, KeyValue, metrics::MeterProvider as _};
use tenantkit_core::{Tier, TierSet};
use tenantkit_otel::metrics::{Foreign, MetricsError, TenantMetrics};

use crate::world::{World, provider, tier};

#[test]
fn they_keep_what_was_declared_and_lose_the_rest() {
    let foreign = Foreign::named("http.server.requests").keep(&["http.route"]).at_most(2);
    let world = World::new(TenantMetrics::declare(TierSet::METALS).foreign(foreign));
    let library = world.metrics.provider().meter("library");
    let requests = library.u64_counter("http.server.requests").build();
    for number in 0..500 {
        let tenant = KeyValue::new("tenant.id", format!("t{number}"));
        requests.add(1, &[tenant.clone(), KeyValue::new("http.route", "/a")]);
        requests.add(1, &[tenant, KeyValue::new("http.route", format!("/b/{number}"))]);
    }
    let names = world.names();
    let of: Vec<_> = names.iter().filter(|it| it.starts_with("http.server")).collect();
    assert_eq!(of.len(), 3, "two and the overflow: {of:?}");
    assert!(!names.iter().any(|name| name.contains("tenant.id")), "{names:?}");
}

#[test]
fn they_stay_within_what_was_computed_even_as_histograms() {
    let foreign = Foreign::named("http.server.duration").keep(&["http.route"]).at_most(2);
    let world = World::new(TenantMetrics::declare(TierSet::METALS).foreign(foreign).undeclared(2));
    let library = world.metrics.provider().meter("library");
    for name in ["http.server.duration", "unknown.one", "unknown.two", "unknown.three"] {
        let histogram = library.f64_histogram(name).build();
        for number in 0..100 {
            histogram.record(1.0, &[KeyValue::new("http.route", format!("/{number}"))]);
        }
    }
    let series = world.metrics.series();
    assert_eq!(world.series(), series.own + series.foreign);
    assert_eq!(world.metrics.dropped(), 1);
}

#[test]
fn those_that_nobody_declared_lose_all_attributes_and_then_are_dropped() {
    let world = World::new(TenantMetrics::declare(TierSet::METALS).undeclared(2));
    let library = world.metrics.provider().meter("library");
    for name in ["a.a", "a.b", "a.c", "a.d", "a.A"] {
        library.u64_counter(name).build().add(1, &[KeyValue::new("user", "bob")]);
    }
    let names = world.names();
    let theirs: Vec<_> = names.iter().filter(|it| !it.starts_with("tenantkit.otel.")).collect();
    assert_eq!(theirs, ["a.a{}", "a.b{}"]);
    assert_eq!(world.metrics.dropped(), 2);
}

#[test]
fn they_cannot_get_at_the_applications_own_series_by_their_name() {
    let world = World::new(TenantMetrics::declare(TierSet::METALS));
    let own =
        world.metrics.meter("test").counter::<Tier>("test.requests", "{request}", "").unwrap();
    own.add(1, tier("gold"));
    let computed = world.names();
    let same = world.metrics.provider().meter("test");
    for name in ["test.requests", "Test.Requests"] {
        let thief = same.u64_counter(name).with_unit("{request}").with_description("").build();
        thief.add(1, &[KeyValue::new("tenant.id", "acme")]);
    }
    let now = world.names();
    let added: Vec<_> = now.iter().filter(|it| !computed.contains(it)).collect();
    assert_eq!(added, ["test.requests.of_another_library{}"]);
}

#[test]
fn what_a_declaration_may_have_it_has_once() {
    let foreign = || Foreign::named("http.client.requests").keep(&["http.route"]).at_most(2);
    let declared = TenantMetrics::declare(TierSet::METALS).foreign(foreign()).foreign(foreign());
    let world = World::new(declared.undeclared(1));
    let provider = world.metrics.provider();
    let versions = ["1", "2", "3", "4"]
        .map(|version| InstrumentationScope::builder("library").with_version(version).build());
    for _ in 0..2 {
        for scope in &versions {
            let counter = provider.meter_with_scope(scope.clone());
            let counter = counter.u64_counter("http.client.requests").build();
            for number in 0..9 {
                counter.add(1, &[KeyValue::new("http.route", format!("/{number}"))]);
            }
        }
    }
    let all = world.names();
    let of: Vec<_> = all.iter().filter(|it| it.starts_with("http.client")).collect();
    // Two that were declared and each of their overflow, and one without attributes.
    assert_eq!(of.len(), 2 * 3 + 1, "{of:?}");
    assert_eq!(of.iter().filter(|it| it.ends_with("{}")).count(), 1, "{of:?}");
    // Another kind is another instrument to the SDK, and so is another unit.
    let library = provider.meter_with_scope(versions[0].clone());
    library.f64_gauge("http.client.requests").build().record(1.0, &[]);
    library.u64_counter("http.client.requests").with_unit("{thing}").build().add(1, &[]);
    assert_eq!(world.names().len(), all.len());
    let series = world.metrics.series();
    assert!(world.series() <= series.own + series.foreign);
}

#[test]
fn a_scope_that_has_attributes_makes_no_series() {
    let foreign = Foreign::named("library.requests");
    let world = World::new(TenantMetrics::declare(TierSet::METALS).foreign(foreign));
    let scope = InstrumentationScope::builder("library")
        .with_attributes([KeyValue::new("tenant.id", "acme")])
        .build();
    let library = world.metrics.provider().meter_with_scope(scope);
    library.u64_counter("library.requests").build().add(1, &[]);
    library.u64_counter("library.others").build().add(1, &[]);
    assert!(!world.names().iter().any(|name| name.starts_with("library")));
    assert_eq!(world.metrics.dropped(), 2);
}

#[test]
fn what_has_no_bound_cannot_be_declared() {
    let who = ["tenant.id", "tenant_name", "app.tenant", "tenantkit.tenant"];
    let others = ["tenantkit.transaction.id", "url.path", "enduser.id"];
    for key in who.into_iter().chain(others) {
        let foreign = Foreign::named("http.server.requests").keep(Vec::leak(vec![key]));
        let error = TenantMetrics::declare(TierSet::METALS).foreign(foreign).start(provider().0);
        assert_eq!(error.unwrap_err(), MetricsError::Unbounded(key));
    }
    let foreign =
        Foreign::named("http.server.requests").keep(&["tenant.tier", "tenantkit.outcome"]);
    TenantMetrics::declare(TierSet::METALS).foreign(foreign).start(provider().0).unwrap();
}
