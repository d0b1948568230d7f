//! [`TenantSpan`]: a span whose events say whose they are.

use std::{borrow::Cow, time::SystemTime};

use opentelemetry::{
    KeyValue,
    trace::{Span, SpanContext, Status},
};

use crate::owner;

/// What a [`TenantTracer`](super::TenantTracer) makes: the span of the tracer inside, whose events have the tenant in
/// whose scope they are told.
#[derive(Debug)]
pub struct TenantSpan<S> {
    pub(super) inner: S,
}

impl<S: Span> Span for TenantSpan<S> {
    fn add_event_with_timestamp<N: Into<Cow<'static, str>>>(
        &mut self,
        name: N,
        timestamp: SystemTime,
        mut attributes: Vec<KeyValue>,
    ) {
        if self.inner.is_recording() {
            owner::push_now(&mut attributes);
        }
        self.inner.add_event_with_timestamp(name, timestamp, attributes);
    }

    // What follows goes through as it comes.

    fn span_context(&self) -> &SpanContext {
        self.inner.span_context()
    }

    fn is_recording(&self) -> bool {
        self.inner.is_recording()
    }

    fn set_attribute(&mut self, attribute: KeyValue) {
        self.inner.set_attribute(attribute);
    }

    fn set_attributes(&mut self, attributes: impl IntoIterator<Item = KeyValue>) {
        self.inner.set_attributes(attributes);
    }

    fn set_status(&mut self, status: Status) {
        self.inner.set_status(status);
    }

    fn update_name<N: Into<Cow<'static, str>>>(&mut self, name: N) {
        self.inner.update_name(name);
    }

    fn add_link(&mut self, span_context: SpanContext, attributes: Vec<KeyValue>) {
        self.inner.add_link(span_context, attributes);
    }

    fn end_with_timestamp(&mut self, timestamp: SystemTime) {
        self.inner.end_with_timestamp(timestamp);
    }
}
