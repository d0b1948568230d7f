//! Baggage is unsigned and anybody's: it is never identity, and no tenant is in it.

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{Span as _, Tracer as _},
};

use crate::world::{World, assert_nobody, assert_tenant};

#[test]
fn baggage_is_never_believed() {
    let world = World::new();
    let cx = Context::new().with_baggage([
        KeyValue::new("tenant.id", "globex"),
        KeyValue::new("tenant.tier", "platinum"),
    ]);
    world.tracer.start_with_context("of nobody", &cx).end();
    let acme = world.tenant("acme");
    acme.in_scope(|| world.tracer.start_with_context("of acme", &cx).end()).unwrap();
    assert_nobody(&world.span("of nobody").attributes);
    assert_tenant(&world.span("of acme").attributes, &acme);
}

#[test]
fn no_tenant_is_put_into_baggage() {
    let world = World::new();
    world
        .tenant("acme")
        .in_scope(|| {
            world.tracer.in_span("work", |cx| {
                assert!(cx.baggage().is_empty());
                assert!(Context::current().baggage().is_empty());
            });
        })
        .unwrap();
}
