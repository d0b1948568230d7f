//! What the layers cost a request, beside a layer that does nothing, in the same run:
//! `cargo bench -p tenantkit-grpc --bench layer`.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench, on constants")]

mod stacks;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Waker},
};

use axum::body::Body;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use tenantkit_core::{Inbound, Source, TenantContext};
use tenantkit_grpc::{TenantClientLayer, limit::LimitLayer};
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, service_fn};

use stacks::{NOTHING, ONE, PLENTY, Setup, answer, bare, begin, frame, send, streaming};

/// A few requests at a time: criterion's own batches are megabytes of them, and time the memory.
const BATCH: BatchSize = BatchSize::NumIterations(16);

/// One request through `service`; making the request is not timed.
fn time<S, B>(criterion: &mut Criterion, name: &str, setup: &Setup, mut service: S)
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
    B: http_body::Body<Error: std::fmt::Debug>,
{
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched(|| setup.request(), |request| send(&mut service, request), BATCH);
    });
}

fn server(criterion: &mut Criterion) {
    let setup = Setup::new();
    time(criterion, "server/bare", &setup, bare());
    time(criterion, "server/nothing-through-router", &setup, bare().layer(NOTHING));
    time(criterion, "server/tenant-through-router", &setup, bare().layer(setup.layer()));
    time(criterion, "server/nothing-around-router", &setup, NOTHING.layer(bare()));
    time(criterion, "server/tenant-around-router", &setup, setup.layer().layer(bare()));
}

/// All limits at once, in the tenant's layer; and a request that they refuse, from its cached token to
/// the answer. `NOTHING` stands where the limits do, so that the difference is theirs.
fn limits(criterion: &mut Criterion) {
    let setup = Setup::new();
    let tenant = || setup.layer();
    time(criterion, "limit/none", &setup, bare().layer(NOTHING).layer(tenant()));
    let plenty = LimitLayer::new(setup.limits(PLENTY));
    time(criterion, "limit/all", &setup, bare().layer(plenty.clone()).layer(tenant()));
    time(criterion, "limit/all-told", &setup, bare().layer(plenty.tell_standing()).layer(tenant()));

    let one = LimitLayer::new(setup.limits(ONE));
    let mut through = bare().layer(one.clone()).layer(tenant());
    let mut around = tenant().layer(one.layer(bare()));
    send(&mut through, setup.request());
    criterion.bench_function("limit/refused-through-router", |bencher| {
        bencher.iter_batched(|| setup.request(), |it| refused(&mut through, it), BATCH);
    });
    criterion.bench_function("limit/refused-around-router", |bencher| {
        bencher.iter_batched(|| setup.request(), |it| refused(&mut around, it), BATCH);
    });
}

/// Sends one request that is refused for its rate.
fn refused<S, B>(service: &mut S, request: Request<Body>)
where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
{
    assert_eq!(answer(service, request).status(), 429);
}

/// A stream, on a runtime that has its turn in the middle and at the end: it polls the task that
/// watches a body, and takes it away.
fn streams(criterion: &mut Criterion) {
    let setup = Setup::new();
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    stream(criterion, "stream/bare", &setup, &runtime, true, streaming());
    let tenant = || setup.layer().layer(streaming());
    stream(criterion, "stream/tenant-alone", &setup, &runtime, false, tenant());
    stream(criterion, "stream/tenant-watched", &setup, &runtime, true, tenant());
}

/// One stream through `service`, whose handler answers on the runtime or outside of it.
fn stream<S, B>(
    criterion: &mut Criterion,
    name: &str,
    setup: &Setup,
    runtime: &Runtime,
    inside: bool,
    mut service: S,
) where
    S: Service<Request<Body>, Response = Response<B>, Error: std::fmt::Debug>,
    B: http_body::Body<Error: std::fmt::Debug> + Unpin,
{
    let turn = || runtime.block_on(tokio::task::yield_now());
    criterion.bench_function(name, |bencher| {
        bencher.iter_batched(
            || setup.request(),
            |request| {
                let mut body = {
                    let _entered = inside.then(|| runtime.enter());
                    begin(&mut service, request)
                };
                turn();
                let mut cx = Context::from_waker(Waker::noop());
                while let Some(read) = frame(Pin::new(&mut body), &mut cx) {
                    read.unwrap();
                }
                drop(body);
                turn();
            },
            BATCH,
        );
    });
}

fn client(criterion: &mut Criterion) {
    let setup = Setup::new();
    let peer =
        service_fn(|_| std::future::ready(Ok::<_, Infallible>(Response::new(Body::empty()))));
    let listener = setup.authority.listener().admit(Source::TxnToken);
    let inbound = setup.request();
    let context: TenantContext = listener.identify(Inbound::new(inbound.headers())).unwrap();
    let outbound = || {
        let mut request = setup.request();
        request.headers_mut().clear();
        request
    };
    let mut bare = peer;
    let mut tenant = TenantClientLayer::new(&setup.authority).layer(peer);
    criterion.bench_function("client/bare", |bencher| {
        bencher.iter_batched(outbound, |it| send(&mut bare, it), BATCH);
    });
    context
        .in_scope(|| {
            criterion.bench_function("client/tenant", |bencher| {
                bencher.iter_batched(outbound, |it| send(&mut tenant, it), BATCH);
            });
        })
        .unwrap();
}

criterion_group!(benches, server, limits, streams, client);
criterion_main!(benches);
