//! Spans that are made with the API of OpenTelemetry.

use std::{
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, Waker},
};

use http_body::Body as _;
use opentelemetry::{
    KeyValue,
    trace::{Span as _, Tracer as _},
};
use tenantkit_core::task;

use crate::world::{World, assert_nobody, assert_tenant, values};

#[test]
fn a_span_has_the_tenant_in_whose_scope_it_was_made() {
    let world = World::new();
    let acme = world.tenant("acme");
    let mut span = acme.in_scope(|| world.tracer.start("work")).unwrap();
    // It ends outside, and in the scope of another.
    world.tenant("globex").in_scope(|| span.end()).unwrap();
    assert_tenant(&world.span("work").attributes, &acme);
}

#[test]
fn a_span_of_nobody_has_nothing() {
    let world = World::new();
    let mut span = world.tracer.start("work");
    world.tenant("globex").in_scope(|| span.end()).unwrap();
    assert_nobody(&world.span("work").attributes);
}

#[test]
fn what_the_scope_says_wins_over_what_the_application_says() {
    let world = World::new();
    let acme = world.tenant("acme");
    let forged = || KeyValue::new("tenant.id", "globex");
    acme.in_scope(|| {
        let builder = world.tracer.span_builder("work").with_attributes([forged()]);
        let mut span = builder.start(&world.tracer);
        span.set_attribute(forged());
        span.set_attribute(KeyValue::new("tenant.tier", "platinum"));
        span.set_attribute(KeyValue::new("rows", 3));
        span.add_event("event", vec![forged()]);
        span.end();
    })
    .unwrap();
    let span = world.span("work");
    assert_tenant(&span.attributes, &acme);
    assert_tenant(&span.events[0].attributes, &acme);
    assert_eq!(values(&span.attributes, "rows"), ["3"]);
}

#[test]
fn an_event_has_the_tenant_of_its_span() {
    let world = World::new();
    let acme = world.tenant("acme");
    acme.in_scope(|| {
        let mut span = world.tracer.start("work");
        span.add_event("event", vec![KeyValue::new("rows", 3)]);
        span.end();
    })
    .unwrap();
    let span = world.span("work");
    assert_tenant(&span.events[0].attributes, &acme);
    assert_eq!(values(&span.events[0].attributes, "rows"), ["3"]);
}

#[test]
fn tenants_that_take_turns_on_one_thread_do_not_see_each_other() {
    let world = World::new();
    let (acme, globex) = (world.tenant("acme"), world.tenant("globex"));
    let work = |name: &'static str| {
        let (tracer, mut left) = (world.tracer.clone(), 3);
        poll_fn(move |_| {
            tracer.start(name).end();
            left -= 1;
            if left == 0 { Poll::Ready(()) } else { Poll::Pending }
        })
    };
    let mut one = pin!(acme.scope(work("of acme")).unwrap());
    let mut other = pin!(globex.scope(work("of globex")).unwrap());
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..3 {
        let _ = one.as_mut().poll(&mut cx);
        let _ = other.as_mut().poll(&mut cx);
        world.tracer.start("of nobody").end();
    }
    for span in world.spans() {
        match &*span.name {
            "of acme" => assert_tenant(&span.attributes, &acme),
            "of globex" => assert_tenant(&span.attributes, &globex),
            _ => assert_nobody(&span.attributes),
        }
    }
    assert_eq!(world.spans().len(), 9);
}

#[tokio::test]
async fn a_spawned_task_goes_on_for_its_tenant() {
    let world = World::new();
    let acme = world.tenant("acme");
    let tracer = world.tracer.clone();
    acme.scope(async {
        let work = async move { tracer.start("spawned").end() };
        task::spawn(work).unwrap().await.unwrap();
    })
    .unwrap()
    .await;
    assert_tenant(&world.span("spawned").attributes, &acme);
}

#[test]
fn a_body_that_streams_after_its_handler_is_still_the_tenants() {
    struct Body(opentelemetry_sdk::trace::SdkTracer);

    impl http_body::Body for Body {
        type Data = &'static [u8];
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
            self.0.start("frame").end();
            Poll::Ready(None)
        }
    }

    impl Drop for Body {
        fn drop(&mut self) {
            self.0.start("dropped").end();
        }
    }

    let world = World::new();
    let acme = world.tenant("acme");
    let mut body = Box::pin(acme.scope(Body(world.tracer.clone())).unwrap());
    let _ = body.as_mut().poll_frame(&mut Context::from_waker(Waker::noop()));
    drop(body);
    assert_tenant(&world.span("frame").attributes, &acme);
    assert_tenant(&world.span("dropped").attributes, &acme);
}

#[test]
fn a_tenant_that_does_not_fit_is_counted() {
    let world = World::new();
    let most = (0..200).map(|_| KeyValue::new("filler", true));
    world
        .tenant("acme")
        .in_scope(|| {
            world.tracer.span_builder("full").with_attributes(most).start(&world.tracer).end();
        })
        .unwrap();
    assert_nobody(&world.span("full").attributes);
    assert_eq!(world.counts.crowded_out(), 1);
}
