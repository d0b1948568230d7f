//! What the layers allocate a request. In a binary of its own, whose allocator counts.

#![allow(clippy::unwrap_used, reason = "a failed unwrap here is a failed test")]

#[path = "../benches/layer/stacks.rs"]
mod stacks;

use axum::body::Body;
use http::{Request, Response};
use tower::{Layer, Service};

use stacks::{NOTHING, Setup, bare, send};

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
    let setup = Setup::new();
    let bare = || bare();
    let base = count(&setup, bare());
    let nothing = count(&setup, bare().layer(NOTHING)) - base;
    let through = count(&setup, bare().layer(setup.layer())) - base;
    let around = count(&setup, setup.layer().layer(bare())) - base;
    println!(
        "over {base} of a bare route: nothing {nothing}, through the router {through}, around it {around}"
    );
    assert!(through <= 8, "{through} through Router::layer");
    assert!(around <= 3, "{around} around the router");
    // That it counts at all.
    assert!(nothing >= 1 && count(&setup, NOTHING.layer(bare())) == base);
}
