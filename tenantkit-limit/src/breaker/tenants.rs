//! [`Tenants`]: the circuits of the tenants that the dependency failed lately.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    BreakerPolicy,
    circuit::{Circuit, Outcome, Ticket},
};
use crate::{rate::Keyed, window::half};

const SHARDS: usize = 64;

/// Circuits by tenant. A tenant without one is one whose circuit is closed and whose window is empty.
pub(super) struct Tenants<K> {
    shards: Box<[Mutex<Shard<K>>]>,
    len: AtomicUsize,
    max: usize,
    born: AtomicU64,
    /// When a shard was tidied last, and how many were.
    tidied_at: AtomicU64,
    tidied: AtomicU64,
}

struct Shard<K> {
    circuits: HashMap<K, Circuit, Keyed>,
    swept: Duration,
}

/// A circuit has so many generations to itself.
const GENERATIONS: u64 = 1 << 32;

impl<K: Hash + Eq + Clone> Tenants<K> {
    pub(super) fn new(max: usize) -> Self {
        // Not the hasher that names the shard: all that a shard holds would start at the same places.
        let hasher = Keyed::default();
        let circuits = || HashMap::with_hasher(hasher.clone());
        let shard = || Mutex::new(Shard { circuits: circuits(), swept: Duration::ZERO });
        let shards = (0..SHARDS).map(|_| shard()).collect();
        let zero = || AtomicU64::new(0);
        Self {
            shards,
            len: AtomicUsize::new(0),
            max,
            born: zero(),
            tidied_at: zero(),
            tidied: zero(),
        }
    }

    /// Forgets what decides nothing any more, one shard at a time and all of them in a window if there
    /// are calls enough: so that tenants that failed once, and left, do not slow the others for ever.
    pub(super) fn tidy(&self, now: Duration, policy: &BreakerPolicy) {
        let turn = half(now, policy.window / (SHARDS as u32 / 2));
        let last = self.tidied_at.load(Ordering::Relaxed);
        let is_due = turn > last
            && self
                .tidied_at
                .compare_exchange(last, turn, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok();
        if is_due {
            let next = self.tidied.fetch_add(1, Ordering::Relaxed);
            self.sweep(&mut self.shard(next), now, policy);
        }
    }

    fn sweep(&self, shard: &mut Shard<K>, now: Duration, policy: &BreakerPolicy) {
        shard.swept = now;
        let before = shard.circuits.len();
        shard.circuits.retain(|_, circuit| !circuit.is_forgotten(now, policy));
        self.len.fetch_sub(before - shard.circuits.len(), Ordering::Relaxed);
    }

    /// Lets a call pass, or says how long to wait.
    pub(super) fn admit(
        &self,
        hash: u64,
        tenant: &K,
        now: Duration,
        policy: &BreakerPolicy,
    ) -> Result<Option<Ticket>, Duration> {
        let mut shard = self.shard(hash);
        shard.circuits.get_mut(tenant).map(|circuit| circuit.admit(now, policy)).transpose()
    }

    /// Learns how a call ended. The first failure makes the tenant's circuit; a success makes nothing.
    pub(super) fn settle(
        &self,
        hash: u64,
        tenant: &K,
        ticket: Option<Ticket>,
        outcome: Outcome,
        now: Duration,
        policy: &BreakerPolicy,
    ) {
        let mut shard = self.shard(hash);
        if let Some(circuit) = shard.circuits.get_mut(tenant) {
            let ticket = ticket.unwrap_or(circuit.first_ticket());
            circuit.settle(ticket, outcome, now, policy);
            if outcome == Outcome::Success && circuit.is_forgotten(now, policy) {
                shard.circuits.remove(tenant);
                self.len.fetch_sub(1, Ordering::Relaxed);
            }
        } else if outcome == Outcome::Failure && self.has_room(&mut shard, now, policy) {
            let mut circuit = Circuit::born(self.born.fetch_add(GENERATIONS, Ordering::Relaxed));
            circuit.settle(circuit.first_ticket(), outcome, now, policy);
            shard.circuits.insert(tenant.clone(), circuit);
        }
    }

    /// Counts one more, if there may be one more once those that decide nothing any more are gone.
    fn has_room(&self, shard: &mut Shard<K>, now: Duration, policy: &BreakerPolicy) -> bool {
        // Swept when it would grow, and when all is full, but then once a window: so the sweep costs
        // each insertion a constant, and each refused one next to nothing.
        let would_grow = shard.circuits.len() == shard.circuits.capacity();
        let is_full = self.len() >= self.max;
        if would_grow || is_full && now.saturating_sub(shard.swept) >= policy.window {
            self.sweep(shard, now, policy);
            // Or the next would sweep again, for one free place each time.
            if shard.circuits.len() * 2 > shard.circuits.capacity() {
                shard.circuits.reserve(shard.circuits.len());
            }
        }
        let more = |len| (len < self.max).then_some(len + 1);
        self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    fn shard(&self, hash: u64) -> MutexGuard<'_, Shard<K>> {
        #[expect(clippy::cast_possible_truncation, reason = "only its low bits count")]
        let at = hash as usize % SHARDS;
        // Nothing in here can panic halfway through a change but the key's own code.
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Tenants<K> {
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
