//! Whose span it is that begins just now, when that is known better than by whose work the thread does.
//!
//! `tracing-opentelemetry` begins a span when it is entered first, or when a child needs it, or when it
//! closes; that may be in another scope than the one that made it. [`TenantLayer`](crate::TenantLayer) knows
//! who made it, and says so here around the calls that may begin it.

use std::cell::{Cell, RefCell};

use crate::owner::Owner;

thread_local! {
    static MAKER: RefCell<Option<Owner>> = const { RefCell::new(None) };
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`, in which a span may begin that `maker` made. Answers whether it began.
#[cfg(feature = "tracing")]
pub(crate) fn made_by(maker: Owner, work: impl FnOnce()) -> bool {
    let before = MAKER.try_with(|it| it.replace(Some(maker))).unwrap_or_default();
    let restored = Restore(before);
    busy(work);
    let began = MAKER.try_with(|it| it.borrow().is_none()).unwrap_or(false);
    drop(restored);
    began
}

/// Who made the span that begins; asked once.
pub(crate) fn maker() -> Option<Owner> {
    MAKER.try_with(|it| it.borrow_mut().take()).ok().flatten()
}

/// Looks at who made the span that may begin.
#[cfg(feature = "limit")]
pub(crate) fn with_maker<R>(read: impl FnOnce(Option<&Owner>) -> R) -> R {
    let mut read = Some(read);
    let told = MAKER.try_with(|it| read.take().map(|read| read(it.borrow().as_ref())));
    match told.ok().flatten() {
        Some(told) => told,
        // The thread is ending.
        None => match read {
            Some(read) => read(None),
            None => unreachable!("`read` is taken only where its result is returned"),
        },
    }
}

/// Runs `work`, in which whatever is told to `tracing` is about the telling itself: the span may be locked.
pub(crate) fn busy(work: impl FnOnce()) {
    let _idle = Idle(BUSY.try_with(|it| it.replace(true)).unwrap_or(true));
    work();
}

#[cfg(feature = "tracing")]
pub(crate) fn is_busy() -> bool {
    BUSY.try_with(Cell::get).unwrap_or(true)
}

#[cfg(feature = "tracing")]
struct Restore(Option<Owner>);

#[cfg(feature = "tracing")]
impl Drop for Restore {
    fn drop(&mut self) {
        let _ = MAKER.try_with(|it| it.replace(self.0.take()));
    }
}

struct Idle(bool);

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = BUSY.try_with(|it| it.set(self.0));
    }
}
