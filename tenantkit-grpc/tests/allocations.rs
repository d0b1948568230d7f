//! What the layers allocate a request. In a binary of its own, whose allocator counts.

#![allow(clippy::unwrap_used, reason = "a failed unwrap here is a failed test")]

#[path = "../benches/layer/stacks.rs"]
mod stacks;

use std::convert::Infallible;

use axum::body::Body;
use http::{Request, Response};
use tenantkit_core::{Inbound, Source};
use tenantkit_grpc::TenantClientLayer;
use tenantkit_limit::quota::Cost;
use tower::{Layer, Service, service_fn};

use stacks::{NOTHING, ONE, PLENTY, Setup, bare, begin, send, streaming};

/// The allocations of one request, after a few that warm it up.
fn count<S, B>(setup: &Setup, mut service: S) -> u64
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    for _ in 0..100 {
        send(&mut service, setup.request());
    }
    let request = setup.request();
    allocation_counter::measure(|| send(&mut service, request)).count_total
}

#[test]
fn a_tenants_request_allocates_little_more_than_anybodys() {
    // A runtime, on which a body that were not over at once would get a task.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _entered = runtime.enter();
    let setup = Setup::new();
    let bare = || bare();
    let base = count(&setup, bare());
    let nothing = count(&setup, bare().layer(NOTHING)) - base;
    let through = count(&setup, bare().layer(setup.layer())) - base;
    let around = count(&setup, setup.layer().layer(bare())) - base;
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
    println!(
        "over {base} of a bare route: nothing {nothing}, through the router {through}, around it {around}"
    );
    assert!(through <= 8, "{through} through Router::layer");
    assert!(around <= 3, "{around} around the router");
    // That it counts at all.
    assert!(nothing >= 1 && count(&setup, NOTHING.layer(bare())) == base);
}

#[test]
fn a_limit_refuses_and_lets_in_without_an_allocation() {
    let setup = Setup::new();
    let listener = setup.authority.listener().admit(Source::TxnToken);
    let inbound = setup.request();
    let context = listener.identify(Inbound::new(inbound.headers())).unwrap();
    let (plenty, one) = (setup.limits(PLENTY), setup.limits(ONE));
    let enter = || drop(plenty.try_enter(&context, Cost::ONE).unwrap());
    enter();
    let entered = allocation_counter::measure(enter).count_total;
    let refuse = || drop(one.try_enter(&context, Cost::ONE).unwrap_err());
    drop(one.try_enter(&context, Cost::ONE).unwrap());
    let refused = allocation_counter::measure(refuse).count_total;
    println!("entered: {entered}, refused: {refused}");
    assert_eq!((entered, refused), (0, 0));
}

#[test]
fn a_stream_that_is_watched_costs_a_task_and_what_it_shares() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let setup = Setup::new();
    let measure = |inside: bool| {
        let mut service = setup.layer().layer(streaming());
        let _entered = inside.then(|| runtime.enter());
        for _ in 0..100 {
            drop(begin(&mut service, setup.request()));
        }
        let request = setup.request();
        allocation_counter::measure(|| drop(begin(&mut service, request)))
    };
    let (alone, watched) = (measure(false), measure(true));
    let (count, bytes) =
        (watched.count_total - alone.count_total, watched.bytes_total - alone.bytes_total);
    println!("a watched stream: {count} allocations, {bytes} bytes more");
    assert!(count <= 2 && bytes <= 1024, "{count} allocations, {bytes} bytes");
    assert!(count >= 1, "it is not watched");
}

#[test]
fn a_call_allocates_the_name_and_the_value_of_its_header() {
    let setup = Setup::new();
    let listener = setup.authority.listener().admit(Source::TxnToken);
    let inbound = setup.request();
    let context = listener.identify(Inbound::new(inbound.headers())).unwrap();
    let peer =
        service_fn(|_| std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
    let mut client = TenantClientLayer::new(&setup.authority).layer(peer);
    let mut count = || {
        let mut request = setup.request();
        request.headers_mut().clear();
        allocation_counter::measure(|| send(&mut client, request)).count_total
    };
    let counted = context.in_scope(|| (count(), count()).1).unwrap();
    println!("a call: {counted}");
    assert!(counted <= 2, "{counted} a call, into a header table that was there");
}
