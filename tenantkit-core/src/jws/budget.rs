//! [`PeerCounts`]: how often the tokens of a peer did not hold, and [`FailureBudget`], which refuses
//! for it.

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

/// Peers share so many counters in each row.
const SLOTS: usize = 4096;

/// Counts for each peer what happened within a second.
///
/// Memory is fixed: a peer (an IPv4 address, or the /64 of an IPv6 address; all that are not known are
/// one) has one of 4096 counters in each of two rows, of which the lower one counts (a count-min
/// sketch, Cormode and Muthukrishnan 2005). Keys of this process choose them, so one peer is taken for
/// another hardly ever, and not by its choice.
pub(crate) struct PeerCounts([Row; 2]);

struct Row {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

/// Who shares a counter by intent.
type Network = Option<u128>;

impl PeerCounts {
    pub(crate) fn new() -> Self {
        let slots = || (0..SLOTS).map(|_| AtomicU64::new(0)).collect();
        Self([(); 2].map(|()| Row { slots: slots(), hasher: RandomState::new() }))
    }

    /// How often it happened in this second.
    pub(crate) fn count(&self, peer: Option<SocketAddr>, now: UnixTime) -> u32 {
        let (network, second) = (network(peer), this(now));
        let [one, other] = &self.0;
        one.count(network, second).min(other.count(network, second))
    }

    /// Counts one more, and tells how often it happened before.
    pub(crate) fn add(&self, peer: Option<SocketAddr>, now: UnixTime) -> u32 {
        let (network, second) = (network(peer), this(now));
        let [one, other] = &self.0;
        one.add(network, second).min(other.add(network, second))
    }

    /// Takes back what was counted at `then`, unless its second is over.
    pub(crate) fn take_back(&self, peer: Option<SocketAddr>, then: UnixTime) {
        let (network, second) = (network(peer), this(then));
        for row in &self.0 {
            row.take_back(network, second);
        }
    }
}

impl Row {
    fn count(&self, network: Network, this: u32) -> u32 {
        let (second, count) = parts(self.slot(network).load(Ordering::Relaxed));
        if second == this { count } else { 0 }
    }

    fn add(&self, network: Network, this: u32) -> u32 {
        let mut before = 0;
        let _ = self.slot(network).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |slot| {
            let (second, count) = parts(slot);
            before = if second == this { count } else { 0 };
            Some(u64::from(this) << 32 | u64::from(before.saturating_add(1)))
        });
        before
    }

    fn take_back(&self, network: Network, then: u32) {
        let _ = self.slot(network).fetch_update(Ordering::Relaxed, Ordering::Relaxed, |slot| {
            let (second, count) = parts(slot);
            (second == then && count > 0).then(|| slot - 1)
        });
    }

    fn slot(&self, network: Network) -> &AtomicU64 {
        #[expect(clippy::cast_possible_truncation, reason = "only its low bits count")]
        let at = self.hasher.hash_one(network) as usize % SLOTS;
        &self.slots[at]
    }
}

fn network(peer: Option<SocketAddr>) -> Network {
    peer.map(|peer| match peer.ip().to_canonical() {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
    })
}

impl fmt::Debug for PeerCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerCounts").finish_non_exhaustive()
    }
}

/// Counts, for each peer and second, the tokens that did not hold once their signature was looked at.
/// Past the bound the peer's tokens are refused without a look, until the second is over; what is in
/// the cache is not affected, and neither is another peer.
///
/// It is off unless asked for: behind a proxy all share the proxy's counter, and one of them could
/// have the others refused. For the same reason a peer that is not known is never refused by it.
#[derive(Debug, Clone)]
pub(crate) struct FailureBudget(Option<Counted>);

#[derive(Debug, Clone)]
struct Counted {
    peers: Arc<PeerCounts>,
    per_second: u32,
}

impl FailureBudget {
    /// Refuses nobody.
    pub(crate) const OFF: Self = Self(None);

    pub(crate) fn new(per_second: u32) -> Self {
        Self(Some(Counted { peers: Arc::new(PeerCounts::new()), per_second }))
    }

    /// Refuses a peer that has nothing left.
    pub(crate) fn check(&self, peer: Option<SocketAddr>, now: UnixTime) -> Result<(), Reason> {
        match &self.0 {
            Some(it) if peer.is_some() && it.peers.count(peer, now) >= it.per_second => {
                Err(Reason::LoadShed)
            }
            _ => Ok(()),
        }
    }

    /// Charges a failure.
    pub(crate) fn charge(&self, peer: Option<SocketAddr>, now: UnixTime) {
        if let Some(counted) = &self.0 {
            counted.peers.add(peer, now);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_back_is_of_its_own_second_and_was_counted() {
        let peers = PeerCounts::new();
        let [then, now] = [1, 2].map(UnixTime::from_secs);
        assert_eq!((peers.add(None, then), peers.add(None, now)), (0, 0));
        peers.take_back(None, then);
        assert_eq!(peers.count(None, now), 1);
        peers.take_back(None, now);
        peers.take_back(None, now);
        assert_eq!((peers.count(None, now), peers.add(None, now)), (0, 0));

        let peers = PeerCounts::new();
        peers.take_back(None, UnixTime::EPOCH);
        assert_eq!(peers.add(None, UnixTime::EPOCH), 0);
    }
}
