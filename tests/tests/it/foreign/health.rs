//! Whoever asks whether a service is well has no tenant, and needs none.

use hyper::Method;
use tonic::transport::Endpoint;
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::support::world;

#[tokio::test(flavor = "multi_thread")]
async fn health_is_answered_without_a_tenant() {
    let world = world().await;
    let answer = world.edge.call(Method::GET, "/healthz", &[], None).await.unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "ok"));

    let documents = format!("http://{}", world.documents_address);
    let channel = Endpoint::from_shared(documents).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel);
    let service = "acmedocs.v1.Documents".to_owned();
    let answer = health.check(HealthCheckRequest { service }).await.unwrap();
    assert_eq!(answer.into_inner().status(), tonic_health::ServingStatus::Serving.into());
}
