//! What the budget refuses.

use tenantkit_core::{Tier, TierSet};
use tenantkit_otel::metrics::{Foreign, MetricsError, TenantMetrics};

use crate::world::{Outcome, Route, World, provider};

#[test]
fn an_instrument_past_the_budget_is_refused_with_what_it_needs() {
    let budget = 10 + 4 + TenantMetrics::OF_ITSELF;
    let world = World::new(TenantMetrics::declare(TierSet::METALS).budget(budget).undeclared(0));
    let meter = world.metrics.meter("test");
    meter.counter::<(Tier, Outcome)>("test.requests", "{request}", "").unwrap();
    let needed = meter.counter::<Tier>("test.refusals", "{refusal}", "").unwrap_err();
    let left = MetricsError::OverBudget { what: "test.refusals", needed: 5, left: 4, budget };
    assert_eq!(needed, left);
    // Another meter draws on the same budget; what was refused took nothing of it.
    let other = world.metrics.meter("other");
    other.counter::<Outcome>("other.one", "{thing}", "").unwrap();
    other.gauge::<Outcome>("other.two", "{thing}", "").unwrap();
    other.gauge::<()>("other.three", "{thing}", "").unwrap_err();
    assert_eq!(world.metrics.series().own, budget);
}

#[test]
fn a_histogram_counts_as_many_series_as_a_store_makes_of_it() {
    let budget = 30 + TenantMetrics::OF_ITSELF;
    let world = World::new(TenantMetrics::declare(TierSet::METALS).budget(budget).undeclared(0));
    let meter = world.metrics.meter("test");
    // Four buckets, the sum and the count, for each of five.
    meter.histogram::<Tier>("test.duration", "s", &[0.1, 1.0, 10.0], "").unwrap();
    assert_eq!(world.metrics.series().own, budget);
    assert_eq!(world.series(), budget);
}

#[test]
fn what_other_libraries_may_have_is_part_of_the_budget() {
    let declared = TenantMetrics::declare(TierSet::METALS).undeclared(2);
    let declared =
        declared.foreign(Foreign::named("http.requests").keep(&["http.route"]).at_most(3));
    // Each of the four has fourteen bounds.
    let error = declared.clone().budget(4 * 17 + 6 - 1).start(provider().0).unwrap_err();
    assert!(matches!(error, MetricsError::OverBudget { needed: 74, .. }));
    // What is told of the metrics themselves has to fit as well.
    let fits = 74 + TenantMetrics::OF_ITSELF;
    assert!(declared.clone().budget(fits - 1).start(provider().0).is_err());
    assert!(declared.budget(fits).start(provider().0).is_ok());
}

#[test]
fn a_product_that_overflows_is_past_every_budget() {
    let declared =
        TenantMetrics::declare(TierSet::METALS).budget(usize::MAX).undeclared(usize::MAX);
    let declared = declared.foreign(Foreign::named("a.b").keep(&["c"]).at_most(usize::MAX));
    let error = declared.start(provider().0).unwrap_err();
    assert!(matches!(error, MetricsError::OverBudget { .. }), "{error}");
}

#[test]
fn the_table_tells_every_instrument() {
    let world = World::new(TenantMetrics::declare(TierSet::METALS));
    let meter = world.metrics.meter("test");
    meter.counter::<(Tier, Route)>("test.requests", "{request}", "Requests that ended.").unwrap();
    let row = "| `test.requests` | counter | `{request}` | `tenant.tier` (5), `http.route` (2) | 10 | Requests that ended. |";
    assert!(world.metrics.table().lines().any(|it| it == row), "{}", world.metrics.table());
}
