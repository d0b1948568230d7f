//! What comes in: context in extensions and scope, and where the layer stands among others.

use std::{convert::Infallible, net::SocketAddr, pin::pin, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo, routing::get};
use http::{Request, Response};
use tenantkit_core::{Source, TenantContext, TenantStatus};
use tenantkit_grpc::{PeerInfo, TenantLayer};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::cors::{Any, CorsLayer};

use crate::world::{GATEWAY, World, current, request, text};

/// Answers with who it believes it works for: as the argument, and as the scope.
async fn whoami(tenant: TenantContext) -> String {
    let before = current().unwrap_or_default();
    tokio::task::yield_now().await;
    format!("{} {before} {}", tenant.tenant(), current().unwrap_or_default())
}

fn app(layer: TenantLayer) -> Router {
    Router::new().route("/v1/documents", get(whoami)).layer(layer)
}

#[tokio::test]
async fn argument_and_scope_are_the_verified_tenant() {
    let world = World::new();
    let token = world.bearer("acme");
    let answer = app(world.edge_layer()).oneshot(request(&[("authorization", &token)])).await;
    assert_eq!(text(answer.unwrap()).await, "acme acme acme");
    let token = world.txn_token("globex");
    let answer = app(world.inner_layer()).oneshot(request(&[("txn-token", &token)])).await;
    assert_eq!(text(answer.unwrap()).await, "globex globex globex");
    assert_eq!(current(), None);
}

#[tokio::test]
async fn a_context_that_did_not_come_through_the_layer_is_overwritten() {
    let world = World::new();
    let mut forged = request(&[("txn-token", &world.txn_token("acme"))]);
    forged.extensions_mut().insert(world.context("globex"));
    let answer = app(world.inner_layer()).oneshot(forged).await.unwrap();
    assert_eq!(text(answer).await, "acme acme acme");

    let mut forged = request(&[]);
    forged.extensions_mut().insert(world.context("globex"));
    let answer = app(world.inner_layer()).oneshot(forged).await.unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test]
async fn two_tenants_that_take_turns_on_one_thread_never_meet() {
    let world = World::new();
    let service = app(world.inner_layer());
    let call =
        |tenant: &str| service.clone().oneshot(request(&[("txn-token", &world.txn_token(tenant))]));
    let (acme, globex) = tokio::join!(call("acme"), call("globex"));
    assert_eq!(text(acme.unwrap()).await, "acme acme acme");
    assert_eq!(text(globex.unwrap()).await, "globex globex globex");
}

#[tokio::test]
async fn what_needs_no_tenant_is_routed_outside() {
    let world = World::new();
    let app = app(world.inner_layer()).route("/healthz", get(async || "ok"));
    let health = Request::get("/healthz").body(Body::empty()).unwrap();
    assert_eq!(text(app.clone().oneshot(health).await.unwrap()).await, "ok");
    assert_eq!(app.oneshot(request(&[])).await.unwrap().status(), 401);
}

#[tokio::test]
async fn without_a_layer_the_extractor_refuses() {
    let app = Router::new().route("/v1/documents", get(whoami));
    let answer = app.oneshot(request(&[])).await.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["cache-control"], "no-store");
}

#[tokio::test]
async fn the_inner_call_itself_is_in_scope() {
    let world = World::new();
    // What a service does before it returns its future, as a client layer in it would.
    let service = world.inner_layer().layer(service_fn(|_: Request<Body>| {
        let seen = current().unwrap_or_default();
        std::future::ready(Ok::<_, Infallible>(Response::new(Body::from(seen))))
    }));
    let answer = service.oneshot(request(&[("txn-token", &world.txn_token("acme"))])).await;
    assert_eq!(text(answer.unwrap()).await, "acme");
}

#[tokio::test]
async fn a_service_called_inside_another_tenants_scope_refuses() {
    let world = World::new();
    let call =
        app(world.inner_layer()).oneshot(request(&[("txn-token", &world.txn_token("acme"))]));
    let answer = world.context("globex").scope(call).unwrap().await.unwrap();
    assert_eq!(answer.status(), 403);
    assert!(text(answer).await.contains("scope-disagrees"));
}

#[tokio::test]
async fn a_preflight_is_answered_outside_and_refusals_can_be_read_by_scripts() {
    let world = World::new();
    // Compiles only because `TenantBody` has a `Default`.
    let cors = CorsLayer::new().allow_origin(Any).allow_headers(Any);
    let service = ServiceBuilder::new()
        .layer(cors)
        .layer(world.edge_layer())
        .service(Router::new().route("/v1/documents", get(whoami)));

    let preflight = Request::options("/v1/documents")
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET")
        .body(Body::empty())
        .unwrap();
    let answer = service.clone().oneshot(preflight).await.unwrap();
    assert_eq!(answer.status(), 200);

    let answer = service.clone().oneshot(request(&[("origin", "https://app.example")])).await;
    let answer = answer.unwrap();
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers()["access-control-allow-origin"], "*");

    let token = world.bearer("acme");
    let answer = service.oneshot(request(&[("authorization", &token)])).await.unwrap();
    assert_eq!(text(answer).await, "acme acme acme");
}

#[tokio::test]
async fn an_answer_is_private_unless_its_handler_says_otherwise() {
    let world = World::new();
    let public = async || ([("cache-control", "public, max-age=60")], "for all");
    let app = app(world.inner_layer())
        .merge(Router::new().route("/public", get(public)).layer(world.inner_layer()));
    let token = world.txn_token("acme");

    let answer = app.clone().oneshot(request(&[("txn-token", &token)])).await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "private");
    // A caller who calls its request gRPC does not take that away.
    let said = request(&[("txn-token", &token), ("content-type", "application/grpc")]);
    let answer = app.clone().oneshot(said.map(|_| Body::empty())).await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "private");
    let public = Request::get("/public").header("txn-token", &token).body(Body::empty()).unwrap();
    let answer = app.oneshot(public).await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "public, max-age=60");
}

#[tokio::test]
async fn a_handler_may_finish_after_its_context_has_expired() {
    let world = World::new();
    let clock = world.clock.clone();
    let slow = async move |tenant: TenantContext| {
        clock.advance(Duration::from_secs(110));
        // Nothing new is opened for it.
        assert!(tenant.scope(()).is_err());
        "done"
    };
    let app = Router::new().route("/v1/documents", get(slow)).layer(world.inner_layer());
    let answer = app.oneshot(request(&[("txn-token", &world.txn_token("acme"))])).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(text(answer).await, "done");
}

#[tokio::test]
async fn a_gateway_is_told_by_the_address_that_the_server_saw() {
    let world = World::new();
    let layer = || TenantLayer::new(&world.authority).admit(Source::GatewayHeader);
    let from = |peer: &dyn Fn(&mut http::Extensions)| {
        // Forwarded headers are anybody's word and are never read.
        let forged = ("x-forwarded-for", "192.0.2.1");
        let mut request = request(&[("x-tenant-id", "acme"), forged]);
        peer(request.extensions_mut());
        app(layer()).oneshot(request)
    };
    let elsewhere: SocketAddr = ([198, 51, 100, 7], 443).into();
    let connected = |addr| tonic::transport::server::TcpConnectInfo {
        local_addr: None,
        remote_addr: Some(addr),
    };

    let status = async |answer: Result<Response<Body>, Infallible>| answer.unwrap().status();
    for (addr, expected) in [(GATEWAY, 200), (elsewhere, 401)] {
        let answer = from(&|it| {
            it.insert(ConnectInfo(addr));
        })
        .await;
        assert_eq!(status(answer).await, expected);
        let answer = from(&|it| {
            it.insert(connected(addr));
        })
        .await;
        assert_eq!(status(answer).await, expected);
        let answer = from(&|it| {
            it.insert(PeerInfo::new().addr(addr));
        })
        .await;
        assert_eq!(status(answer).await, expected);
    }
    assert_eq!(status(from(&|_| ()).await).await, 401);
    // What the server says itself goes before what a framework put there.
    let both = |it: &mut http::Extensions| {
        it.insert(ConnectInfo(GATEWAY));
        it.insert(PeerInfo::new().addr(elsewhere));
    };
    assert_eq!(status(from(&both).await).await, 401);
}

#[tokio::test]
async fn readiness_is_the_inner_services_own() {
    let world = World::new();
    let (inner, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let mut service = world.inner_layer().layer(inner);

    handle.allow(0);
    let mut ready = pin!(std::future::poll_fn(|cx| service.poll_ready(cx)));
    assert!(futures(ready.as_mut()).is_pending());
    handle.allow(1);
    assert!(futures(ready.as_mut()).is_ready());

    handle.send_error("broken");
    let broken = std::future::poll_fn(|cx| service.poll_ready(cx)).await;
    assert_eq!(broken.unwrap_err().to_string(), "broken");
}

/// One poll.
fn futures<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

#[tokio::test]
async fn a_suspended_tenant_is_refused_only_after_its_proof() {
    let world = World::new();
    let token = world.txn_token("acme");
    world.set_status("acme", TenantStatus::Suspended);
    let answer = app(world.inner_layer()).oneshot(request(&[("txn-token", &token)])).await.unwrap();
    assert_eq!(answer.status(), 403);
    assert!(text(answer).await.contains("urn:tenantkit:suspended"));
    // Without a proof nobody learns it.
    let forged = format!("{token}x");
    let answer =
        app(world.inner_layer()).oneshot(request(&[("txn-token", &forged)])).await.unwrap();
    assert_eq!(answer.status(), 401);
}
