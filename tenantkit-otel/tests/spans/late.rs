//! Spans that begin later than they are made, as those of `tracing` do.

use std::borrow::Cow;

use opentelemetry::{
    Context, KeyValue,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanId, TraceContextExt as _, TraceFlags, TraceId,
        TraceState, Tracer,
    },
};
use opentelemetry_sdk::trace::{SdkTracer, Span};
use tenantkit_core::task;
use tenantkit_otel::TenantTracer;
use tracing::{Instrument as _, instrument::WithSubscriber as _};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use crate::world::{World, assert_nobody, assert_tenant, values};

#[test]
fn a_span_belongs_to_who_made_it_and_not_to_who_entered_it_first() {
    let world = World::new();
    let (acme, globex) = (world.tenant("acme"), world.tenant("globex"));
    tracing::dispatcher::with_default(&world.dispatch(), || {
        let of_acme = acme.in_scope(|| tracing::info_span!("of acme")).unwrap();
        let of_nobody = tracing::info_span!("of nobody");
        globex.in_scope(|| of_acme.in_scope(|| ())).unwrap();
        globex.in_scope(|| of_nobody.in_scope(|| ())).unwrap();
    });
    assert_tenant(&world.span("of acme").attributes, &acme);
    assert_nobody(&world.span("of nobody").attributes);
}

#[test]
fn a_span_that_is_never_entered_belongs_to_who_made_it() {
    let world = World::new();
    let acme = world.tenant("acme");
    tracing::dispatcher::with_default(&world.dispatch(), || {
        let span = acme.in_scope(|| tracing::info_span!("never entered")).unwrap();
        world.tenant("globex").in_scope(|| drop(span)).unwrap();
    });
    assert_tenant(&world.span("never entered").attributes, &acme);
}

#[test]
fn a_parent_that_a_child_begins_belongs_to_who_made_it() {
    let world = World::new();
    let (acme, globex) = (world.tenant("acme"), world.tenant("globex"));
    tracing::dispatcher::with_default(&world.dispatch(), || {
        let parent = acme.in_scope(|| tracing::info_span!("parent")).unwrap();
        let child = globex.in_scope(|| tracing::info_span!(parent: &parent, "child")).unwrap();
        let other = tracing::info_span!("other");
        let first = acme.in_scope(|| tracing::info_span!("first")).unwrap();
        globex.in_scope(|| other.follows_from(&first)).unwrap();
        drop((child, parent, other, first));
    });
    assert_tenant(&world.span("parent").attributes, &acme);
    assert_tenant(&world.span("child").attributes, &globex);
    assert_tenant(&world.span("first").attributes, &acme);
    assert_nobody(&world.span("other").attributes);
}

#[tokio::test]
async fn a_task_that_was_spawned_bare_keeps_the_span_that_it_was_given() {
    let world = World::new();
    let acme = world.tenant("acme");
    async {
        let span = acme.in_scope(|| tracing::info_span!("given")).unwrap();
        let work = async { tracing::info_span!("inside").in_scope(|| ()) }.instrument(span);
        tokio::spawn(work.with_current_subscriber()).await.unwrap();
        let scoped = acme.scope(async {
            let work = async { tracing::info_span!("scoped").in_scope(|| ()) };
            task::spawn(work.with_current_subscriber()).unwrap().await.unwrap();
        });
        scoped.unwrap().await;
    }
    .with_subscriber(world.dispatch())
    .await;
    assert_tenant(&world.span("given").attributes, &acme);
    // It was made outside any scope: what is told is what is so.
    assert_nobody(&world.span("inside").attributes);
    assert_tenant(&world.span("scoped").attributes, &acme);
}

#[test]
fn an_event_in_somebody_elses_span_has_its_own_tenant() {
    let world = World::new();
    let (acme, globex) = (world.tenant("acme"), world.tenant("globex"));
    tracing::dispatcher::with_default(&world.dispatch(), || {
        tracing::info_span!("batch").in_scope(|| {
            tracing::info!(rows = 1, ok = true, "outside");
            acme.in_scope(|| tracing::info!(rows = 2, share = 0.5, name = %"x", "of acme"))
                .unwrap();
            globex.in_scope(|| tracing::error!(rows = 3, "of globex")).unwrap();
        });
        acme.in_scope(|| {
            tracing::info_span!("of acme").in_scope(|| tracing::info!(rows = 4, "plain"));
        })
        .unwrap();
    });
    let batch = world.span("batch");
    assert_nobody(&batch.attributes);
    let [outside, of_acme, of_globex] = &batch.events[..] else { panic!("three events") };
    assert_nobody(&outside.attributes);
    assert_eq!(of_acme.name, "of acme");
    assert_tenant(&of_acme.attributes, &acme);
    assert_eq!(values(&of_acme.attributes, "rows"), ["2"]);
    assert_eq!(values(&of_acme.attributes, "name"), ["x"]);
    assert_tenant(&of_globex.attributes, &globex);
    assert_eq!(batch.status, opentelemetry::trace::Status::error(""));
    assert_tenant(&world.span("of acme").events[0].attributes, &acme);
}

#[test]
fn an_event_that_comes_before_its_span_has_begun_is_the_spans() {
    let world = World::new();
    let (acme, globex) = (world.tenant("acme"), world.tenant("globex"));
    tracing::dispatcher::with_default(&world.dispatch(), || {
        let span = acme.in_scope(|| tracing::info_span!("work")).unwrap();
        globex.in_scope(|| tracing::info!(parent: &span, "early")).unwrap();
        span.in_scope(|| ());
        globex.in_scope(|| tracing::info!(parent: &span, "late")).unwrap();
    });
    let span = world.span("work");
    let [early, late] = &span.events[..] else { panic!("two events") };
    assert_tenant(&early.attributes, &acme);
    assert_tenant(&late.attributes, &globex);
}

#[test]
fn a_field_of_an_event_that_names_another_tenant_gives_way() {
    let world = World::new();
    let acme = world.tenant("acme");
    tracing::dispatcher::with_default(&world.dispatch(), || {
        acme.in_scope(|| {
            tracing::info_span!("work").in_scope(|| tracing::info!(tenant.id = "globex", "told"));
        })
        .unwrap();
    });
    assert_tenant(&world.span("work").events[0].attributes, &acme);
}

#[test]
fn an_event_that_speaks_in_our_own_words_gives_way_as_well() {
    let world = World::new();
    let acme = world.tenant("acme");
    tracing::dispatcher::with_default(&world.dispatch(), || {
        let told = || {
            tracing::info!(
                tenant.id = "globex",
                tenant.tier = "gold",
                tenantkit.transaction.id = "7",
                "told"
            );
        };
        acme.in_scope(|| tracing::info_span!("work").in_scope(told)).unwrap();
    });
    assert_tenant(&world.span("work").events[0].attributes, &acme);
}

#[test]
fn a_span_of_the_api_that_is_made_early_belongs_to_who_made_it() {
    let world = World::new();
    let (acme, globex) = (world.tenant("acme"), world.tenant("globex"));
    let tracer = TenantTracer::around(world.tracer.clone());
    let of_acme = acme.in_scope(|| tracer.span_builder("of acme")).unwrap();
    let of_nobody = tracer.span_builder("of nobody");
    let begin = || (of_acme.start(&tracer), of_nobody.start(&tracer), tracer.start("of globex"));
    let (_, _, mut of_globex) = globex.in_scope(begin).unwrap();
    acme.in_scope(|| of_globex.add_event("told", Vec::new())).unwrap();
    drop(of_globex);
    assert_tenant(&world.span("of acme").attributes, &acme);
    assert_nobody(&world.span("of nobody").attributes);
    assert_tenant(&world.span("of globex").attributes, &globex);
    assert_tenant(&world.span("of globex").events[0].attributes, &acme);
}

#[test]
fn what_the_tracer_inside_says_of_every_span_is_kept() {
    struct Labels(SdkTracer);

    impl Tracer for Labels {
        type Span = Span;

        fn span_builder<N: Into<Cow<'static, str>>>(&self, name: N) -> SpanBuilder {
            self.0.span_builder(name).with_attributes([KeyValue::new("cell", "7")])
        }

        fn build_with_context(&self, builder: SpanBuilder, parent: &Context) -> Span {
            self.0.build_with_context(builder, parent)
        }
    }

    let world = World::new();
    let acme = world.tenant("acme");
    let tracer = TenantTracer::around(Labels(world.tracer.clone()));
    drop(acme.in_scope(|| tracer.span_builder("work")).unwrap().start(&tracer));
    assert_tenant(&world.span("work").attributes, &acme);
    assert_eq!(values(&world.span("work").attributes, "cell"), ["7"]);
}

#[test]
fn a_field_that_names_another_tenant_gives_way() {
    let world = World::new();
    let acme = world.tenant("acme");
    tracing::dispatcher::with_default(&world.dispatch(), || {
        acme.in_scope(|| {
            let span =
                tracing::info_span!("work", tenant.id = "globex", late = tracing::field::Empty);
            span.in_scope(|| ());
            span.record("late", 3);
        })
        .unwrap();
        // Outside a scope it is the application's own word.
        tracing::info_span!("own word", tenant.id = "globex").in_scope(|| ());
    });
    assert_tenant(&world.span("work").attributes, &acme);
    assert_eq!(values(&world.span("work").attributes, "late"), ["3"]);
    assert_eq!(values(&world.span("own word").attributes, "tenant.id"), ["globex"]);
}

#[test]
fn a_trace_comes_in_and_goes_out_through_the_layer() {
    let world = World::new();
    let acme = world.tenant("acme");
    let trace = TraceId::from(7);
    let remote =
        SpanContext::new(trace, SpanId::from(8), TraceFlags::SAMPLED, true, TraceState::NONE);
    tracing::dispatcher::with_default(&world.dispatch(), || {
        acme.in_scope(|| {
            let span = tracing::info_span!("work");
            span.set_parent(Context::new().with_remote_span_context(remote)).unwrap();
            assert_eq!(span.context().span().span_context().trace_id(), trace);
        })
        .unwrap();
    });
    assert_eq!(world.span("work").parent_span_id, SpanId::from(8));
    assert_tenant(&world.span("work").attributes, &acme);
}
