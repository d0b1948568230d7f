//! [`Acquire`]: waiting for a permit, in line.

use std::{
    fmt,
    hash::Hash,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tenantkit_core::{Refusal, TenantId};

use super::{ConcurrencyLimiter, Permit, cap::Cap};

/// Waits for a permit: made by [`ConcurrencyLimiter::acquire`].
///
/// It is woken, and works under any runtime. How long to wait is the caller's to say, with the
/// runtime's own timeout around it, or the request's deadline: a dropped `Acquire` leaves the line.
///
/// # Cancellation
///
/// Dropped at any time it holds no place in the line and no permit. What was granted to it meanwhile
/// goes to the next.
#[must_use = "a future does nothing until it is polled"]
pub struct Acquire<K: Eq + Hash + Clone = TenantId> {
    limiter: ConcurrencyLimiter<K>,
    key: K,
    cap: Cap,
    state: State,
}

#[derive(Debug, Clone, Copy)]
enum State {
    New,
    Waits(u32),
    Done,
}

/// Nothing of it is pinned.
impl<K: Eq + Hash + Clone> Unpin for Acquire<K> {}

impl<K: Eq + Hash + Clone> Acquire<K> {
    pub(super) const fn new(limiter: ConcurrencyLimiter<K>, key: K, cap: Cap) -> Self {
        Self { limiter, key, cap, state: State::New }
    }

    /// Takes a permit or a place in the line at once, where a poll would else do so when it comes.
    pub(crate) fn begun(mut self) -> Result<Self, Result<Permit<K>, Refusal>> {
        match self.begin(Waker::noop()) {
            Ok(_) => Ok(self),
            Err(result) => Err(result),
        }
    }

    /// Takes a permit or a place in the line.
    fn begin(&mut self, waker: &Waker) -> Result<u32, Result<Permit<K>, Refusal>> {
        let refused = match self.limiter.try_acquire(&self.key, self.cap) {
            // With a cap of zero it would wait for ever.
            Err(refused) if self.cap.permits() > 0 => refused,
            result => return Err(result),
        };
        let (waiter, wakers) = self.limiter.shared().enqueue(&self.key, self.cap, waker);
        let Some(waiter) = waiter else { return Err(Err(refused)) };
        // Before anybody is woken, whose waker could panic: the place in the line is ours to leave.
        self.state = State::Waits(waiter);
        drop(wakers);
        Ok(waiter)
    }
}

impl<K: Eq + Hash + Clone> Future for Acquire<K> {
    type Output = Result<Permit<K>, Refusal>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let waiter = match this.state {
            State::New => match this.begin(cx.waker()) {
                Ok(waiter) => waiter,
                Err(result) => {
                    this.state = State::Done;
                    return Poll::Ready(result);
                }
            },
            State::Waits(waiter) => waiter,
            State::Done => panic!("an Acquire is polled after it was ready"),
        };
        match this.limiter.shared().poll(waiter, cx.waker()) {
            Some(place) => {
                this.state = State::Done;
                Poll::Ready(Ok(this.limiter.permit(place, this.cap.resource())))
            }
            None => Poll::Pending,
        }
    }
}

impl<K: Eq + Hash + Clone> Drop for Acquire<K> {
    fn drop(&mut self) {
        if let State::Waits(waiter) = self.state {
            self.limiter.shared().give_up(waiter);
        }
    }
}

impl<K: Eq + Hash + Clone> fmt::Debug for Acquire<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Acquire").field("cap", &self.cap).field("state", &self.state).finish()
    }
}
