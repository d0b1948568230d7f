//! The scopes that this thread is in, innermost last.
//!
//! A slot a level, and not one cell that is swapped: code that reads the innermost context may itself
//! poll a scoped future (a log line that drops a guard, say), and that future's level is a slot
//! of its own, which nobody has borrowed. Slots are made once a level and thread, and never move.

use std::cell::{Cell, OnceCell, RefCell};

use crate::TenantContext;

thread_local! {
    static STACK: Stack = const { Stack { depth: Cell::new(0), bottom: Slot::new() } };
}

struct Stack {
    depth: Cell<usize>,
    bottom: Slot,
}

struct Slot {
    context: RefCell<Option<TenantContext>>,
    above: OnceCell<Box<Self>>,
}

impl Slot {
    const fn new() -> Self {
        Self { context: RefCell::new(None), above: OnceCell::new() }
    }
}

impl Stack {
    fn slot(&self, level: usize) -> &Slot {
        let mut slot = &self.bottom;
        for _ in 0..level {
            slot = slot.above.get_or_init(|| Box::new(Slot::new()));
        }
        slot
    }
}

/// Runs `work` with the context of `mine` as the innermost. The context is lent to the stack and
/// comes back on every way out, so that a poll costs no reference count.
pub(super) fn within<R>(mine: &mut Option<TenantContext>, work: impl FnOnce() -> R) -> R {
    let _entered = Entered::new(mine);
    work()
}

/// Reads the innermost context.
pub(super) fn with_top<R>(read: impl FnOnce(Option<&TenantContext>) -> R) -> R {
    let mut read = Some(read);
    STACK
        .try_with(|stack| {
            let read = read.take()?;
            match stack.depth.get().checked_sub(1) {
                Some(level) => Some(read(stack.slot(level).context.borrow().as_ref())),
                None => Some(read(None)),
            }
        })
        .ok()
        .flatten()
        // The thread is ending and its stack is gone: nobody's work.
        .unwrap_or_else(|| match read.take() {
            Some(read) => read(None),
            None => unreachable!("`read` is taken only where its result is returned"),
        })
}

/// A level that is left on drop, so on panic as well. It never leaves this module, so levels are left
/// in the reverse of the order in which they were entered.
struct Entered<'a> {
    mine: &'a mut Option<TenantContext>,
    entered: bool,
}

impl<'a> Entered<'a> {
    fn new(mine: &'a mut Option<TenantContext>) -> Self {
        let context = mine.take();
        let mut lent = Some(context);
        let entered = STACK
            .try_with(|stack| {
                let level = stack.depth.get();
                stack.slot(level).context.replace(lent.take().flatten());
                stack.depth.set(level + 1);
            })
            .is_ok();
        if let Some(context) = lent {
            *mine = context;
        }
        Self { mine, entered }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        if self.entered {
            let _ = STACK.try_with(|stack| {
                let level = stack.depth.get() - 1;
                stack.depth.set(level);
                *self.mine = stack.slot(level).context.take();
            });
        }
    }
}
