//! What one caller of the documents service asks for, wrongly or slowly, costs the others nothing.

use std::time::Duration;

use acmedocs::proto::{
    CreateRequest, DeleteRequest, ExportRequest, GetRequest, ListRequest, UpdateRequest,
};
use demo::issuer;
use futures_util::StreamExt as _;
use hyper::Method;
use tenantkit::{Inbound, Source};
use tonic::{Code, Response, Status};

use crate::{
    service::{Service, with_token},
    support::{DOCUMENTS, bearer, titles, world},
};

#[track_caller]
fn wrong<T>(answer: Result<Response<T>, Status>, argument: &str) {
    let status = answer.map(drop).unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert!(status.message().starts_with(argument), "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_argument_is_told_without_a_connection_to_the_database() {
    let service = Service::start(1).await;
    let request = with_token(&service.token("globex"), ());
    let headers = request.metadata().clone().into_headers();
    let listener = service.authority.listener().admit(Source::TxnToken);
    let globex = listener.identify(Inbound::new(&headers)).unwrap();
    // The only one there is.
    let _held = service.pool.begin(&globex).await.unwrap();

    let mut client = service.client().await;
    let (title, body, id) = (String::new, String::new, || "1 OR 1=1".to_owned());
    let create = CreateRequest { title: title(), body: body() };
    wrong(client.create(service.request("acme", create)).await, "title: ");
    let create = CreateRequest { title: "it".to_owned(), body: "\0".to_owned() };
    wrong(client.create(service.request("acme", create)).await, "body: ");
    let update = UpdateRequest { id: id(), title: "it".to_owned(), body: body() };
    wrong(client.update(service.request("acme", update)).await, "id: ");
    wrong(client.get(service.request("acme", GetRequest { id: id() })).await, "id: ");
    wrong(client.delete(service.request("acme", DeleteRequest { id: id() })).await, "id: ");
    let list = ListRequest { after: id(), limit: 0 };
    wrong(client.list(service.request("acme", list)).await, "id: ");
    let list = ListRequest { after: String::new(), limit: -1 };
    wrong(client.list(service.request("acme", list)).await, "limit: ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_does_not_read_an_export_holds_no_connection() {
    let service = Service::start(1).await;
    // More than the buffers between hold.
    service.fill("acme", 5_000);
    service.fill("globex", 1);
    let mut client = service.client().await;
    let unread = client.export(service.request("acme", ExportRequest {})).await.unwrap();
    // Until the buffers are full, and nothing is read for them any more.
    let mut before = 0;
    while before != service.link.round_trips() {
        before = service.link.round_trips();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    service.nothing_is_left().await;
    let listed = client.list(service.request("globex", ListRequest::default())).await.unwrap();
    assert_eq!(listed.into_inner().documents.len(), 1);

    let mut late = unread.into_inner();
    let mut received = 0;
    while late.message().await.unwrap().is_some() {
        received += 1;
    }
    assert_eq!(received, 5_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_few_documents_asks_the_database_as_often_as_a_list() {
    let service = Service::start(1).await;
    service.fill("acme", 9);
    let mut client = service.client().await;
    let mut trips = Vec::new();
    // The first of each prepares its statement.
    for _ in 0..2 {
        let before = service.link.round_trips();
        client.list(service.request("acme", ListRequest::default())).await.unwrap();
        service.nothing_is_left().await;
        let listed = service.link.round_trips();
        let export = client.export(service.request("acme", ExportRequest {})).await.unwrap();
        let received = export.into_inner().collect::<Vec<_>>().await;
        assert!(received.len() == 9 && received.iter().all(Result::is_ok));
        service.nothing_is_left().await;
        trips = vec![listed - before, service.link.round_trips() - listed];
    }
    assert_eq!(trips[0], trips[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_as_large_as_they_may_be_can_be_listed_and_exported() {
    let world = world().await;
    // Four bytes each.
    let body = "\u{1F600}".repeat(100_000);
    let request = serde_json::json!({ "title": "\u{1F600}".repeat(200), "body": body }).to_string();
    let bearer = bearer(&world, "acme");
    let headers = [("authorization", bearer.as_str())];
    for _ in 0..12 {
        let written = world.edge.call(Method::POST, DOCUMENTS, &headers, Some(&request)).await;
        assert_eq!(written.unwrap().status, 201);
    }
    assert_eq!(titles(&world, "acme").await.len(), 12);

    let token = world.services.txn_token("acme", "alice", issuer::now());
    let mut client = world.documents().await.unwrap();
    let export = client.export(with_token(&token, ExportRequest {})).await;
    let mut export = export.unwrap().into_inner();
    let mut received = 0;
    while let Some(document) = export.message().await.unwrap() {
        assert_eq!(document.body, body);
        received += 1;
    }
    assert_eq!(received, 12);
}
