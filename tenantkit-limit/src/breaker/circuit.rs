//! [`Circuit`]: one tenant's, as a plain state machine that is told the time.

use std::time::Duration;

use super::BreakerPolicy;
use crate::window::{Counts, Tally, half};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Success,
    Failure,
    /// Nobody knows: it was dropped.
    Abandoned,
}

const SUCCESS: Tally = Tally { calls: 1, bad: 0 };
const FAILURE: Tally = Tally { calls: 1, bad: 1 };

/// What a circuit gave to a call that it let pass. Outcomes of an earlier generation say nothing about
/// this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) generation: u64,
}

#[derive(Debug)]
pub(super) struct Circuit {
    phase: Phase,
    /// Its first generation.
    born: u64,
    /// Grows with every change of phase.
    generation: u64,
    /// How many times in a row it opened.
    trips: u32,
    /// When it closed last.
    closed_at: Duration,
}

#[derive(Debug)]
enum Phase {
    Closed(Counts),
    Open {
        until: Duration,
    },
    HalfOpen {
        probing: u32,
        passed: u32,
        /// When probes that have not answered are waited for no longer.
        until: Duration,
    },
}

impl Default for Phase {
    fn default() -> Self {
        Self::Closed(Counts::default())
    }
}

impl Circuit {
    /// Closed, and its generations start at `born`. No two circuits may share a generation: a probe of a
    /// circuit that was forgotten must not be taken for one of its successor.
    pub(super) fn born(born: u64) -> Self {
        Self {
            phase: Phase::default(),
            born,
            generation: born,
            trips: 0,
            closed_at: Duration::ZERO,
        }
    }

    /// What a call has that passed before there was a circuit.
    pub(super) const fn first_ticket(&self) -> Ticket {
        Ticket { generation: self.born }
    }

    /// Lets a call pass, or says how long to wait.
    pub(super) fn admit(
        &mut self,
        now: Duration,
        policy: &BreakerPolicy,
    ) -> Result<Ticket, Duration> {
        if let Phase::Open { until } = self.phase {
            match until.checked_sub(now) {
                Some(wait) if !wait.is_zero() => return Err(wait),
                _ => self.turn(Phase::HalfOpen { probing: 0, passed: 0, until: now }),
            }
        }
        if let Phase::HalfOpen { probing, until, .. } = &mut self.phase {
            if *probing >= policy.probes {
                match until.checked_sub(now) {
                    Some(wait) if !wait.is_zero() => return Err(wait),
                    // Otherwise a probe that hangs would hold the circuit as it is for as long as it
                    // hangs. Its answer still counts, should it come.
                    _ => *probing = 0,
                }
            }
            *probing += 1;
            *until = now.saturating_add(policy.open_after(self.trips));
        }
        Ok(Ticket { generation: self.generation })
    }

    /// Learns how a call ended that it let pass.
    pub(super) fn settle(
        &mut self,
        ticket: Ticket,
        outcome: Outcome,
        now: Duration,
        policy: &BreakerPolicy,
    ) {
        if ticket.generation != self.generation {
            return;
        }
        match (&mut self.phase, outcome) {
            (Phase::Closed(counts), Outcome::Success) => {
                counts.add(half(now, policy.window), SUCCESS);
            }
            (Phase::Closed(counts), Outcome::Failure) => {
                let half = half(now, policy.window);
                counts.add(half, FAILURE);
                let total = counts.total(half);
                let is_failing = u64::from(total.bad) * 100
                    >= u64::from(total.calls) * u64::from(policy.failing_percent);
                if total.calls >= policy.min_calls && is_failing {
                    self.trip(now, policy);
                }
            }
            (Phase::HalfOpen { .. }, Outcome::Failure) => self.trip(now, policy),
            (Phase::HalfOpen { probing, passed, .. }, Outcome::Success) => {
                *probing = probing.saturating_sub(1);
                *passed += 1;
                if *passed >= policy.closes_after {
                    self.closed_at = now;
                    self.turn(Phase::default());
                }
            }
            (Phase::HalfOpen { probing, .. }, Outcome::Abandoned) => {
                *probing = probing.saturating_sub(1);
            }
            (Phase::Closed(_), Outcome::Abandoned) | (Phase::Open { .. }, _) => {}
        }
    }

    /// Whether it may be forgotten: closed, without a failure in its window, and closed for so long that
    /// its next opening counts as the first. What a tenant calls before its first failure is not counted
    /// anyway.
    pub(super) fn is_forgotten(&self, now: Duration, policy: &BreakerPolicy) -> bool {
        let Phase::Closed(counts) = &self.phase else { return false };
        counts.total(half(now, policy.window)).bad == 0 && self.is_settled(now, policy)
    }

    fn is_settled(&self, now: Duration, policy: &BreakerPolicy) -> bool {
        self.trips == 0 || now.saturating_sub(self.closed_at) >= policy.open_at_most
    }

    fn trip(&mut self, now: Duration, policy: &BreakerPolicy) {
        let is_closed = matches!(self.phase, Phase::Closed(_));
        if is_closed && self.is_settled(now, policy) {
            self.trips = 0;
        }
        self.trips = self.trips.saturating_add(1);
        self.turn(Phase::Open { until: now.saturating_add(policy.open_after(self.trips)) });
    }

    fn turn(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }
}
