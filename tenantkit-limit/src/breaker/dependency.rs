//! [`Dependency`]: the circuit above those of the tenants.
//!
//! It is judged by tenants and not by calls, also while half-open: a tenant that fails by its own fault
//! has one vote, and cannot keep the circuit open for the others.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    BreakerPolicy,
    circuit::{Outcome, Ticket},
    crowd::Crowd,
};
use crate::window::half;

/// So many tenants must fail in a half-open circuit before it opens again, if so many probe it.
const FAILED_TO_OPEN: usize = 2;

pub(super) struct Dependency {
    crowd: Crowd,
    /// So that a call while all is well takes no lock. The truth is in `state`.
    is_closed: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    generation: u64,
    trips: u32,
    closed_at: Duration,
}

#[derive(Default)]
enum Phase {
    #[default]
    Closed,
    Open {
        until: Duration,
    },
    HalfOpen {
        probing: u32,
        passed: u32,
        /// The hashes of the tenants whose probes failed.
        failed: Vec<u64>,
        /// When those that failed may probe again, should nobody else have come.
        until: Duration,
        /// When probes that have not answered are waited for no longer.
        waits_until: Duration,
    },
}

impl Dependency {
    pub(super) fn new() -> Self {
        Self { crowd: Crowd::new(), is_closed: AtomicBool::new(true), state: Mutex::default() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Lets a call pass, or says how long to wait.
    pub(super) fn admit(
        &self,
        hash: u64,
        now: Duration,
        policy: &BreakerPolicy,
    ) -> Result<Option<Ticket>, Duration> {
        if self.is_closed() {
            return Ok(None);
        }
        let mut state = self.state();
        if let Phase::Open { until } = state.phase {
            match until.checked_sub(now) {
                Some(wait) if !wait.is_zero() => return Err(wait),
                _ => {
                    let until = now.saturating_add(policy.open_after(state.trips));
                    state.turn(Phase::HalfOpen {
                        probing: 0,
                        passed: 0,
                        failed: Vec::new(),
                        until,
                        waits_until: now,
                    });
                }
            }
        }
        let (generation, open_after) = (state.generation, policy.open_after(state.trips));
        let Phase::HalfOpen { probing, failed, until, waits_until, .. } = &mut state.phase else {
            return Ok(None);
        };
        if *until <= now {
            failed.clear();
            *until = now.saturating_add(policy.open_for);
        }
        if failed.contains(&hash) {
            return Err(until.saturating_sub(now));
        }
        if *probing >= policy.probes {
            match waits_until.checked_sub(now) {
                Some(wait) if !wait.is_zero() => return Err(wait),
                // As in a tenant's circuit: a probe that hangs does not hold it as it is.
                _ => *probing = 0,
            }
        }
        *probing += 1;
        *waits_until = now.saturating_add(open_after);
        Ok(Some(Ticket { generation }))
    }

    /// Learns how a call ended.
    pub(super) fn settle(
        &self,
        hash: u64,
        ticket: Option<Ticket>,
        outcome: Outcome,
        now: Duration,
        policy: &BreakerPolicy,
    ) {
        match ticket {
            Some(ticket) => self.settle_probe(hash, ticket, outcome, now, policy),
            None => self.settle_call(hash, outcome, now, policy),
        }
    }

    fn settle_call(&self, hash: u64, outcome: Outcome, now: Duration, policy: &BreakerPolicy) {
        if outcome == Outcome::Abandoned || !self.is_closed() {
            return;
        }
        let half = half(now, policy.window);
        self.crowd.record(hash, half, outcome == Outcome::Failure);
        if outcome == Outcome::Success {
            return;
        }
        let fare = self.crowd.fare(half);
        let is_failing = fare.tenants >= policy.min_tenants
            && fare.calls >= policy.min_calls
            && fare.failing_percent >= u32::from(policy.failing_tenants_percent);
        if is_failing {
            let mut state = self.state();
            if matches!(state.phase, Phase::Closed) {
                self.trip(&mut state, now, policy);
            }
        }
    }

    fn settle_probe(
        &self,
        hash: u64,
        ticket: Ticket,
        outcome: Outcome,
        now: Duration,
        policy: &BreakerPolicy,
    ) {
        let mut state = self.state();
        if state.generation != ticket.generation {
            return;
        }
        let Phase::HalfOpen { probing, passed, failed, .. } = &mut state.phase else { return };
        *probing = probing.saturating_sub(1);
        match outcome {
            Outcome::Abandoned => {}
            Outcome::Success => {
                *passed += 1;
                if *passed >= policy.closes_after {
                    state.closed_at = now;
                    state.turn(Phase::Closed);
                    self.crowd.clear();
                    self.is_closed.store(true, Ordering::Release);
                }
            }
            Outcome::Failure => {
                failed.push(hash);
                if failed.len() >= FAILED_TO_OPEN {
                    self.trip(&mut state, now, policy);
                }
            }
        }
    }

    fn trip(&self, state: &mut State, now: Duration, policy: &BreakerPolicy) {
        let is_closed = matches!(state.phase, Phase::Closed);
        if is_closed && now.saturating_sub(state.closed_at) >= policy.open_at_most {
            state.trips = 0;
        }
        state.trips = state.trips.saturating_add(1);
        let until = now.saturating_add(policy.open_after(state.trips));
        state.turn(Phase::Open { until });
        self.is_closed.store(false, Ordering::Release);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}
