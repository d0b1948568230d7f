//! The edge in front of a documents service that does not answer, and on cores that are taken.

use std::{net::TcpListener, pin::pin, sync::atomic::Ordering, time::Duration};

use acmedocs::{
    Config, authority,
    edge::{self, Cores},
    limits::Limited,
    telemetry::Telemetry,
};
use axum::{
    body::Body,
    http::{Request, request::Builder},
};
use demo::{Acmedocs, World, issuer};
use tenantkit::TenantId;
use tonic::codegen::Service;

use super::fake::Fake;

/// What the edge of `world` answers in front of the documents service at `url`.
async fn answered(world: &World, url: &str) -> axum::response::Response {
    asked(world, url, Request::get("/v1/documents"), Body::empty()).await
}

async fn asked(world: &World, url: &str, request: Builder, body: Body) -> axum::response::Response {
    let config = Config::load(&world.folder().join("acmedocs.toml").to_string_lossy()).unwrap();
    let authority = authority::edge(&config).unwrap();
    let documents = edge::documents(&authority, edge::channel(url).unwrap()).unwrap();
    let bearer = format!("Bearer {}", world.idp.bearer("acme", "alice", issuer::now()));
    let request = request.header("authorization", bearer).body(body).unwrap();
    let telemetry = Telemetry::of(&config, "edge", &authority).unwrap();
    let answer = edge::router(&authority, documents, None, &telemetry).unwrap().call(request);
    tokio::time::timeout(Duration::from_secs(3600), answer).await.expect("it hangs").unwrap()
}

#[tokio::test]
async fn a_read_that_finds_the_service_gone_for_a_moment_is_sent_again_and_a_write_is_not() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    let (fake, url) = Fake::start().await;
    fake.down.store(1, Ordering::SeqCst);
    fake.answers.add_permits(1);
    let read = asked(&world, &url, Request::get("/v1/documents/it"), Body::empty()).await;
    assert_eq!((read.status().as_u16(), fake.calls()), (200, 2));

    let draft = Request::post("/v1/documents").header("content-type", "application/json");
    let written = asked(&world, &url, draft, Body::from(r#"{"title":"it"}"#)).await;
    assert_eq!((written.status().as_u16(), fake.calls()), (503, 3));
}

#[tokio::test]
async fn a_documents_service_that_hangs_or_hangs_up_is_unavailable() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    let hangs = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs_up = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
    let urls = [url(&hangs), url(&hangs_up), "http://127.0.0.1:1".to_owned()];
    std::thread::spawn(move || hangs_up.incoming().for_each(drop));
    // Whoever waits for nothing but a timeout has it at once.
    tokio::time::pause();
    for url in urls {
        let answer = answered(&world, &url).await;
        assert_eq!(answer.status(), 503, "{url}");
        assert_eq!(answer.headers()["retry-after"], "1", "{url}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{url}");
        let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        assert!(body.contains("urn:tenantkit:overloaded"), "{url}: {body}");
    }
}

#[tokio::test]
async fn an_export_waits_for_a_core() {
    let world = World::start(Acmedocs::InProcess).await.unwrap();
    let mut config = Config::load(&world.folder().join("acmedocs.toml").to_string_lossy()).unwrap();
    config.limits = Some(concat!(env!("CARGO_MANIFEST_DIR"), "/limits.toml").into());
    let authority = authority::edge(&config).unwrap();
    let limits = Limited::by(&config, &authority, &authority).unwrap().unwrap().edge;
    let url = format!("http://{}", world.documents_address);
    let documents = edge::documents(&authority, edge::channel(&url).unwrap()).unwrap();
    let telemetry = Telemetry::of(&config, "edge", &authority).unwrap();
    let cores = Cores::new(1).unwrap();
    let limits = Some((&limits, cores.clone()));
    let mut router = edge::router(&authority, documents, limits, &telemetry).unwrap();
    let at_work = cores.one_for(&TenantId::new("globex").unwrap()).await.unwrap();

    let bearer = format!("Bearer {}", world.idp.bearer("acme", "alice", issuer::now()));
    let request = Request::post("/v1/exports").header("authorization", bearer);
    let mut answer = pin!(router.call(request.body(Body::empty()).unwrap()));
    while cores.waiters() == 0 {
        tokio::select! {
            answer = &mut answer => panic!("it did not wait: {answer:?}"),
            () = tokio::task::yield_now() => {}
        }
    }
    drop(at_work);
    assert_eq!(answer.await.unwrap().status(), 200);
    assert_eq!(cores.waiters(), 0);
}
