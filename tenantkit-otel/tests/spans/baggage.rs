//! Baggage is unsigned and anybody's: it is never identity, and no tenant is in it.

use std::collections::HashMap;

use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    propagation::TextMapPropagator as _,
    trace::{Span as _, Tracer as _},
};

use tenantkit_otel::TenantlessBaggage;

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

#[test]
fn a_tenant_that_somebody_put_there_does_not_leave() {
    let cx = Context::new().with_baggage([
        KeyValue::new("tenant.id", "acme"),
        KeyValue::new("Tenant_Name", "acme"),
        KeyValue::new("x-tenant-id", "acme"),
        KeyValue::new("tenantkit.transaction.id", "7"),
        KeyValue::new("color", "blue"),
    ]);
    let mut headers = HashMap::new();
    TenantlessBaggage::new().inject_context(&cx, &mut headers);
    assert_eq!(headers["baggage"], "color=blue");
}

#[test]
fn a_tenant_that_somebody_sent_does_not_come_in() {
    let sent = "tenant.id=acme, tenant_tier=gold,color=blue;shade=dark, TENANT=x,app.t%65nant=x";
    let headers = HashMap::from([("baggage".to_owned(), sent.to_owned())]);
    let cx = TenantlessBaggage::new().extract_with_context(&Context::new(), &headers);
    assert_eq!(cx.baggage().len(), 1);
    let (value, more) = cx.baggage().get_with_metadata("color").unwrap();
    assert_eq!((value.as_str(), more.as_str()), ("blue", "shade=dark"));
}
