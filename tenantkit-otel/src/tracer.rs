//! [`TenantTracer`]: spans that say whose work they are from when they are made, not from when they begin.

mod span;

use std::{borrow::Cow, cell::Cell};

use opentelemetry::{
    Context, Key, KeyValue, Value,
    trace::{SpanBuilder, Tracer},
};

pub use self::span::TenantSpan;
use crate::{names, owner};

/// First among the attributes of a builder, until the span begins: what follows was said of its maker. Its value is
/// whether that is a tenant, because what the application says of a tenant may follow as well.
const MADE: Key = Key::from_static_str("tenantkit.made");
/// How many attributes most spans have at most, beside those of this crate.
const USUAL: usize = 8;

/// Stands around a tracer, and sees to it that each span belongs to the scope in which it was **made**, and each
/// event to its own.
///
/// Without it, spans have the tenant in whose scope they *begin*, which with `tracing` is when they are entered
/// first: a span that was made in a tenant's scope and entered in a bare `tokio::spawn` would have none. And an
/// event would have the tenant of its span: wrong where a span of no tenant, or of another, is around it.
///
/// It goes with [`TenantSpans`](crate::TenantSpans), which has the last word when a span ends.
///
/// ```
/// use opentelemetry::trace::TracerProvider as _;
/// use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor};
/// use tenantkit_otel::{TenantSpans, TenantTracer};
/// use tracing_subscriber::{Registry, layer::SubscriberExt as _};
/// # use tenantkit_core::test_util::TestAuthority;
///
/// let exporter = InMemorySpanExporter::default();
/// let spans = TenantSpans::around(SimpleSpanProcessor::new(exporter.clone()));
/// let provider = SdkTracerProvider::builder().with_span_processor(spans).build();
/// let tracer = TenantTracer::around(provider.tracer("acmedocs"));
/// let layer = tracing_opentelemetry::layer().with_tracer(tracer);
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
/// One thing it cannot see: an event of `tracing` that is told to a span which has not begun, because it was never
/// entered and is named as the event's parent, has the tenant of the span. With `with_context_activation(false)` spans
/// begin when they close, and that is all events.
#[derive(Debug, Clone)]
pub struct TenantTracer<T> {
    inner: T,
}

impl<T> TenantTracer<T> {
    /// Around the tracer that makes the spans.
    #[must_use]
    pub const fn around(inner: T) -> Self {
        Self { inner }
    }
}

impl<T: Tracer> Tracer for TenantTracer<T> {
    type Span = TenantSpan<T::Span>;

    /// Made here and now; it may begin elsewhere and later.
    fn span_builder<N: Into<Cow<'static, str>>>(&self, name: N) -> SpanBuilder {
        let mut said = Vec::with_capacity(1 + owner::MOST + USUAL);
        said.push(KeyValue::new(MADE, false));
        owner::push_now(&mut said);
        if said.get(1).is_some_and(|it| it.key.as_str() == names::TENANT_ID) {
            said[0].value = Value::Bool(true);
        }
        let mut builder = self.inner.span_builder(name);
        said.extend(builder.attributes.take().into_iter().flatten());
        builder.attributes = Some(said);
        builder
    }

    fn build_with_context(&self, mut builder: SpanBuilder, parent: &Context) -> Self::Span {
        let said = builder.attributes.as_mut().filter(|it| it.first().is_some_and(is_mark));
        let said = match said.map(|said| said.remove(0).value) {
            Some(Value::Bool(true)) => Said::Tenant,
            Some(_) => Said::NoTenant,
            None => Said::Nothing,
        };
        let _before = Saying::begin(said);
        TenantSpan { inner: self.inner.build_with_context(builder, parent) }
    }
}

fn is_mark(attribute: &KeyValue) -> bool {
    attribute.key == MADE
}

/// What the first attributes of the span that begins say of who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// They say nothing of it: it is whoever's work the thread does.
    Nothing,
    /// A tenant did, whose id is the first.
    Tenant,
    /// Somebody else or nobody did.
    NoTenant,
}

thread_local! {
    static SAID: Cell<Said> = const { Cell::new(Said::Nothing) };
}

pub(crate) fn said() -> Said {
    SAID.try_with(Cell::get).unwrap_or(Said::Nothing)
}

/// Lasts until it is dropped, so on panic as well.
struct Saying {
    before: Said,
}

impl Saying {
    fn begin(said: Said) -> Self {
        Self { before: SAID.try_with(|it| it.replace(said)).unwrap_or(Said::Nothing) }
    }
}

impl Drop for Saying {
    fn drop(&mut self) {
        let _ = SAID.try_with(|it| it.set(self.before));
    }
}
