//! What the directory says wins over what a token says, at once.

use std::time::Duration;

use acmedocs::proto::{CreateRequest, ExportRequest, ListRequest};
use tenantkit::{AuditAction, Incarnation, Reason, TenantRecord, TenantStatus};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::service::{Service, id, with_token};

fn told(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().unwrap();
    (status.code(), info.metadata["reason"].clone())
}

async fn list(service: &Service, token: &str) -> Result<usize, Status> {
    let mut client = service.client().await;
    let listed = client.list(with_token(token, ListRequest::default())).await?;
    Ok(listed.into_inner().documents.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_good_is_refused_as_soon_as_its_tenant_may_not_act() {
    let service = Service::start(2).await;
    let token = service.token("acme");
    service.fill("acme", 1);
    assert_eq!(list(&service, &token).await.unwrap(), 1);

    service.set("acme", |it| it.status(TenantStatus::Suspended));
    let refused = list(&service, &token).await.unwrap_err();
    assert_eq!(told(&refused), (Code::PermissionDenied, "tenant-suspended".into()));

    service.set("acme", |it| it.status(TenantStatus::Moving));
    let refused = list(&service, &token).await.unwrap_err();
    assert_eq!(told(&refused), (Code::Unavailable, "tenant-moving".into()));
    assert!(refused.get_details_retry_info().is_some());

    service.directory.remove(&id("acme"));
    let refused = list(&service, &token).await.unwrap_err();
    assert_eq!(told(&refused), (Code::PermissionDenied, "unknown-tenant".into()));

    service.set("acme", |it| it);
    assert_eq!(list(&service, &token).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_a_deleted_tenant_is_nothing_to_its_successor() {
    let service = Service::start(2).await;
    let token = service.token("acme");
    assert_eq!(list(&service, &token).await.unwrap(), 0);

    let created = service.authority.now();
    let next = Incarnation::FIRST.next();
    service.set("acme", |it: TenantRecord| it.incarnation(next, created));
    service.fill("acme", 1);
    let refused = list(&service, &token).await.unwrap_err();
    assert_eq!(told(&refused), (Code::Unauthenticated, "stale-incarnation".into()));
    let audited = service.audit.events();
    let refused = |event: &tenantkit::AuditEvent| {
        matches!(event.action, AuditAction::Refused(refusal)
            if refusal.reason() == Reason::StaleIncarnation)
    };
    assert!(audited.iter().any(refused), "{audited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_refused_though_it_was_verified_a_moment_ago() {
    let service = Service::start(2).await;
    let token = service.token("acme");
    assert_eq!(list(&service, &token).await.unwrap(), 0);
    service.clock.advance(Duration::from_secs(119));
    assert_eq!(list(&service, &token).await.unwrap(), 0);
    service.clock.advance(Duration::from_secs(1));
    let refused = list(&service, &token).await.unwrap_err();
    assert_eq!(told(&refused), (Code::Unauthenticated, "expired".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_under_way_ends_with_a_refusal_when_its_token_has_expired() {
    let service = Service::start(2).await;
    // More than the buffers between hold, so that it is still being sent.
    service.fill("acme", 5_000);
    let mut client = service.client().await;
    let stream = client.export(service.request("acme", ExportRequest {})).await.unwrap();
    let mut stream = stream.into_inner();
    assert!(stream.message().await.unwrap().is_some());

    service.clock.advance(Duration::from_secs(120) + service.authority.grace());
    let mut received = 1;
    let ended = loop {
        match stream.message().await {
            Ok(Some(document)) => {
                assert!(document.title.starts_with("of acme"));
                received += 1;
            }
            ended => break ended,
        }
    };
    assert_eq!(told(&ended.unwrap_err()), (Code::Unauthenticated, "expired".into()));
    assert!(received < 5_000);
    service.nothing_is_left().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_began_in_time_may_finish_and_begins_nothing_new() {
    let service = Service::start(2).await;
    let mut client = service.client().await;
    // The token expires while the documents service waits for Postgres.
    service.link.set_delay(Duration::from_millis(100));
    let create = CreateRequest { title: "late".to_owned(), body: String::new() };
    let request = service.request("acme", create);
    let before = service.link.round_trips();
    let created = tokio::spawn(async move { client.create(request).await });
    crate::support::eventually("it has begun", async || service.link.round_trips() > before).await;
    service.clock.advance(Duration::from_secs(121));
    assert!(created.await.unwrap().is_ok());
    service.link.set_delay(Duration::ZERO);
    assert_eq!(list(&service, &service.token("acme")).await.unwrap(), 1);
}
