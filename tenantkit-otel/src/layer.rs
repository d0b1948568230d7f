//! [`TenantLayer`]: the spans and events of `tracing`, each in the scope that made it.

mod downcast;
mod foreign;
mod made;

use std::sync::OnceLock;

use made::Made;
use tracing_core::{
    Dispatch, Event, Metadata, Subscriber,
    dispatcher::WeakDispatch,
    span::{Attributes, Id, Record},
    subscriber::Interest,
};
use tracing_subscriber::{Layer, filter::LevelFilter, layer::Context, registry::LookupSpan};

use crate::starting;

/// Stands around the layer of `tracing-opentelemetry`, and sees to it that each span belongs to the scope in
/// which it was made, and each event to its own.
///
/// Without it, spans have the tenant in whose scope they *begin*, which with `tracing` is when they are
/// entered first: a span that was made in a tenant's scope and entered in a bare `tokio::spawn` would have
/// none. And an event would have the tenant of its span: wrong where a span of no tenant, or of another, is
/// around it.
///
/// It goes with [`TenantSpans`](crate::TenantSpans), which writes the attributes.
///
/// ```
/// use opentelemetry::trace::TracerProvider as _;
/// use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor};
/// use tenantkit_otel::{TenantLayer, TenantSpans};
/// use tracing_subscriber::{Registry, layer::SubscriberExt as _};
/// # use tenantkit_core::test_util::TestAuthority;
///
/// let exporter = InMemorySpanExporter::default();
/// let spans = TenantSpans::around(SimpleSpanProcessor::new(exporter.clone()));
/// let provider = SdkTracerProvider::builder().with_span_processor(spans).build();
/// let tracer = provider.tracer("acmedocs");
/// let layer = TenantLayer::around(tracing_opentelemetry::layer().with_tracer(tracer));
///
/// tracing::subscriber::with_default(Registry::default().with(layer), || {
///     # let tenant = TestAuthority::new().context("acme");
///     let span = tenant.in_scope(|| tracing::info_span!("made for acme")).unwrap();
///     span.in_scope(|| { /* and entered outside */ });
/// });
/// let spans = exporter.get_finished_spans().unwrap();
/// assert!(spans[0].attributes.iter().any(|it| it.key.as_str() == "tenant.id" && it.value.as_str() == "acme"));
/// ```
///
/// One thing it cannot see: `OpenTelemetrySpanExt::context` on a span that was never entered begins it, in
/// the scope of whoever asks.
#[derive(Debug)]
pub struct TenantLayer<L> {
    inner: L,
    dispatch: OnceLock<WeakDispatch>,
}

impl<L> TenantLayer<L> {
    /// Around the layer that makes spans of OpenTelemetry.
    #[must_use]
    pub const fn around(inner: L) -> Self {
        Self { inner, dispatch: OnceLock::new() }
    }
}

impl<L, S> Layer<S> for TenantLayer<L>
where
    L: Layer<S>,
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        if let Some(span) = ctx.span(id) {
            span.extensions_mut().replace(Made::now());
        }
        // It may begin its parent.
        let parent = attributes.parent().cloned().or_else(|| {
            attributes.is_contextual().then(|| ctx.current_span().id().cloned()).flatten()
        });
        let inner = || self.inner.on_new_span(attributes, id, ctx.clone());
        match parent {
            Some(parent) => made::beginning(&parent, &ctx, inner),
            None => starting::busy(inner),
        }
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        made::beginning(id, &ctx, || self.inner.on_enter(id, ctx.clone()));
    }

    fn on_follows_from(&self, id: &Id, follows: &Id, ctx: Context<'_, S>) {
        made::beginning(follows, &ctx, || self.inner.on_follows_from(id, follows, ctx.clone()));
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        made::beginning(&id.clone(), &ctx, || self.inner.on_close(id, ctx.clone()));
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        let span = if starting::is_busy() { None } else { ctx.event_span(event) };
        let foreign =
            span.filter(|span| span.extensions().get::<Made>().is_some_and(Made::is_anothers_now));
        let told = foreign.is_some_and(|span| {
            let dispatch = self.dispatch.get().and_then(WeakDispatch::upgrade);
            dispatch.is_some_and(|dispatch| foreign::tell(event, &span.id(), &dispatch))
        });
        if !told {
            self.inner.on_event(event, ctx);
        }
    }

    // What follows goes through as it comes.

    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        let _ = self.dispatch.set(dispatch.downgrade());
        self.inner.on_register_dispatch(dispatch);
    }

    fn on_layer(&mut self, subscriber: &mut S) {
        self.inner.on_layer(subscriber);
    }

    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        self.inner.register_callsite(metadata)
    }

    fn enabled(&self, metadata: &Metadata<'_>, ctx: Context<'_, S>) -> bool {
        self.inner.enabled(metadata, ctx)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.inner.max_level_hint()
    }

    fn event_enabled(&self, event: &Event<'_>, ctx: Context<'_, S>) -> bool {
        self.inner.event_enabled(event, ctx)
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        self.inner.on_record(id, values, ctx);
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        self.inner.on_exit(id, ctx);
    }

    fn on_id_change(&self, old: &Id, new: &Id, ctx: Context<'_, S>) {
        self.inner.on_id_change(old, new, ctx);
    }

    downcast::through!();
}
