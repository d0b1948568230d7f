//! An event inside a span of somebody else: of another tenant, or of none, as with the span of a batch. It
//! is told with its own tenant, which the layer of `tracing-opentelemetry` has no place for.

use std::{borrow::Cow, fmt};

use opentelemetry::{
    KeyValue, StringValue, Value,
    trace::{Status, TraceContextExt as _},
};
use tracing_core::{
    Dispatch, Event, Level,
    field::{Field, Visit},
    span::Id,
};

use crate::{owner, starting};

/// Tells the event to the span. Answers whether it could.
pub(super) fn tell(event: &Event<'_>, id: &Id, dispatch: &Dispatch) -> bool {
    let Some(context) = tracing_opentelemetry::get_otel_context(id, dispatch) else { return false };
    let metadata = event.metadata();
    let mut told = Told {
        message: None,
        attributes: vec![
            KeyValue::new("level", metadata.level().as_str()),
            KeyValue::new("target", metadata.target()),
        ],
    };
    event.record(&mut told);
    let put = &mut told.attributes;
    owner::tell_now(&mut |key: &'static str, value: StringValue| {
        put.push(KeyValue::new(key, Value::String(value)));
    });
    let name = told.message.map_or(Cow::Borrowed(metadata.name()), Cow::Owned);
    starting::busy(|| {
        let span = context.span();
        if *metadata.level() == Level::ERROR {
            span.set_status(Status::error(""));
        }
        span.add_event(name, told.attributes);
    });
    true
}

struct Told {
    message: Option<String>,
    attributes: Vec<KeyValue>,
}

impl Told {
    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        // What the `log` crate says of itself.
        if !field.name().starts_with("log.") {
            self.attributes.push(KeyValue::new(field.name(), value));
        }
    }
}

impl Visit for Told {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message = Some(value.to_owned()),
            _ => self.put(field, value.to_owned()),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }
}
