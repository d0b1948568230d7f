//! [`Commit`]: an event on its way to where it is durable.

use std::{
    pin::Pin,
    sync::{Arc, Condvar, Mutex, PoisonError},
    task::{Context, Poll, Waker},
};

/// The event is not durable. The work that it is about is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the audit event could not be made durable")]
#[non_exhaustive]
pub struct NotCommitted;

impl NotCommitted {
    /// For sinks outside this crate.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a failure is never a default")]
    pub const fn new() -> Self {
        Self
    }
}

/// Tells when an event is durable: a future, and for start-up code a blocking wait.
///
/// # Cancellation
///
/// The event is written all the same, or not; nobody is told.
#[derive(Debug)]
#[must_use = "an event is durable only when this says so"]
pub struct Commit(Arc<Shared>);

/// The sink's end of a [`Commit`]. Dropped without an answer, the event counts as not committed.
#[derive(Debug)]
pub struct CommitHandle(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    result: Option<Result<(), NotCommitted>>,
    waker: Option<Waker>,
}

impl Commit {
    /// An event that is under way, and the end at which the sink answers.
    pub fn pending() -> (CommitHandle, Self) {
        let shared = Arc::new(Shared::default());
        (CommitHandle(Arc::clone(&shared)), Self(shared))
    }

    /// One that is already answered.
    pub fn ready(result: Result<(), NotCommitted>) -> Self {
        let (handle, commit) = Self::pending();
        handle.finish(result);
        commit
    }

    /// Blocks this thread until the event is durable. For start-up code.
    ///
    /// # Errors
    ///
    /// When it could not be made durable.
    pub fn wait(self) -> Result<(), NotCommitted> {
        let mut state = self.0.lock();
        loop {
            if let Some(result) = state.result {
                return result;
            }
            state = self.0.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Future for Commit {
    type Output = Result<(), NotCommitted>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = self.0.lock();
        if let Some(result) = state.result {
            return Poll::Ready(result);
        }
        if state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            return Poll::Pending;
        }
        // Wakers are foreign code: cloned and dropped outside the lock.
        drop(state);
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        if let Some(result) = state.result {
            return Poll::Ready(result);
        }
        let earlier = state.waker.replace(waker);
        drop(state);
        drop(earlier);
        Poll::Pending
    }
}

impl CommitHandle {
    /// Tells how it went.
    pub fn finish(self, result: Result<(), NotCommitted>) {
        self.0.answer(result);
    }
}

impl Drop for CommitHandle {
    fn drop(&mut self) {
        self.0.answer(Err(NotCommitted));
    }
}

impl Shared {
    /// The first answer counts.
    fn answer(&self, result: Result<(), NotCommitted>) {
        let mut state = self.lock();
        state.result.get_or_insert(result);
        let waker = state.waker.take();
        drop(state);
        self.done.notify_all();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Nothing that runs under the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn waker() -> (Arc<Count>, Waker) {
        let count = Arc::new(Count::default());
        (Arc::clone(&count), Waker::from(count))
    }

    fn poll(commit: &mut Commit, waker: &Waker) -> Poll<Result<(), NotCommitted>> {
        Pin::new(commit).poll(&mut Context::from_waker(waker))
    }

    #[test]
    fn an_answer_wakes_whoever_polled_last_and_nobody_else() {
        let (handle, mut commit) = Commit::pending();
        let ((first, one), (second, other)) = (waker(), waker());
        assert!(poll(&mut commit, &one).is_pending());
        assert!(poll(&mut commit, &other).is_pending());
        assert!(poll(&mut commit, &other).is_pending());
        handle.finish(Ok(()));
        assert_eq!(first.0.load(Ordering::SeqCst), 0);
        assert_eq!(second.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&mut commit, &other), Poll::Ready(Ok(())));
    }

    #[test]
    fn a_sink_that_never_answers_has_not_committed() {
        let (handle, mut commit) = Commit::pending();
        let (count, waker) = waker();
        assert!(poll(&mut commit, &waker).is_pending());
        drop(handle);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
        assert_eq!(poll(&mut commit, &waker), Poll::Ready(Err(NotCommitted)));
    }

    #[test]
    fn the_first_answer_counts_although_the_handle_is_dropped_after_it() {
        let (handle, commit) = Commit::pending();
        handle.finish(Ok(()));
        assert_eq!(commit.wait(), Ok(()));
    }

    #[test]
    fn a_cancelled_commit_does_not_trouble_its_sink() {
        let (handle, mut commit) = Commit::pending();
        let (count, waker) = waker();
        assert!(poll(&mut commit, &waker).is_pending());
        drop(commit);
        handle.finish(Ok(()));
        // The waker was still there: a wake too many is harmless.
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn a_blocking_wait_ends_with_the_answer_of_another_thread() {
        let (handle, commit) = Commit::pending();
        let waits = std::thread::spawn(move || commit.wait());
        handle.finish(Err(NotCommitted));
        assert_eq!(waits.join().unwrap(), Err(NotCommitted));
    }
}
