//! [`FailureBudget`]: how much of this process's time a peer may spend on tokens that do not hold.

use std::{
    collections::hash_map::RandomState,
    fmt,
    hash::BuildHasher,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{Reason, UnixTime};

/// Peers share so many counters.
const SLOTS: usize = 4096;

/// Counts, for each peer and second, the tokens that did not hold once their signature was looked at.
/// Past the bound the peer's tokens are refused without a look, until the second is over; what is in
/// the cache is not affected, and neither is another peer.
///
/// It is off unless asked for: behind a proxy all share the proxy's counter, and one of them could
/// have the others refused. For the same reason a peer that is not known is never refused by it.
///
/// Memory is fixed: a peer (an IPv4 address, or the /64 of an IPv6 address) has one of 4096 counters,
/// which a key of this process chooses, so two peers meet in one rarely, and not by their choice.
#[derive(Debug, Clone)]
pub(crate) struct FailureBudget(Option<Counters>);

#[derive(Clone)]
struct Counters {
    slots: Arc<[AtomicU64]>,
    hasher: RandomState,
    per_second: u32,
}

impl FailureBudget {
    /// Refuses nobody.
    pub(crate) const OFF: Self = Self(None);

    pub(crate) fn new(per_second: u32) -> Self {
        let slots = (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self(Some(Counters { slots, hasher: RandomState::new(), per_second }))
    }

    /// Verifies, unless the peer has nothing left; a failure is charged to it.
    pub(crate) fn spend<T>(
        &self,
        peer: Option<SocketAddr>,
        now: UnixTime,
        verify: impl FnOnce() -> Result<T, Reason>,
    ) -> Result<T, Reason> {
        let (Some(counters), Some(peer)) = (&self.0, peer) else { return verify() };
        let slot = counters.slot(peer);
        counters.check(slot, now)?;
        verify().inspect_err(|_| charge(slot, now))
    }
}

impl Counters {
    fn check(&self, slot: &AtomicU64, now: UnixTime) -> Result<(), Reason> {
        let (second, failed) = parts(slot.load(Ordering::Relaxed));
        let is_spent = second == this(now) && failed >= self.per_second;
        if is_spent { Err(Reason::LoadShed) } else { Ok(()) }
    }

    fn slot(&self, peer: SocketAddr) -> &AtomicU64 {
        let network = match peer.ip().to_canonical() {
            IpAddr::V4(v4) => u128::from(v4.to_bits()),
            IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
        };
        #[expect(clippy::cast_possible_truncation, reason = "only its low bits count")]
        let at = self.hasher.hash_one(network) as usize % SLOTS;
        &self.slots[at]
    }
}

fn charge(slot: &AtomicU64, now: UnixTime) {
    let this = this(now);
    let _ = slot.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |slot| {
        let (second, failed) = parts(slot);
        let failed = if second == this { failed.saturating_add(1) } else { 1 };
        Some(u64::from(this) << 32 | u64::from(failed))
    });
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("per_second", &self.per_second).finish_non_exhaustive()
    }
}

/// The second, in the 32 bits that a slot has for it.
#[expect(clippy::cast_possible_truncation, reason = "equal seconds stay equal")]
fn this(now: UnixTime) -> u32 {
    now.as_secs() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "two halves")]
fn parts(slot: u64) -> (u32, u32) {
    ((slot >> 32) as u32, slot as u32)
}
