//! The deadline of what is being worked for, while it is polled: as the scope, and by the same means.

use std::cell::Cell;

use super::Deadline;

thread_local! {
    static CURRENT: Cell<Option<Deadline>> = const { Cell::new(None) };
}

pub(super) fn current() -> Option<Deadline> {
    CURRENT.get()
}

/// Runs `work` under a deadline, if there is one; else under the one that there is around it.
pub(super) fn within<R>(deadline: Option<Deadline>, work: impl FnOnce() -> R) -> R {
    let Some(deadline) = deadline else { return work() };
    let _restored = Restored(CURRENT.replace(Some(deadline)));
    work()
}

/// Puts back what was there, also after a panic.
struct Restored(Option<Deadline>);

impl Drop for Restored {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
