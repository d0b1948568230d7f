//! acmedocs as a process: how it ends.

use std::{path::Path, sync::Arc, time::Duration};

use acmedocs::proto::ExportRequest;
use demo::{Acmedocs, World, issuer};
use hyper::Method;
use tonic::Request;

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_lets_requests_under_way_finish() {
    let mut world = World::start(Acmedocs::Process).await.unwrap();
    world.link.set_delay(Duration::from_millis(150));
    let bearer = format!("Bearer {}", world.idp.bearer("acme", "alice", issuer::now()));
    let edge = world.edge.clone();
    let before = world.link.round_trips();
    let call = tokio::spawn(async move {
        let headers = [("authorization", bearer.as_str())];
        let body = Some(r#"{"title":"under way"}"#);
        edge.call(Method::POST, "/v1/documents", &headers, body).await.unwrap()
    });
    while world.link.round_trips() == before {
        assert!(!call.is_finished(), "it never reached the database");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let status = world.terminate().await.unwrap();
    let answer = call.await.unwrap();
    assert_eq!(answer.status, 201, "{answer}");
    assert_eq!(status.code(), Some(0));
    assert!(world.edge.call(Method::GET, "/healthz", &[], None).await.is_err(), "still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_does_not_wait_for_ever_for_a_caller_who_does_not_read() {
    let mut world = World::start(Acmedocs::Process).await.unwrap();
    let many = "INSERT INTO documents (tenant_id, title, body)
        SELECT 'acme', 'large', repeat('x', 10000) FROM generate_series(1, 2000)";
    world.database.execute(many).unwrap();
    let token = world.services.txn_token("acme", "alice", issuer::now());
    let mut request = Request::new(ExportRequest {});
    request.metadata_mut().insert("txn-token", token.parse().unwrap());
    let unread = world.documents().await.unwrap().export(request).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), world.terminate());
    assert_eq!(ended.await.unwrap().unwrap().code(), Some(0));
    drop(unread);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_world_leaves_no_process_and_no_folder() {
    let world = Arc::new(World::start(Acmedocs::Process).await.unwrap());
    let process = format!("/proc/{}", world.process_id().unwrap());
    let folder = world.folder().to_owned();
    assert!(Path::new(&process).exists() && folder.exists());
    drop(world);
    assert!(!folder.exists(), "{} is left", folder.display());
    // Killed; whoever waits for children gets to it.
    let gone = async {
        while Path::new(&process).exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(10), gone).await.is_ok(), "{process} is left");
}
