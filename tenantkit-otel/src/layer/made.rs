//! [`Made`]: who made a span, kept beside it until it begins.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use tracing_core::{Subscriber, span::Id};
use tracing_subscriber::{layer::Context, registry::LookupSpan};

use crate::{owner::Owner, starting};

pub(super) struct Made {
    by: Owner,
    begun: AtomicBool,
}

impl Made {
    pub(super) fn now() -> Self {
        Self { by: Owner::now(), begun: AtomicBool::new(false) }
    }

    /// Whether what happens now in the span is somebody else's.
    pub(super) fn is_anothers_now(&self) -> bool {
        self.by.is_another_now()
    }
}

/// Runs `work`, which may begin the span.
pub(super) fn beginning<S>(id: &Id, ctx: &Context<'_, S>, work: impl FnOnce())
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let span = ctx.span(id);
    // No lock is held while the work runs, which takes the same one.
    let maker = span.as_ref().and_then(|span| {
        let extensions = span.extensions();
        let made = extensions.get::<Made>()?;
        (!made.begun.load(Relaxed)).then(|| made.by.clone())
    });
    let Some(maker) = maker else { return starting::busy(work) };
    if starting::made_by(maker, work)
        && let Some(made) = span.as_ref().map(|span| span.extensions())
        && let Some(made) = made.get::<Made>()
    {
        made.begun.store(true, Relaxed);
    }
}
