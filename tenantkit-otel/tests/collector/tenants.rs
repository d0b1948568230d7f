//! Many tenants: each is in its spans and logs, and none in a metric.

use std::{fs, path::Path, time::Duration};

use opentelemetry::{
    logs::{LogRecord as _, Logger as _},
    trace::{Span as _, Tracer as _},
};
use tenantkit_core::{
    Door, Reason, Refusal, TenantId, TenantRecord, TierSet, test_util::TestAuthority,
};
use tenantkit_otel::{
    Delivery,
    requests::{Outcome, RequestMetrics},
};
use throwaway::{Collector, tools};

use crate::{
    received::{records, series},
    rules,
    world::{Service, eventually},
};

const TENANTS: usize = 5_000;

fn name(number: usize) -> String {
    format!("tenant-{number:04}")
}

fn serve(service: &Service, test: &TestAuthority, requests: &RequestMetrics, number: usize) {
    let tenant = test.context(&name(number));
    tenant
        .in_scope(|| {
            service.tracer.in_span("request", |_| service.tracer.start("query").end());
            let mut record = service.logger.create_log_record();
            record.set_body("served".into());
            service.logger.emit(record);
        })
        .unwrap();
    let outcomes = [Outcome::Served, Outcome::Refused, Outcome::Failed];
    requests.ended(&tenant, outcomes[number % 3], Duration::from_millis(number as u64));
    requests.refused(&Refusal::new(Reason::RateExceeded, Door::Request));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_span_and_log_has_its_tenant_and_no_series_has_one() {
    let Some(collector) = tools::or_skip(Collector::start()) else { return };
    let (test, service) = (TestAuthority::new(), Service::new(&collector.grpc(), 1 << 16));
    let tiers: Vec<_> = TierSet::METALS.iter().collect();
    for number in 0..TENANTS {
        let id = TenantId::new(&name(number)).unwrap();
        test.directory().set(id, TenantRecord::active(tiers[number % tiers.len()]));
    }
    let meter = service.metrics.meter("acmedocs");
    let requests = RequestMetrics::new(&meter).unwrap();
    Delivery::observe(&meter, &service.spans, &service.logs).unwrap();
    RequestMetrics::observe_longest_wait(&meter, |told| {
        TierSet::METALS.iter().for_each(|tier| told.tell(0.25, tier));
    })
    .unwrap();

    (0..10).for_each(|number| serve(&service, &test, &requests, number));
    service.flush();
    let mut few = Vec::new();
    eventually("the first metrics", || {
        few = series(&collector.page().unwrap_or_default());
        !few.is_empty()
    });
    (10..TENANTS).for_each(|number| serve(&service, &test, &requests, number));
    service.flush();

    let mut spans = Vec::new();
    eventually("all spans", || {
        spans = records(&collector.received("traces"), ["resourceSpans", "scopeSpans", "spans"]);
        spans.len() >= 2 * TENANTS
    });
    let mut logs = Vec::new();
    eventually("all log records", || {
        logs = records(&collector.received("logs"), ["resourceLogs", "scopeLogs", "logRecords"]);
        logs.len() >= TENANTS
    });
    for (told, times) in [(&spans, 2), (&logs, 1)] {
        assert_eq!(told.len(), times * TENANTS);
        let mut names: Vec<_> = told.iter().map(|it| it["tenant.id"].clone()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), TENANTS, "each tenant has its own");
        assert!(told.iter().all(|it| it.contains_key("tenant.tier")));
        assert!(told.iter().all(|it| it.contains_key("tenantkit.transaction.id")));
    }
    assert_eq!(service.spans.delivered(), 2 * TENANTS as u64);
    assert_eq!(service.logs.delivered(), TENANTS as u64);

    let metrics = collector.received("metrics");
    assert!(metrics.contains("tenantkit.request.duration"));
    for forbidden in ["tenant-0", "tenant.id", "tenantkit.transaction.id", "otel.metric.overflow"] {
        assert!(!metrics.contains(forbidden), "a metric has {forbidden}");
    }
    let page = collector.page().unwrap();
    rules::prometheus_understands(&page);
    rules::prometheus_pages_by(&page, TierSet::METALS);
    let many = series(&page);
    assert_eq!(many, few, "series do not grow with tenants");
    // The gauge tells four of its five: nothing waits in a tier that is not there.
    assert_eq!(many.len(), service.metrics.series().own - 1);
    rules_and_dashboard_speak_of_what_is_there(&many);
}

/// Every metric and label that they name is on the collector's page.
fn rules_and_dashboard_speak_of_what_is_there(series: &[String]) {
    for file in ["slo/rules.yaml", "slo/dashboard.json"] {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let names: Vec<_> =
            words.filter(|it| it.starts_with("tenantkit_") || it.starts_with("tenant_")).collect();
        assert!(names.len() > 5, "{file} names metrics");
        for name in names
            .into_iter()
            .filter(|it| !["tenantkit_", "tenantkit_otel", "tenant_tier"].contains(it))
        {
            let known = |it: &String| {
                it.starts_with(&format!("{name}{{")) || it.contains(&format!("{name}=\""))
            };
            assert!(series.iter().any(known), "{file}: {name} is no metric and no label");
        }
    }
    let bound = "tenantkit_request_duration_seconds_bucket";
    let has = |it: &&String| it.starts_with(bound) && it.contains("le=\"0.25\"");
    assert!(series.iter().any(|it| has(&it)), "the objective for latency is a bound");
}
