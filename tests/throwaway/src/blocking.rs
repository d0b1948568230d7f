//! One future to its end, from synchronous code that may itself be running inside a runtime.

use std::{future::Future, panic, thread};

/// Runs `future` on a thread of its own, because a runtime cannot be started inside another one's.
pub(crate) fn block_on<T: Send>(future: impl Future<Output = T> + Send) -> T {
    let run = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the system has a file descriptor left for a runtime")
            .block_on(future)
    };
    match thread::scope(|scope| scope.spawn(run).join()) {
        Ok(value) => value,
        Err(panic) => panic::resume_unwind(panic),
    }
}
