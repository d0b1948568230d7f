//! [`Alarm`]: wakes whoever waits for an upload, so that its deadline is looked at.

use std::task::Context;

use super::deadline::Deadline;

/// A timer that is set while a task waits. Without the feature `tokio` it is nothing.
///
/// It suffices for an upload: whoever holds something while it reads one has polled it.
#[derive(Default)]
pub(super) struct Alarm {
    #[cfg(feature = "tokio")]
    timer: Option<std::pin::Pin<Box<tokio::time::Sleep>>>,
}

impl Alarm {
    /// Wakes the task when the deadline is to be looked at again. Called only when there is nothing
    /// to read, so that an upload that is there at once never has a timer.
    #[cfg(feature = "tokio")]
    pub(super) fn set(&mut self, deadline: &Deadline, cx: &mut Context<'_>) {
        // Elsewhere than on tokio there is no timer to set.
        if tokio::runtime::Handle::try_current().is_err() {
            return;
        }
        loop {
            let timer =
                self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(deadline.rest())));
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            // It rang, and the deadline was looked at before.
            self.timer = None;
        }
    }

    #[cfg(not(feature = "tokio"))]
    pub(super) fn set(&mut self, _: &Deadline, _: &mut Context<'_>) {}
}
