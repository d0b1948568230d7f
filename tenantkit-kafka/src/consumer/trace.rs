//! [`Adopt`]: how a trace comes in with a record, by what the application gives for it, because this crate knows no
//! propagator.

#[cfg(feature = "tracing")]
use std::sync::Arc;

#[cfg(feature = "tracing")]
use tenantkit_core::{CannotCarry, Carrier};

#[cfg(feature = "tracing")]
use crate::Headers;

/// Gives the span of a record its place in the trace of who sent it.
#[derive(Clone, Default)]
pub(super) struct Adopt(#[cfg(feature = "tracing")] Option<Arc<AdoptFn>>);

#[cfg(feature = "tracing")]
type AdoptFn = dyn Fn(&dyn Carrier, &tracing::Span) + Send + Sync;

#[cfg(feature = "tracing")]
impl Adopt {
    pub(super) fn new(
        adopt: impl Fn(&dyn Carrier, &tracing::Span) + Send + Sync + 'static,
    ) -> Self {
        Self(Some(Arc::new(adopt)))
    }

    pub(super) fn adopt(&self, headers: &Headers, span: &tracing::Span) {
        if let Some(adopt) = &self.0 {
            adopt(&Read(headers), span);
        }
    }
}

/// Headers that were read, which nobody writes to any more.
#[cfg(feature = "tracing")]
struct Read<'h>(&'h Headers);

#[cfg(feature = "tracing")]
impl Carrier for Read<'_> {
    fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a [u8], Option<&'a [u8]>)) {
        for header in self.0.iter().filter(|header| header.is_whole) {
            visit(header.name, header.value);
        }
    }

    fn put(&mut self, _: &'static str, _: &str) -> Result<(), CannotCarry> {
        Err(CannotCarry::new())
    }

    fn strip(&mut self, _: &str) {}
}
