//! [`Shared`]: a body that its reader and a task share.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak},
    task::{Context, Waker},
    time::Duration,
};

use http_body::Body;
use tokio::{
    runtime::Handle,
    task::AbortHandle,
    time::{Sleep, sleep},
};

use crate::server::flight::{Flight, Polled};

/// What the body's reader and the task share. The reader owns it: the task ends with it.
pub(in crate::server) struct Shared<B> {
    inner: Arc<Mutex<Inner<B>>>,
    task: AbortHandle,
}

pub(super) struct Inner<B> {
    pub(super) flight: Flight<B>,
    /// Who waits for a frame, and is to hear that there will be none.
    reader: Option<Waker>,
}

impl<B: Body + Send + Unpin + 'static> Shared<B> {
    pub(super) fn new(flight: Flight<B>, runtime: &Handle) -> Self {
        // Made here, so that a runtime without timers is a panic here and not in the task, where
        // nobody would hear it.
        let first = sleep(flight.rest());
        let inner = Arc::new(Mutex::new(Inner { flight, reader: None }));
        let task = runtime.spawn(watch(Arc::downgrade(&inner), first)).abort_handle();
        Self { inner, task }
    }

    pub(super) fn poll_frame(&self, cx: &mut Context<'_>) -> Polled<B> {
        let mut inner = self.lock();
        let polled = inner.flight.poll_frame(cx);
        if polled.is_pending() {
            match &mut inner.reader {
                Some(reader) => reader.clone_from(cx.waker()),
                None => inner.reader = Some(cx.waker().clone()),
            }
        }
        polled
    }
}

impl<B> Shared<B> {
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner<B>> {
        // A body that panicked is no reason for one that is never cut.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Drop for Shared<B> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Looks at the deadline until it is over, and then drops what is inside.
async fn watch<B>(inner: Weak<Mutex<Inner<B>>>, first: Sleep) {
    first.await;
    while let Some(rest) = inner.upgrade().and_then(|inner| look(&inner)) {
        sleep(rest).await;
    }
}

/// Looks once. How long until the next time, if it is not over.
fn look<B>(inner: &Mutex<Inner<B>>) -> Option<Duration> {
    let mut locked = match inner.try_lock() {
        Ok(locked) => locked,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // It is being polled. A body that blocks its thread does not get to block this one.
        Err(TryLockError::WouldBlock) => return Some(Duration::from_secs(1)),
    };
    if !locked.flight.holds_body() {
        return None;
    }
    if locked.flight.look().is_ok() {
        return Some(locked.flight.rest());
    }
    let (body, reader) = (locked.flight.land(), locked.reader.take());
    drop(locked);
    // First, because a drop may panic.
    reader.inspect(Waker::wake_by_ref);
    drop(body);
    None
}
