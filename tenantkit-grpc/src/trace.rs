//! How a trace comes in and goes out: what the application gives for it, because this crate knows no
//! propagator.

use std::{fmt, sync::Arc};

use http::HeaderMap;
use tenantkit_core::{CannotCarry, Carrier};

/// W3C Trace Context and Baggage. They tell nothing of who acts.
const NAMES: [&str; 3] = ["traceparent", "tracestate", "baggage"];

/// Gives the span of a request its place in the caller's trace.
#[derive(Clone, Default)]
pub(crate) struct Adopt(#[cfg(feature = "tracing")] Option<Arc<AdoptFn>>);

#[cfg(feature = "tracing")]
type AdoptFn = dyn Fn(&dyn Carrier, &tracing::Span) + Send + Sync;

#[cfg(feature = "tracing")]
impl Adopt {
    pub(crate) fn new(
        adopt: impl Fn(&dyn Carrier, &tracing::Span) + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(adopt)))
    }

    pub(crate) fn adopt(&self, headers: &HeaderMap, span: &tracing::Span) {
        if let Some(adopt) = &self.0 {
            adopt(headers, span);
        }
    }
}

impl fmt::Debug for Adopt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Adopt").finish_non_exhaustive()
    }
}

/// Puts the headers of the present trace into a call.
#[derive(Clone, Default)]
pub(crate) struct Inject(Option<Arc<InjectFn>>);

type InjectFn = dyn Fn(&mut dyn Carrier) + Send + Sync;

impl Inject {
    pub(crate) fn new(inject: impl Fn(&mut dyn Carrier) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(inject)))
    }

    pub(crate) fn inject(&self, headers: &mut HeaderMap) {
        if let Some(inject) = &self.0 {
            inject(&mut Traced(headers));
        }
    }

    /// Takes away what an earlier hop was given.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        if self.0.is_some() {
            NAMES.iter().for_each(|name| headers.strip(name));
        }
    }
}

impl fmt::Debug for Inject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inject").finish_non_exhaustive()
    }
}

/// Headers, of which nothing but those of a trace can be written.
struct Traced<'a>(&'a mut HeaderMap);

impl Carrier for Traced<'_> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>)) {
        self.0.each(visit);
    }

    fn put(&mut self, name: &'static str, value: &str) -> Result<(), CannotCarry> {
        if NAMES.contains(&name) { self.0.put(name, value) } else { Err(CannotCarry::new()) }
    }

    fn strip(&mut self, name: &str) {
        if NAMES.contains(&name) {
            self.0.strip(name);
        }
    }
}
