//! What instruments, units and labels may be called.

use tenantkit_core::{Tier, TierSet};
use tenantkit_otel::{
    labels,
    metrics::{MetricsError, TenantMeter, TenantMetrics},
};

use crate::world::{Outcome, World};

labels! {
    /// The worst of labels, closed though it is.
    enum Customer: "tenant.id" {
        /// One.
        Acme = "acme",
    }
}

mod doubled {
    #![expect(unreachable_patterns, reason = "the compiler sees it too")]

    tenantkit_otel::labels! {
        /// Two of a name.
        pub(super) enum Doubled: "test.doubled" {
            /// One.
            One = "same",
            /// Another.
            Another = "same",
        }
    }
}

use doubled::Doubled;

fn meter() -> TenantMeter {
    World::new(TenantMetrics::declare(TierSet::METALS)).metrics.meter("test")
}

#[test]
fn names_are_those_of_the_conventions() {
    let meter = meter();
    for name in ["test.requests", "test.queue.wait", "test_1.a_b2"] {
        assert!(meter.counter::<()>(name, "{thing}", "").is_ok(), "{name}");
    }
    let bad = [
        "",
        "requests",
        "Test.requests",
        "test.",
        ".test",
        "test..a",
        "test.a-b",
        "test.1a",
        "test.requests_total",
        "test.duration.seconds",
        "test.size_bytes",
        "test.duration.ms",
        "test.täglich",
        "test.a2345678901234567890123456789012345678901234567890123456789",
    ];
    for name in bad {
        let error = meter.counter::<()>(name, "{thing}", "").unwrap_err();
        assert_eq!(error, MetricsError::Name(name));
    }
}

#[test]
fn units_are_those_of_the_conventions() {
    let meter = meter();
    for (name, unit) in [("t.a", "s"), ("t.b", "By"), ("t.c", "1"), ("t.d", "{request}")] {
        assert!(meter.gauge::<()>(name, unit, "").is_ok(), "{unit}");
    }
    for unit in ["", "ms", "seconds", "{}", "{Request}", "request", "{a b}", "bytes"] {
        assert_eq!(meter.gauge::<()>("t.e", unit, "").unwrap_err(), MetricsError::Unit(unit));
    }
}

#[test]
fn a_name_is_there_once() {
    let meter = meter();
    meter.counter::<()>("test.requests", "{request}", "").unwrap();
    let again = meter.gauge::<Tier>("test.requests", "{request}", "").unwrap_err();
    assert_eq!(again, MetricsError::Twice("test.requests"));
}

#[test]
fn labels_name_no_tenant_and_are_there_once() {
    let meter = meter();
    let error = meter.counter::<Customer>("test.a", "{thing}", "").unwrap_err();
    assert_eq!(error, MetricsError::Unbounded("tenant.id"));
    let error = meter.counter::<(Outcome, Tier, Option<Outcome>)>("test.a", "{thing}", "");
    assert_eq!(error.unwrap_err(), MetricsError::LabelTwice("test.outcome"));
    let error = meter.counter::<Doubled>("test.a", "{thing}", "").unwrap_err();
    assert_eq!(error, MetricsError::ValueTwice("test.doubled", "same"));
}

#[test]
fn bounds_of_a_histogram_rise() {
    let meter = meter();
    let bad: [&[f64]; 5] = [&[], &[1.0, 1.0], &[2.0, 1.0], &[f64::NAN], &[1.0, f64::INFINITY]];
    for bounds in bad {
        let error = meter.histogram::<()>("test.duration", "s", bounds, "").unwrap_err();
        assert_eq!(error, MetricsError::Boundaries("test.duration"));
    }
    assert!(meter.histogram::<()>("test.duration", "s", &[-1.0, 0.0], "").is_ok());
}
