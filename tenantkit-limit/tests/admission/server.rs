//! A server of known capacity, its callers and its queue, in time that is simulated.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

use tenantkit_core::{Clock, ManualClock, Tier, TierSet};
use tenantkit_limit::admission::{Admission, Admitted};

pub(crate) const TIERS: TierSet = TierSet::METALS;

/// `workers` that each take `service` for a call, on average; a queue before them, first in, first out
/// and without a bound; callers that come without waiting for each other and give up after `patience`,
/// which the server does not notice: it does the work all the same. To refuse costs nothing.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) workers: usize,
    pub(crate) service: Duration,
    /// How long one call takes, by a number from 0 to 1: once the mean, if that is what it gives.
    pub(crate) spread: fn(f64) -> f64,
    pub(crate) patience: Duration,
    /// What is offered by each tier, in parts of the capacity, lowest tier first.
    pub(crate) offered: [f64; 4],
    pub(crate) span: Duration,
}

impl Server {
    /// Two workers at 2 ms, so 1,000 calls a second, offered `load` times that.
    pub(crate) fn offered(offered: [f64; 4]) -> Self {
        Self {
            workers: 2,
            service: Duration::from_millis(2),
            spread: |random| -(1.0 - random).ln(),
            patience: Duration::from_secs(1),
            offered,
            span: Duration::from_secs(30),
        }
    }

    /// Calls in the whole span.
    pub(crate) fn capacity(&self) -> f64 {
        self.workers as f64 * self.span.as_secs_f64() / self.service.as_secs_f64()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) offered: [u32; 4],
    pub(crate) admitted: [u32; 4],
    /// Served while the caller still waited.
    pub(crate) good: [u32; 4],
    /// Of those admitted.
    pub(crate) longest_wait: Duration,
    pub(crate) changes_of_level: u32,
}

impl Seen {
    pub(crate) fn goodput(&self, server: &Server) -> f64 {
        f64::from(self.good.iter().sum::<u32>()) / server.capacity()
    }

    pub(crate) fn admitted_part(&self, tier: usize) -> f64 {
        f64::from(self.admitted[tier]) / f64::from(self.offered[tier].max(1))
    }
}

struct Call {
    tier: usize,
    came: Duration,
    admitted: Option<Admitted>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Comes(usize),
    Ends { tier: usize, came: Duration },
}

/// Runs the server for its span, from now on; without admission, all come in.
pub(crate) fn run(server: &Server, admission: Option<&Admission>, clock: &ManualClock) -> Seen {
    let tiers: Vec<Tier> = TIERS.iter().collect();
    let began = clock.monotonic();
    let mut random = fastrand::Rng::with_seed(7);
    let mut seen = Seen::default();
    let mut events = BinaryHeap::new();
    let rate = server.workers as f64 / server.service.as_secs_f64();
    let next = |tier: usize, random: &mut fastrand::Rng| {
        let gap = -(1.0 - random.f64()).ln() / (server.offered[tier] * rate);
        Duration::from_secs_f64(gap)
    };
    for tier in 0..4 {
        if server.offered[tier] > 0.0 {
            events.push(Reverse((began + next(tier, &mut random), Event::Comes(tier))));
        }
    }
    let mut queue: VecDeque<Call> = VecDeque::new();
    let mut idle = server.workers;
    let mut level = 0;
    while let Some(Reverse((at, event))) = events.pop() {
        if at > began + server.span {
            break;
        }
        clock.advance(at - clock.monotonic());
        match event {
            Event::Comes(tier) => {
                events.push(Reverse((at + next(tier, &mut random), Event::Comes(tier))));
                seen.offered[tier] += 1;
                match admission.map(|admission| admission.admit(tiers[tier])).transpose() {
                    Ok(admitted) => {
                        seen.admitted[tier] += 1;
                        queue.push_back(Call { tier, came: at, admitted });
                    }
                    Err(refused) => assert!(refused.wait().is_some(), "how long is known"),
                }
            }
            Event::Ends { tier, came } => {
                idle += 1;
                seen.good[tier] += u32::from(at - came <= server.patience);
            }
        }
        while idle > 0
            && let Some(mut call) = queue.pop_front()
        {
            idle -= 1;
            if let Some(admitted) = &mut call.admitted {
                seen.longest_wait = seen.longest_wait.max(admitted.begin());
            }
            let takes = server.service.mul_f64((server.spread)(random.f64()));
            events.push(Reverse((at + takes, Event::Ends { tier: call.tier, came: call.came })));
        }
        if let Some(admission) = admission {
            let now = admission.tiers_shed();
            seen.changes_of_level += u32::from(now != level);
            level = now;
        }
    }
    seen
}
