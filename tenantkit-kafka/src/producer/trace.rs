//! [`Trace`]: the trace context that goes with a record.

use tenantkit_core::{CannotCarry, Carrier};

/// W3C Trace Context and Baggage. They tell nothing of who acts.
const NAMES: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// The longest value, in bytes, as W3C Baggage has it.
const MOST_BYTES: usize = 8192;

/// Puts the headers of the present trace into a carrier.
pub(crate) struct Trace(Box<Inject>);

type Inject = dyn Fn(&mut dyn Carrier) + Send + Sync;

impl Trace {
    pub(crate) fn new(inject: impl Fn(&mut dyn Carrier) + Send + Sync + 'static) -> Self {
        Self(Box::new(inject))
    }

    pub(crate) fn headers(&self) -> Traced {
        let mut traced = Traced::default();
        (self.0)(&mut traced);
        traced
    }
}

/// The headers of one trace.
#[derive(Default)]
pub(crate) struct Traced(Vec<(&'static str, String)>);

impl Traced {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len()).sum()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known.eq_ignore_ascii_case(name))
    }
}

impl Carrier for Traced {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>)) {
        for (name, value) in &self.0 {
            visit(name.as_bytes(), Some(value.as_bytes()));
        }
    }

    fn put(&mut self, name: &'static str, value: &str) -> Result<(), CannotCarry> {
        if !NAMES.contains(&name) || value.len() > MOST_BYTES {
            return Err(CannotCarry::new());
        }
        self.strip(name);
        self.0.push((name, value.to_owned()));
        Ok(())
    }

    fn strip(&mut self, name: &str) {
        self.0.retain(|(known, _)| *known != name);
    }
}
