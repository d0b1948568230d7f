//! How a trace comes in and goes out, by the global propagator, over whatever the adapters carry context in.
//!
//! The adapters know no propagator. They take these two:
//!
//! | where | what |
//! |---|---|
//! | `TenantLayer::trace`, `TenantConsumerBuilder::trace` | [`adopt`] |
//! | `TenantClientLayer::trace`, `TenantProducerBuilder::trace` | [`inject`] |
//!
//! ```
//! use opentelemetry::propagation::TextMapCompositePropagator;
//! use opentelemetry_sdk::propagation::TraceContextPropagator;
//! use tenantkit_otel::{TenantlessBaggage, trace};
//!
//! opentelemetry::global::set_text_map_propagator(TextMapCompositePropagator::new(vec![
//!     Box::new(TraceContextPropagator::new()),
//!     Box::new(TenantlessBaggage::new()),
//! ]));
//! let mut headers = http::HeaderMap::new();
//! trace::inject(&mut headers); // Nothing: there is no span.
//! assert!(headers.is_empty());
//! ```

use opentelemetry::{
    baggage::BaggageExt as _,
    global,
    propagation::{Extractor, Injector},
    trace::TraceContextExt as _,
};
use tenantkit_core::Carrier;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// What is carried. Anything else that a propagator writes is not.
const NAMES: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// Puts the trace of the present span of `tracing` into a carrier. What the carrier does not take is left out.
pub fn inject(carrier: &mut dyn Carrier) {
    let context = Span::current().context();
    let has_something = context.span().span_context().is_valid() || !context.baggage().is_empty();
    if has_something {
        global::get_text_map_propagator(|it| it.inject_context(&context, &mut Writes(carrier)));
    }
}

/// Makes a span that has not begun go on with the trace that a carrier has. Without one, or with two, it begins its
/// own.
pub fn adopt(carrier: &dyn Carrier, span: &Span) {
    let context = global::get_text_map_propagator(|it| it.extract(&Reads(carrier)));
    let has_something = context.span().span_context().is_valid() || !context.baggage().is_empty();
    if has_something {
        // Without a layer that makes spans of OpenTelemetry there is nothing to set.
        let _ = span.set_parent(context);
    }
}

struct Writes<'c>(&'c mut dyn Carrier);

impl Injector for Writes<'_> {
    fn set(&mut self, key: &str, value: String) {
        let known = NAMES.into_iter().find(|name| key.eq_ignore_ascii_case(name));
        // The state of a trace that has none is empty, which is nothing to say.
        if let Some(name) = known.filter(|_| !value.is_empty()) {
            // A trace that does not fit is no reason not to call.
            let _ = self.0.put(name, &value);
        }
    }
}

struct Reads<'c>(&'c dyn Carrier);

impl Extractor for Reads<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        let (mut found, mut times) = (None, 0);
        self.0.each(&mut |name, value| {
            if name.eq_ignore_ascii_case(key.as_bytes()) {
                times += 1;
                found = value.and_then(|value| std::str::from_utf8(value).ok());
            }
        });
        // Which of two is meant, nobody knows.
        if times == 1 { found } else { None }
    }

    fn keys(&self) -> Vec<&str> {
        let mut keys = Vec::new();
        self.0.each(&mut |name, _| keys.extend(std::str::from_utf8(name).ok()));
        keys
    }
}
