//! [`TenantSpans`]: a span processor that says whose work each span is.

mod tidy;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use opentelemetry::{
    Context, KeyValue, StringValue, Value,
    trace::{Span as _, SpanContext},
};
use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanProcessor},
};

use crate::{
    Delivery, names, owner,
    tracer::{self, Said},
};

/// A span processor that says of each span and each of its events whose work it is, and hands it on.
///
/// It stands around the processor that exports, and not beside it: the SDK copies every span for every
/// processor but one.
///
/// - A span belongs to the scope in which it begins, not the one in which it ends; with
///   [`TenantTracer`](crate::TenantTracer) to the one in which it was **made**.
/// - What the scope says wins. An attribute of the same name that the application set is removed; outside
///   a scope it stays, as the application's own word.
/// - An event has the attributes of its span, unless it has a tenant already: that of its own scope, which
///   [`TenantTracer`](crate::TenantTracer) gives it.
/// - Where the SDK's limit on attributes was reached before the span began, they do not fit:
///   [`SpanCounts::crowded_out`] counts that.
///
/// See the [crate](crate) for an example.
#[derive(Debug)]
pub struct TenantSpans<P> {
    inner: P,
    counts: SpanCounts,
    delivery: Delivery,
    keeps_refusals: bool,
}

impl<P: SpanProcessor> TenantSpans<P> {
    /// Around the processor that exports.
    #[must_use]
    pub fn around(inner: P) -> Self {
        Self {
            inner,
            counts: SpanCounts::default(),
            delivery: Delivery::default(),
            keeps_refusals: false,
        }
    }

    /// Lets a span through that was recorded only and has [`REFUSAL_CODE`](names::REFUSAL_CODE) when it ends, as
    /// one that was sampled: a refusal is seen although its trace is not kept.
    #[must_use]
    pub fn keeps_refusals(self) -> Self {
        Self { keeps_refusals: true, ..self }
    }

    /// Counts what is handed on, beside what the exporter delivers.
    #[must_use]
    pub fn counting(self, delivery: &Delivery) -> Self {
        Self { delivery: delivery.clone(), ..self }
    }

    /// What it counts. Take it before the provider takes the processor.
    #[must_use]
    pub fn counts(&self) -> SpanCounts {
        self.counts.clone()
    }
}

/// What a [`TenantSpans`] counts. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct SpanCounts(Arc<AtomicU64>);

impl SpanCounts {
    /// Spans that lost attributes to the SDK's limit and have no tenant: it may have been among what was
    /// lost.
    #[must_use]
    pub fn crowded_out(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl<P: SpanProcessor> SpanProcessor for TenantSpans<P> {
    fn on_start(&self, span: &mut Span, cx: &Context) {
        if tracer::said() == Said::Nothing {
            owner::tell_now(&mut |key: &'static str, value: StringValue| {
                span.set_attribute(KeyValue::new(key, Value::String(value)));
            });
        }
        self.inner.on_start(span, cx);
    }

    fn on_end(&self, mut span: SpanData) {
        let is_kept =
            span.span_context.is_sampled() || self.keeps_refusals && keep_refusal(&mut span);
        // The others are for processors that look at all of them; those that export leave them out.
        if is_kept {
            if !tidy::tidy(&mut span) && span.dropped_attributes_count > 0 {
                self.counts.0.fetch_add(1, Relaxed);
            }
            self.delivery.count_made();
        }
        self.inner.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// Makes it one that is sampled, if it is a refusal.
fn keep_refusal(span: &mut SpanData) -> bool {
    let refused = span.attributes.iter().any(|it| it.key.as_str() == names::REFUSAL_CODE);
    if refused {
        let it = &span.span_context;
        let (flags, state) = (it.trace_flags().with_sampled(true), it.trace_state().clone());
        span.span_context =
            SpanContext::new(it.trace_id(), it.span_id(), flags, it.is_remote(), state);
    }
    refused
}
