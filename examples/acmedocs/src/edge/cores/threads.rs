//! [`Threads`]: those that only compute, and go last.

use std::io;

use tokio::runtime::{Builder, EnterGuard, Runtime};

/// Threads that give way to those that answer. A call that needs a moment of a core, with many wake-ups on its way
/// through the services, does not wait at each of them until the scheduler takes the core from a report.
#[derive(Debug)]
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    pub(super) fn new(count: usize) -> io::Result<Self> {
        // Of a runtime only for its pool of blocking threads. They start when they are needed.
        let mut runtime = Builder::new_current_thread();
        runtime.thread_name("report").max_blocking_threads(count).on_thread_start(go_last);
        Ok(Self(Some(runtime.build()?)))
    }

    /// Until the guard is dropped, what this thread spawns as blocking work runs on them.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.0.as_ref().expect("it is there until the drop").enter()
    }
}

impl Drop for Threads {
    /// Without a wait for what they compute, which asynchronous code must not do.
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// As `nice` counts: a tenth of an ordinary thread's share of a core that both want.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Where a thread has a priority of its own. Elsewhere it would be the process's.
fn go_last() {
    #[cfg(target_os = "linux")]
    // Anybody may be nicer. Where even that is forbidden, they compete with the others.
    let _ = rustix::process::nice(NICE);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reports_go_last_and_nobody_else_does() {
        let threads = Threads::new(2).unwrap();
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        let report = {
            let _entered = threads.enter();
            tokio::task::spawn_blocking(priority)
        };
        assert_eq!(report.await.unwrap(), (before + NICE).min(19));
        assert_eq!(priority(), before);
    }
}
