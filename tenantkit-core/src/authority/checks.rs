//! [`Checks`]: how many costly checks are under way at once, and who is next.

use std::{
    fmt,
    net::SocketAddr,
    num::NonZeroUsize,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Listener;
use crate::{Inbound, Reason, Refusal, TenantContext, UnixTime, jws::budget::PeerCounts};

/// What bounds the checks of an authority.
#[derive(Debug, Clone, Copy)]
pub(super) struct CheckBounds {
    pub(super) at_once: NonZeroUsize,
    /// In each lane.
    pub(super) waiting: usize,
    /// So many of one peer in a second stay in the first lane.
    pub(super) first_lane: u32,
}

/// Half the cores of this machine, so that requests whose token is known always find one.
pub(super) fn half_the_cores() -> NonZeroUsize {
    half(std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN))
}

fn half(cores: NonZeroUsize) -> NonZeroUsize {
    NonZeroUsize::new(cores.get() / 2).unwrap_or(NonZeroUsize::MIN)
}

/// The gate that costly checks pass, first come, first served, and the lanes before it.
///
/// The second lane is for peers of which too much failed, or is still being checked, in this second.
/// Of all that stand in it one at a time stands before the gate; so who is in the first lane waits for
/// at most one of them, and who shares a peer with a flood is slow and not refused.
///
/// Both are tokio's semaphores, which need no runtime, are fair, and are tested with loom there.
pub(super) struct Checks {
    gate: Arc<Semaphore>,
    first: Lane,
    second: Lane,
    /// Held by the one of the second lane that stands before the gate, or has passed it.
    head_of_second: Arc<Semaphore>,
    peers: Arc<PeerCounts>,
    first_lane: u32,
    /// How many of each peer stand in the second lane, and how many may.
    in_second: Arc<PeerCounts>,
    second_lane_of_one: u32,
}

/// Room for who waits.
type Lane = Arc<Semaphore>;

/// A place in a lane, until this is dropped.
struct Place {
    _lane: OwnedSemaphorePermit,
    /// Of one peer in the second lane.
    _share: Option<Share>,
}

/// One more of a peer, until this is dropped.
struct Share {
    counts: Arc<PeerCounts>,
    peer: Option<SocketAddr>,
}

/// What is counted from beginning to end, and not within a second.
const FOR_EVER: UnixTime = UnixTime::EPOCH;

impl Drop for Share {
    fn drop(&mut self) {
        self.counts.take_back(self.peer, FOR_EVER);
    }
}

/// What a request gets that has to check something.
pub(super) enum Entry {
    Passed(Passed),
    Waits(Waits),
}

type Waits = Pin<Box<dyn Future<Output = Passed> + Send + Sync>>;

/// The gate was passed, until this is dropped.
pub(super) struct Passed {
    _gate: OwnedSemaphorePermit,
    _head_of_second: Option<OwnedSemaphorePermit>,
    charge: Charge,
}

/// What was counted against a peer when it came, and stays so unless everything held: also when it
/// went away, or when the check panicked.
struct Charge {
    peers: Arc<PeerCounts>,
    peer: Option<SocketAddr>,
    at: UnixTime,
}

impl Checks {
    pub(super) fn new(CheckBounds { at_once, waiting, first_lane }: CheckBounds) -> Self {
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            gate: semaphore(at_once.get()),
            first: semaphore(waiting),
            second: semaphore(waiting),
            head_of_second: semaphore(1),
            peers: Arc::new(PeerCounts::new()),
            first_lane,
            in_second: Arc::new(PeerCounts::new()),
            // One that fills it alone would have all the others in it refused.
            second_lane_of_one: u32::try_from(waiting.div_ceil(2)).unwrap_or(u32::MAX),
        }
    }

    /// Passes the gate at once where there is room and nobody waits, or takes a place in a lane.
    pub(super) fn enter(&self, peer: Option<SocketAddr>, at: UnixTime) -> Result<Entry, Reason> {
        let counted = self.peers.add(peer, at);
        let charge = Charge { peers: Arc::clone(&self.peers), peer, at };
        let is_first = counted < self.first_lane;
        let head = (!is_first).then(|| try_acquire(&self.head_of_second));
        // Whoever releases a permit gives it to who waits, so this passes nobody by.
        if head.as_ref().is_none_or(Option::is_some)
            && let Some(gate) = try_acquire(&self.gate)
        {
            let head_of_second = head.flatten();
            return Ok(Entry::Passed(Passed {
                _gate: gate,
                _head_of_second: head_of_second,
                charge,
            }));
        }
        let place = self.place(peer, is_first).ok_or(Reason::TooManyChecks)?;
        let head_of_second = (!is_first).then(|| Arc::clone(&self.head_of_second));
        let gate = Arc::clone(&self.gate);
        Ok(Entry::Waits(Box::pin(async move {
            let head_of_second = match head_of_second {
                Some(head) => Some(acquire(head).await),
                None => None,
            };
            let gate = acquire(gate).await;
            drop(place);
            Passed { _gate: gate, _head_of_second: head_of_second, charge }
        })))
    }
}

impl Checks {
    fn place(&self, peer: Option<SocketAddr>, is_first: bool) -> Option<Place> {
        if is_first {
            return Some(Place { _lane: try_acquire(&self.first)?, _share: None });
        }
        let before = self.in_second.add(peer, FOR_EVER);
        let share = Share { counts: Arc::clone(&self.in_second), peer };
        if before >= self.second_lane_of_one {
            return None;
        }
        Some(Place { _lane: try_acquire(&self.second)?, _share: Some(share) })
    }
}

fn try_acquire(semaphore: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    Arc::clone(semaphore).try_acquire_owned().ok()
}

async fn acquire(semaphore: Arc<Semaphore>) -> OwnedSemaphorePermit {
    match semaphore.acquire_owned().await {
        Ok(permit) => permit,
        // It fails once the semaphore is closed, and nobody closes it.
        Err(_) => std::future::pending().await,
    }
}

impl Passed {
    /// Everything held that was checked: it does not count against the peer.
    pub(super) fn held(self) {
        self.charge.peers.take_back(self.charge.peer, self.charge.at);
    }
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}

/// A request's place in the line of those whose token has to be checked. A future: it is ready when
/// the check may begin.
///
/// It has to be polled or dropped. One that is kept and not polled may hold up those behind it.
///
/// # Cancellation
///
/// Dropping it gives the place, and the turn where it has come, to the next.
pub struct Turn {
    listener: Listener,
    waits: Waits,
}

/// That a request's costly checks may be done now. Dropping it lets the next begin.
pub struct CheckPermit {
    listener: Listener,
    passed: Passed,
}

impl Turn {
    pub(super) const fn new(listener: Listener, waits: Waits) -> Self {
        Self { listener, waits }
    }
}

impl Future for Turn {
    type Output = CheckPermit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CheckPermit> {
        let passed = ready!(self.waits.as_mut().poll(cx));
        Poll::Ready(CheckPermit { listener: self.listener.clone(), passed })
    }
}

impl CheckPermit {
    /// Does for the same request, from the start, what [`Listener::begin`] could not finish.
    ///
    /// # Errors
    ///
    /// As [`Listener::identify`], but for the wait.
    pub fn identify(self, inbound: Inbound<'_>) -> Result<TenantContext, Refusal> {
        self.listener.finish(inbound, self.passed)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").finish_non_exhaustive()
    }
}

impl fmt::Debug for CheckPermit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckPermit").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_the_cores_check_and_at_least_one() {
        let half = |cores| half(NonZeroUsize::new(cores).unwrap()).get();
        assert_eq!([1, 2, 3, 4, 64].map(half), [1, 1, 1, 2, 32]);
    }
}
