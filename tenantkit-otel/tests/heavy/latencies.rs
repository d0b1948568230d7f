//! How long the requests of a few tenants take.

use std::time::Duration;

use tenantkit_core::{TenantId, test_util::TestAuthority};
use tenantkit_otel::{
    latencies::TenantLatencies,
    top::{Measure, TopTenants, Used},
};

use crate::tenant;

#[test]
fn only_so_many_are_watched_and_the_pinned_always() {
    let test = TestAuthority::new();
    let (acme, globex) = (test.context("acme"), test.context("globex"));
    let latencies = TenantLatencies::new([*acme.tenant()], 2);
    let top = TopTenants::builder().tenants(50).clock(test.clock().clone()).build();
    for number in 0..20 {
        for _ in 0..=number {
            top.record(&tenant(&test, &format!("t{number}")), Used::request());
        }
    }
    latencies.record(&globex, Duration::from_millis(1));
    assert!(latencies.of(globex.tenant()).is_none());

    latencies.follow(top.current().of(Measure::Requests));
    assert_eq!(
        latencies.tenants().iter().map(TenantId::as_str).collect::<Vec<_>>(),
        ["acme", "t18", "t19"]
    );
    let t19 = tenant(&test, "t19");
    latencies.record(&t19, Duration::from_millis(1));
    latencies.record(&acme, Duration::from_millis(1));

    // Another becomes heavy: who stays keeps what was recorded, who goes is forgotten.
    for _ in 0..100 {
        top.record(&globex, Used::request());
    }
    latencies.follow(top.current().of(Measure::Requests));
    assert_eq!(
        latencies.tenants().iter().map(TenantId::as_str).collect::<Vec<_>>(),
        ["acme", "globex", "t19"]
    );
    assert_eq!(latencies.of(t19.tenant()).unwrap().count(), 1);
    assert_eq!(latencies.of(acme.tenant()).unwrap().count(), 1);
}
