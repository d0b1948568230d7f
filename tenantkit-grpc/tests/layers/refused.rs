//! How a refusal answers: over HTTP, over gRPC, over gRPC-Web.

use std::{convert::Infallible, pin::Pin, task};

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tenantkit_core::{Reason, Refusal, Source, TenantStatus};
use tenantkit_grpc::TenantLayer;
use tower::{ServiceBuilder, ServiceExt, service_fn};

use crate::world::{World, request, text};

async fn answer(layer: TenantLayer, request: Request<Body>) -> Response<String> {
    let service =
        layer.layer(service_fn(async |_| Ok::<_, Infallible>(Response::new(Body::empty()))));
    let (head, body) = service.oneshot(request).await.unwrap().into_parts();
    Response::from_parts(head, text(Response::new(body)).await)
}

#[tokio::test]
async fn over_http_it_is_a_problem_document_with_a_challenge() {
    let world = World::new();
    let nobody = answer(world.edge_layer(), request(&[])).await;
    assert_eq!(nobody.status(), 401);
    assert_eq!(nobody.headers()["content-type"], "application/problem+json");
    assert_eq!(nobody.headers()["cache-control"], "no-store");
    assert_eq!(nobody.headers()["www-authenticate"], "Bearer");
    assert!(!nobody.headers().contains_key("retry-after"));
    assert!(nobody.extensions().get::<Refusal>().is_some());
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(nobody.body()).unwrap(),
        serde_json::json!({
            "type": "urn:tenantkit:no-tenant",
            "title": "No tenant",
            "status": 401,
            "detail": "No identity was presented. Present a token that this listener admits.",
            "reason": "no-identity",
        })
    );

    let forged = answer(world.edge_layer(), request(&[("authorization", "Bearer nonsense")])).await;
    assert_eq!(forged.headers()["www-authenticate"], r#"Bearer error="invalid_token""#);

    let nobody = answer(world.inner_layer(), request(&[])).await;
    assert_eq!(nobody.headers()["www-authenticate"], "Txn-Token");
    let forged = answer(world.inner_layer(), request(&[("txn-token", "nonsense")])).await;
    assert_eq!(forged.headers()["www-authenticate"], r#"Txn-Token error="invalid_token""#);
}

#[tokio::test]
async fn who_may_come_with_a_bearer_token_is_told_so_in_whatever_order_it_was_admitted() {
    let world = World::new();
    let layer = |first, second| TenantLayer::new(&world.authority).admit(first).admit(second);
    for layer in [
        layer(Source::Bearer, Source::TxnToken),
        layer(Source::TxnToken, Source::Bearer),
        layer(Source::Bearer, Source::GatewayHeader),
    ] {
        let nobody = answer(layer, request(&[])).await;
        assert_eq!(nobody.headers()["www-authenticate"], "Bearer");
    }
    let nobody = answer(layer(Source::TxnToken, Source::GatewayHeader), request(&[])).await;
    assert_eq!(nobody.headers()["www-authenticate"], "Txn-Token");
}

#[tokio::test]
async fn where_waiting_helps_it_says_how_long() {
    let world = World::new();
    let token = world.txn_token("acme");
    world.set_status("acme", TenantStatus::Moving);
    let moving = answer(world.inner_layer(), request(&[("txn-token", &token)])).await;
    assert_eq!(moving.status(), 503);
    assert_eq!(moving.headers()["retry-after"], "1");
    assert!(!moving.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn over_grpc_it_is_a_status_without_a_body_and_never_an_http_error() {
    let world = World::new();
    for (spoken, answered) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc+proto", "application/grpc"),
        ("application/grpc-web", "application/grpc-web+proto"),
        ("application/grpc-web+proto", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text+proto"),
    ] {
        let refused = answer(world.inner_layer(), request(&[("content-type", spoken)])).await;
        assert_eq!(refused.status(), 200, "{spoken}");
        assert_eq!(refused.headers()["content-type"], answered);
        assert_eq!(refused.headers()["grpc-status"], "16");
        assert_eq!(refused.headers()["cache-control"], "no-store");
        let refusal = refused.extensions().get::<Refusal>().expect("for a layer outside");
        assert_eq!(refusal.reason(), Reason::NoIdentity);
        assert!(refused.body().is_empty());
    }
}

#[tokio::test]
async fn a_request_that_cannot_be_grpc_is_refused_with_an_http_error_whatever_it_says() {
    let world = World::new();
    for method in ["GET", "HEAD", "OPTIONS", "CONNECT"] {
        for spoken in ["application/grpc", "application/grpc-web", "application/grpc-web-text"] {
            let mut request = request(&[("content-type", spoken)]);
            *request.method_mut() = method.parse().unwrap();
            let refused = answer(world.inner_layer(), request).await;
            assert_eq!(refused.status(), 401, "{method} {spoken}");
            assert_eq!(refused.headers()["content-type"], "application/problem+json");
        }
    }
}

#[tokio::test]
async fn it_never_echoes_what_was_presented_nor_names_a_tenant() {
    let world = World::new();
    let token = world.txn_token("acme");
    world.set_status("acme", TenantStatus::Suspended);
    for spoken in ["application/json", "application/grpc"] {
        let headers = [("content-type", spoken), ("txn-token", token.as_str())];
        let refused = format!("{:?}", answer(world.inner_layer(), request(&headers)).await);
        assert!(!refused.contains("acme"), "{refused}");
        assert!(!refused.contains(&token[..16]), "{refused}");
    }
    // The auditor is told.
    let acme = Some("acme".parse().unwrap());
    assert_eq!(world.audited(), [("tenant-suspended", acme), ("tenant-suspended", acme)]);
}

/// A body that must not be read.
struct Unread;

impl http_body::Body for Unread {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
    ) -> task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("read before the refusal");
    }
}

#[tokio::test]
async fn no_body_is_read_before_it() {
    let world = World::new();
    let service = world.inner_layer().layer(service_fn(async |request: Request<Body>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    }));
    let request = request(&[]).map(|_| Body::new(Unread));
    assert_eq!(service.oneshot(request).await.unwrap().status(), 401);
}

#[tokio::test]
async fn with_tonic_web_outside_it_is_plain_grpc_inside() {
    let world = World::new();
    let service = ServiceBuilder::new()
        .layer(tonic_web::GrpcWebLayer::new())
        .layer(world.inner_layer())
        .service(service_fn(async |_: Request<tonic::body::Body>| {
            let stream = http_body_util::Full::new(Bytes::from_static(b"frame"));
            let answer = Response::builder().header("content-type", "application/grpc");
            Ok::<_, Infallible>(answer.body(stream).unwrap())
        }));
    let call = |token: &str| {
        let request = Request::post("http://acmedocs.example/acmedocs.v1.Documents/Watch")
            .header("content-type", "application/grpc-web+proto")
            .header("txn-token", token)
            .body(tonic::body::Body::empty());
        service.clone().oneshot(request.unwrap())
    };

    let refused = call("forged").await.unwrap();
    assert_eq!(refused.headers()["content-type"], "application/grpc-web+proto");
    assert_eq!(refused.headers()["grpc-status"], "16");

    // What is cut ends with trailers in the body, as a browser reads them.
    let answer = call(&world.txn_token("acme")).await.unwrap();
    world.clock.advance(crate::world::LIFE + crate::world::GRACE);
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body[0], 0x80);
    assert!(String::from_utf8_lossy(&body).contains("grpc-status:16\r\n"), "{body:?}");
}
