//! Work of no single tenant says why it is done.

use std::time::Duration;

use opentelemetry::trace::{Span as _, Tracer as _};
use tenantkit_core::{Grant, Subject, SystemWork, test_util::TestAuthority};
use tenantkit_otel::as_system;

use crate::world::{World, assert_nobody, assert_tenant, values};

async fn work(world: &World) -> SystemWork {
    let cron = Subject::new("https://id.example".parse().unwrap(), "cron".parse().unwrap());
    let grant = Grant::new(cron, "nightly vacuum".parse().unwrap(), Duration::from_secs(60));
    world.test.authority().system_work(TestAuthority::SYSTEM, grant).await.unwrap()
}

#[tokio::test]
async fn its_spans_have_the_reason() {
    let world = World::new();
    let granted = work(&world).await;
    as_system(&granted, async {
        world.tracer.start("vacuum").end();
        tokio::task::yield_now().await;
        world.tracer.start("after a wait").end();
    })
    .await;
    world.tracer.start("later").end();
    for name in ["vacuum", "after a wait"] {
        let span = world.span(name);
        assert_eq!(values(&span.attributes, "tenantkit.system.reason"), ["nightly vacuum"]);
        assert_eq!(values(&span.attributes, "tenantkit.system.capability"), ["test-system"]);
        assert_eq!(values(&span.attributes, "tenant.id"), [""; 0]);
    }
    assert_nobody(&world.span("later").attributes);
}

#[tokio::test]
async fn what_it_does_for_one_tenant_is_the_tenants() {
    let world = World::new();
    let granted = work(&world).await;
    let acme = granted.for_tenant("acme".parse().unwrap()).await.unwrap();
    as_system(&granted, async {
        acme.in_scope(|| world.tracer.start("for acme").end()).unwrap();
        world.tracer.start("between").end();
    })
    .await;
    assert_tenant(&world.span("for acme").attributes, &acme);
    assert_eq!(values(&world.span("for acme").attributes, "tenantkit.system.reason"), [""; 0]);
    assert_eq!(values(&world.span("between").attributes, "tenantkit.system.reason").len(), 1);
}

#[tokio::test]
async fn spans_and_events_of_tracing_have_the_reason_too() {
    let world = World::new();
    let granted = work(&world).await;
    let dispatch = world.dispatch();
    as_system(&granted, async {
        tracing::dispatcher::with_default(&dispatch, || {
            tracing::info_span!("vacuum").in_scope(|| tracing::info!("table by table"));
        });
    })
    .await;
    let span = world.span("vacuum");
    for told in [&span.attributes, &span.events[0].attributes] {
        assert_eq!(values(told, "tenantkit.system.reason"), ["nightly vacuum"]);
    }
}

#[tokio::test]
async fn a_drop_is_the_systems_and_then_over() {
    struct Tells(opentelemetry_sdk::trace::SdkTracer);

    impl Drop for Tells {
        fn drop(&mut self) {
            self.0.start("dropped").end();
        }
    }

    let world = World::new();
    let granted = work(&world).await;
    let tells = Tells(world.tracer.clone());
    drop(as_system(&granted, async move {
        let _tells = &tells;
        std::future::pending::<()>().await;
    }));
    world.tracer.start("later").end();
    let dropped = world.span("dropped");
    assert_eq!(values(&dropped.attributes, "tenantkit.system.reason"), ["nightly vacuum"]);
    assert_nobody(&world.span("later").attributes);
}
