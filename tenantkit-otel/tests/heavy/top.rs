//! Who is heavy.

use std::time::Duration;

use opentelemetry::logs::LoggerProvider as _;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use serde_json::Value;
use tenantkit_core::{
    CrossTenant, Grant, RefusalCode, Subject, UnixTime, test_util::TestAuthority,
};
use tenantkit_otel::top::{Measure, TopTenants, Used};

use crate::tenant;

const MINUTE: Duration = Duration::from_secs(60);

fn top(test: &TestAuthority, tenants: usize) -> TopTenants {
    TopTenants::builder().tenants(tenants).window(MINUTE).clock(test.clock().clone()).build()
}

async fn support(test: &TestAuthority) -> CrossTenant {
    let who = Subject::new("https://id.example".parse().unwrap(), "ada".parse().unwrap());
    let grant = Grant::new(who, "who is heavy?".parse().unwrap(), MINUTE);
    test.authority().cross_tenant(TestAuthority::CROSS, grant).await.unwrap()
}

#[test]
fn each_measure_has_its_own_ranking() {
    let test = TestAuthority::new();
    let top = top(&test, 10);
    let (acme, globex) = (test.context("acme"), test.context("globex"));
    let millis = Duration::from_millis;
    top.record(&acme, Used::request().took(millis(5)).bytes(10).waited(millis(1)));
    top.record(&acme, Used::request().took(millis(5)));
    top.record(&globex, Used::refusal().took(millis(50)).bytes(7));
    let now = top.current();
    let told = |measure| {
        let ranking = now.of(measure);
        let first = &ranking.tenants[0];
        (first.tenant.as_str().to_owned(), first.amount, ranking.total)
    };
    assert_eq!(told(Measure::Requests), ("acme".into(), 2, 3));
    assert_eq!(told(Measure::Time), ("globex".into(), 50_000, 60_000));
    assert_eq!(told(Measure::Bytes), ("acme".into(), 10, 17));
    assert_eq!(told(Measure::Refusals), ("globex".into(), 1, 1));
    assert_eq!(told(Measure::QueueWait), ("acme".into(), 1_000, 1_000));
}

#[test]
fn the_heavy_one_is_told_among_many_light_ones_and_the_error_is_stated() {
    let test = TestAuthority::new();
    let top = top(&test, 10);
    let heavy = test.context("acme");
    for number in 0..500 {
        top.record(&tenant(&test, &format!("light{number}")), Used::request());
        top.record(&heavy, Used::request());
    }
    let now = top.current();
    let ranking = now.of(Measure::Requests);
    assert_eq!((ranking.tenants.len(), ranking.total), (10, 1000));
    let first = &ranking.tenants[0];
    assert_eq!(first.tenant, *heavy.tenant());
    assert!(first.amount >= 500 && first.amount - first.at_most_over <= 500);
    assert!(ranking.absent_at_most <= 100, "{}", ranking.absent_at_most);
}

#[test]
fn a_window_that_is_over_is_the_last_and_the_next_begins_empty() {
    let test = TestAuthority::new();
    let (top, acme) = (top(&test, 10), test.context("acme"));
    assert_eq!(top.last(), None);
    top.record(&acme, Used::request());
    test.clock().advance(MINUTE - Duration::from_millis(1));
    assert_eq!(top.current().of(Measure::Requests).total, 1);
    test.clock().advance(Duration::from_millis(1));
    let last = top.last().unwrap();
    assert_eq!((last.of(Measure::Requests).total, last.is_over, last.lasted), (1, true, MINUTE));
    assert_eq!(top.current().of(Measure::Requests).total, 0);
    assert_eq!(top.current().from, UnixTime::from_secs(1_800_000_060));

    // Nobody asked for three windows: the last is the one before this, in which nothing was.
    test.clock().advance(MINUTE * 3 + Duration::from_secs(5));
    let last = top.last().unwrap();
    assert_eq!(
        (last.of(Measure::Requests).total, last.from),
        (0, UnixTime::from_secs(1_800_000_180))
    );
    let now = top.current();
    assert_eq!(
        (now.from, now.lasted),
        (UnixTime::from_secs(1_800_000_240), Duration::from_secs(5))
    );
}

#[test]
fn what_is_cut_off_is_not_said_to_be_less_than_it_is() {
    let test = TestAuthority::new();
    let top = top(&test, 10);
    for (name, times) in [("acme", 3), ("globex", 2)] {
        (0..times).for_each(|_| top.record(&test.context(name), Used::request()));
    }
    let first = top.current().first(1);
    let ranking = first.of(Measure::Requests);
    assert_eq!((ranking.tenants.len(), ranking.absent_at_most), (1, 2));
}

#[test]
fn it_is_json_and_log_records() {
    let test = TestAuthority::new();
    let top = top(&test, 10);
    top.record(&test.context("acme"), Used::request().bytes(5));
    let json: Value = serde_json::from_str(&top.current().to_json()).unwrap();
    assert_eq!(json["from_unix_ms"], 1_800_000_000_000_u64);
    assert_eq!(json["rankings"][0]["by"], "requests");
    let heavy = serde_json::json!({ "tenant": "acme", "amount": 1, "at_most_over": 0 });
    assert_eq!(json["rankings"][0]["tenants"], serde_json::json!([heavy]));

    let exporter = InMemoryLogExporter::default();
    let provider = SdkLoggerProvider::builder().with_simple_exporter(exporter.clone()).build();
    top.current().tell(&provider.logger("test"));
    let logs = exporter.get_emitted_logs().unwrap();
    // Requests and bytes; the other rankings have nobody.
    assert_eq!(logs.len(), 2);
    assert_eq!(logs[0].record.event_name(), Some("tenantkit.top_tenants"));
    let body = format!("{:?}", logs[0].record.body());
    assert!(body.contains("acme"), "{body}");
}

#[tokio::test]
async fn the_endpoint_answers_who_may_look_across_tenants() {
    let test = TestAuthority::new();
    let top = top(&test, 10);
    top.record(&test.context("acme"), Used::request());
    top.record(&test.context("globex"), Used::refusal());
    let (who, authority) = (support(&test).await, test.authority());

    let page = top.page(&who, authority, None).unwrap();
    assert_eq!((page.status, page.body.as_str(), page.cache_control), (200, "null", "no-store"));
    let page = top.page(&who, authority, Some("window=current&by=refusals&first=5")).unwrap();
    let json: Value = serde_json::from_str(&page.body).unwrap();
    assert_eq!(json["rankings"].as_array().unwrap().len(), 1);
    assert_eq!(json["rankings"][0]["tenants"][0]["tenant"], "globex");
    for wrong in ["windows=current", "window=now", "first=-1", "first=", "by=<script>", "x"] {
        let page = top.page(&who, authority, Some(wrong)).unwrap();
        assert_eq!(page.status, 400, "{wrong}");
        assert!(!page.body.contains("script"), "{}", page.body);
    }
    // Not inside a tenant's work, and not for ever.
    let inside = test.context("acme").in_scope(|| top.page(&who, authority, None)).unwrap();
    assert_eq!(inside.unwrap_err().code(), RefusalCode::Mismatch);
    test.clock().advance(MINUTE);
    assert!(top.page(&who, authority, None).is_err());
}
