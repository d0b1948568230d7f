//! The edge's one connection to the documents service, on which the callers of every tenant come: those
//! who hang up, however many, end nobody else's call.

use std::{thread, time::Duration};

use acmedocs::{
    edge,
    proto::{CreateRequest, GetRequest, ListRequest, documents_client::DocumentsClient},
};
use tonic::{Status, transport::Channel};

use super::fake::Fake;

/// Fewer than the streams of a connection, so that all of them are on their way at once.
const AT_ONCE: usize = 150;

/// A call of somebody who does not hang up.
fn patient(client: &DocumentsClient<Channel>) -> tokio::task::JoinHandle<Result<(), Status>> {
    let mut client = client.clone();
    tokio::spawn(async move { client.list(ListRequest::default()).await.map(drop) })
}

/// Begins so many calls, and hangs up when `enough` says so.
async fn hang_up(client: &DocumentsClient<Channel>, enough: impl Future<Output = ()>) {
    let call = |_| {
        let mut client = client.clone();
        tokio::spawn(async move { client.get(GetRequest::default()).await.map(drop) })
    };
    let calls: Vec<_> = (0..AT_ONCE).map(call).collect();
    enough.await;
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    for call in calls {
        drop(call.await);
    }
}

/// Lets all that is ready now be done.
async fn settle() {
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
}

/// They are gone before the service has come to look at them, as when it is short of a processor.
#[tokio::test]
async fn callers_who_hang_up_before_they_are_seen_end_nobody_elses_call() {
    let (fake, url) = Fake::start().await;
    let client = DocumentsClient::new(edge::channel(&url).unwrap());
    let patient = patient(&client);
    fake.has_seen(1).await;
    let (go_on, goes_on) = std::sync::mpsc::channel();
    *fake.goes_on.lock().unwrap() = Some(goes_on);
    let mut other = client.clone();
    let stops = tokio::spawn(async move { other.create(CreateRequest::default()).await.map(drop) });
    fake.has_seen(2).await;
    for _ in 0..4 {
        hang_up(&client, settle()).await;
        settle().await;
    }
    go_on.send(()).unwrap();
    stops.await.unwrap().unwrap();
    fake.ended.notify_one();
    patient.await.unwrap().unwrap();
}

/// They are gone while their answers are on the way, as when the edge is short of a processor.
#[tokio::test]
async fn callers_who_hang_up_when_they_are_answered_end_nobody_elses_call() {
    let (fake, url) = Fake::start().await;
    let client = DocumentsClient::new(edge::channel(&url).unwrap());
    let patient = patient(&client);
    fake.has_seen(1).await;
    for round in 1..=15 {
        let answered = async {
            while fake.calls() < 1 + round * AT_ONCE {
                assert!(!patient.is_finished(), "the connection ended in round {round}");
                tokio::task::yield_now().await;
            }
            fake.answers.add_permits(AT_ONCE);
            // On purpose on this thread, which reads no answer meanwhile. Were it too short, less would
            // be on the way, and the test would be easier to pass, not harder.
            thread::sleep(Duration::from_millis(50));
        };
        hang_up(&client, answered).await;
    }
    fake.ended.notify_one();
    patient.await.unwrap().unwrap();
}
