//! What goes out: with whose token, and what does not go out.

use std::{
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
};

use axum::body::Body;
use http::{Request, Response, Uri};
use http_body::Body as _;
use http_body_util::BodyExt;
use tenantkit_core::{Reason, TenantStatus};
use tenantkit_grpc::{BoxError, ClientError, TenantClientLayer, client::TenantClient};
use tower::{Service, ServiceExt, service_fn};

use crate::world::{LIFE, World, text};

const TRUSTED: &str = "http://documents.internal:8080/v1/documents";

/// The peer, which keeps what reaches it.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<Vec<http::request::Parts>>>);

impl Peer {
    fn behind(
        &self,
        layer: TenantClientLayer,
    ) -> TenantClient<
        impl Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send>
        + Clone
        + use<>,
    > {
        let seen = Arc::clone(&self.0);
        layer.trust("documents.internal:8080").layer(service_fn(move |it: Request<Body>| {
            seen.lock().unwrap().push(it.into_parts().0);
            std::future::ready(Ok(Response::new(Body::from("the peer's answer"))))
        }))
    }

    fn seen(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    /// The token that came with the last request.
    fn token(&self) -> String {
        let seen = self.0.lock().unwrap();
        let tokens: Vec<_> = seen.last().unwrap().headers.get_all("txn-token").iter().collect();
        assert_eq!(tokens.len(), 1);
        assert!(tokens[0].is_sensitive());
        tokens[0].to_str().unwrap().to_owned()
    }
}

fn to(uri: &'static str) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = Uri::from_static(uri);
    request
}

fn grpc() -> Request<Body> {
    let mut request = to("/acmedocs.v1.Documents/Get");
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    request
}

#[tokio::test]
async fn the_token_that_came_in_goes_out_unmodified() {
    let (world, peer) = (World::new(), Peer::default());
    let token = world.txn_token("acme");
    let client = peer.behind(world.client_layer());
    let handler = service_fn(async |_: Request<Body>| {
        let answer = client.clone().oneshot(to(TRUSTED)).await.unwrap();
        Ok::<_, Infallible>(answer)
    });
    let server = world.inner_layer().layer(handler);
    let answer = server.oneshot(crate::world::request(&[("txn-token", &token)])).await.unwrap();
    assert_eq!(text(answer).await, "the peer's answer");
    assert_eq!(peer.token(), token);
}

#[tokio::test]
async fn where_nothing_came_in_to_forward_a_token_is_minted_that_the_next_service_admits() {
    let (world, peer) = (World::new(), Peer::default());
    let call = peer.behind(world.client_layer()).oneshot(to(TRUSTED));
    world.context_from_outside("acme").scope(call).unwrap().await.unwrap();

    let next = world.inner_layer().layer(service_fn(async |_: Request<Body>| {
        Ok::<_, Infallible>(Response::new(Body::from(crate::world::current().unwrap())))
    }));
    let answer = next.oneshot(crate::world::request(&[("txn-token", &peer.token())])).await;
    assert_eq!(text(answer.unwrap()).await, "acme");
}

#[tokio::test]
async fn an_explicit_context_needs_no_scope() {
    let (world, peer) = (World::new(), Peer::default());
    let mut request = to(TRUSTED);
    request.extensions_mut().insert(world.context("acme"));
    peer.behind(world.client_layer()).oneshot(request).await.unwrap();
    assert_eq!(peer.seen(), 1);
}

#[tokio::test]
async fn the_peers_body_is_passed_on_as_it_is() {
    let (world, peer) = (World::new(), Peer::default());
    let call = async || {
        let call = peer.behind(world.client_layer()).oneshot(to(TRUSTED));
        world.context("acme").scope(call).unwrap().await.unwrap().into_body()
    };
    let mut body = call().await;
    assert_eq!(body.size_hint().exact(), Some(17));
    assert!(!body.is_end_stream());
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "the peer's answer");
    assert!(body.is_end_stream());
    assert!(call().await.into_inner().is_some());

    let mut none = peer.behind(world.client_layer()).oneshot(grpc()).await.unwrap().into_body();
    assert_eq!(none.size_hint().exact(), Some(0));
    assert!(none.is_end_stream() && none.frame().await.is_none() && none.into_inner().is_none());
}

/// Why a call of `acme` is refused, on HTTP and on gRPC.
async fn refused(world: &World, change: impl Fn(&mut Request<Body>)) -> Reason {
    let peer = Peer::default();
    let context = world.context("acme");
    let over = async |mut request: Request<Body>| {
        change(&mut request);
        let call = peer.behind(world.client_layer()).oneshot(request);
        context.scope(call).unwrap().await
    };
    let error = over(to(TRUSTED)).await.unwrap_err();
    let refusal = error.refusal().expect("refused here");
    let status = over(grpc()).await.expect("a local status");
    assert_eq!(status.status(), 200);
    assert_eq!(status.headers()["grpc-status"], refusal.code().grpc_code().to_string());
    assert_eq!(text(status).await, "");
    assert_eq!(peer.seen(), 0, "something went out");
    refusal.reason()
}

#[tokio::test]
async fn a_call_that_is_nobodys_work_does_not_go_out() {
    let (world, peer) = (World::new(), Peer::default());
    let client = peer.behind(world.client_layer());
    let error = client.clone().oneshot(to(TRUSTED)).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason(), Reason::NoIdentity);
    let status = client.oneshot(grpc()).await.unwrap();
    assert_eq!(status.headers()["grpc-status"], "16");
    assert_eq!(peer.seen(), 0);
    assert_eq!(world.audited(), [("no-identity", None), ("no-identity", None)]);
}

#[tokio::test]
async fn an_argument_and_a_scope_that_disagree_are_refused() {
    let world = World::new();
    let globex = world.context("globex");
    let reason = refused(&world, |request| {
        request.extensions_mut().insert(globex.clone());
    });
    assert_eq!(reason.await, Reason::ScopeDisagrees);
}

#[tokio::test]
async fn an_identity_header_of_the_callers_own_is_refused() {
    let world = World::new();
    for name in ["txn-token", "txn_token", "txn.token", "x-tenant-id", "x_tenant_id", "x-tenant~id"]
    {
        let reason = refused(&world, |request| {
            request.headers_mut().insert(name, "globex".parse().unwrap());
        });
        assert_eq!(reason.await, Reason::NotAdmitted, "{name}");
    }
    let reason = refused(&world, |request| {
        request.headers_mut().insert("connection", "close, Txn-Token".parse().unwrap());
    });
    assert_eq!(reason.await, Reason::HopByHopHeader);
    // What only begins or ends alike is somebody else's.
    for other in ["txn-tokens", "txn-toke", "x-tenant-idx"] {
        let peer = Peer::default();
        let mut request = to(TRUSTED);
        request.headers_mut().insert(other, "globex".parse().unwrap());
        request.extensions_mut().insert(world.context("acme"));
        peer.behind(world.client_layer()).oneshot(request).await.unwrap();
    }
}

#[tokio::test]
async fn a_host_outside_the_trust_domain_is_told_nothing() {
    let world = World::new();
    let reason = refused(&world, |request| {
        *request.uri_mut() = Uri::from_static("http://elsewhere.example/v1/documents");
    });
    assert_eq!(reason.await, Reason::OutsideTrustDomain);
    assert_eq!(world.audited().len(), 2);
    // A mesh on the way goes by the header, wherever the connection goes.
    let reason = refused(&world, |request| {
        request.headers_mut().insert("host", "elsewhere.example".parse().unwrap());
    });
    assert_eq!(reason.await, Reason::OutsideTrustDomain);
}

#[tokio::test]
async fn every_call_is_a_door_that_checks_again() {
    let world = World::new();
    world.context("acme");
    let (client, peer) = (world.client_layer(), Peer::default());
    let context = world.context("acme");
    let call = async |reason| {
        let mut request = to(TRUSTED);
        request.extensions_mut().insert(context.clone());
        let error = peer.behind(client.clone()).oneshot(request).await.unwrap_err();
        assert_eq!(error.refusal().unwrap().reason(), reason);
    };
    world.set_status("acme", TenantStatus::Suspended);
    call(Reason::TenantSuspended).await;
    world.set_status("acme", TenantStatus::Active);
    world.clock.advance(LIFE);
    call(Reason::Expired).await;

    let mut request = to(TRUSTED);
    request.extensions_mut().insert(World::new().context("acme"));
    let error = peer.behind(client.clone()).oneshot(request).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().reason(), Reason::ForeignAuthority);
    assert_eq!(peer.seen(), 0);
}

#[tokio::test]
async fn the_clients_own_failure_stays_what_it_was() {
    let world = World::new();
    let broken = service_fn(async |_: Request<Body>| {
        Err::<Response<Body>, BoxError>(Box::new(io::Error::from(io::ErrorKind::ConnectionReset)))
    });
    let call = world.client_layer().layer(broken).oneshot(to("/"));
    let error = world.context("acme").scope(call).unwrap().await.unwrap_err();
    let ClientError::Inner(inner) = error else { panic!("{error}") };
    let inner = inner.downcast::<io::Error>().expect("the client's own error");
    assert_eq!(inner.kind(), io::ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn readiness_is_the_clients_own() {
    use std::task::{Context, Poll, Waker};

    let world = World::new();
    let (inner, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
    let (capture, hop) = world.client_layer().split();
    let mut client = tower::Layer::layer(&capture, tower::Layer::layer(&hop, inner));

    let mut cx = Context::from_waker(Waker::noop());
    let mut ready = || Service::<Request<Body>>::poll_ready(&mut client, &mut cx);
    handle.allow(0);
    assert!(ready().is_pending());
    handle.allow(1);
    assert!(ready().is_ready());
    handle.send_error("broken");
    let Poll::Ready(Err(ClientError::Inner(inner))) = ready() else { panic!("not broken") };
    assert_eq!(inner.to_string(), "broken");
}
