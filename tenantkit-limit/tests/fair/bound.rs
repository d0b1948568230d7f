//! The bound: random traces against exactly what is promised.
//!
//! `FAIR_TRACES=1000000 cargo test -p tenantkit-limit --release --test fair bound` runs a million of them; without it,
//! 3,000 are.

use std::env;

use tenantkit_limit::fair::LeaseLost;

use super::*;

/// How one tenant stands, as whoever uses the queue knows it.
#[derive(Clone, Default)]
struct Known {
    weight: u16,
    cap: u32,
    ready: u32,
    in_flight: u32,
    /// What was served of it over its weight.
    served: f64,
    /// The most that one item charged.
    dearest: f64,
    /// What the corrections of what is in flight will add over its weight, and what they will take, and the most that
    /// either ever was.
    owed: [f64; 2],
    most_owed: [f64; 2],
    held_until: Duration,
}

impl Known {
    fn is_backlogged(&self, now: Duration) -> bool {
        self.ready > 0 && self.in_flight < self.cap && self.held_until <= now
    }

    /// Something is in flight that will be corrected by this, or (with -1) is not any more.
    fn owe(&mut self, correction: f64, sign: f64) {
        let way = usize::from(correction < 0.0);
        self.owed[way] += sign * correction.abs();
        self.most_owed[way] = self.most_owed[way].max(self.owed[way]);
    }

    fn slack(&self) -> f64 {
        self.dearest + self.most_owed[0] + self.most_owed[1]
    }
}

struct Flying {
    lease: Lease<u32, u32>,
    tenant: usize,
    fate: Fate,
    /// What its end will make of its charge, over the weight at which it was charged.
    correction: f64,
    until: Duration,
}

#[derive(Clone, Copy)]
enum Fate {
    Done { actual: u32 },
    Later,
    Dropped,
    Released,
}

struct Trace {
    queue: Queue,
    clock: ManualClock,
    random: fastrand::Rng,
    now: Duration,
    granule: f64,
    dearest: u32,
    tenants: Vec<Known>,
    flying: Vec<Flying>,
    delayed: Vec<(Duration, usize)>,
    /// The least and the greatest difference of each pair while both were backlogged.
    pairs: Vec<Option<(f64, f64)>>,
}

impl Trace {
    fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let (cost, weight) = (1 << random.u32(..8), 1 << random.u16(..10));
        let granule = f64::from(cost) / f64::from(weight);
        let (cost, weight) = (Cost::new(cost).unwrap(), Weight::new(weight).unwrap());
        let (queue, clock) = queue(|it| it.granule(cost, weight));
        let dearest = [1, 4, 1 << 10, 1 << 24][random.usize(..4)];
        let len = random.usize(2..=5);
        let mut trace = Self {
            queue,
            clock,
            random,
            now: Duration::ZERO,
            granule,
            dearest,
            tenants: vec![Known::default(); len],
            flying: Vec::new(),
            delayed: Vec::new(),
            pairs: vec![None; len * len],
        };
        (0..len).for_each(|tenant| trace.reweigh(tenant));
        trace
    }

    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            let tenant = self.random.usize(..self.tenants.len());
            match self.random.u32(..100) {
                0..34 => self.push(tenant),
                34..64 => self.pop(),
                64..84 => self.end(),
                84..90 => self.wait(),
                90..92 => self.reweigh(tenant),
                92 => self.hold(tenant),
                // A burst, so that there is something to be fair about.
                93..97 => (0..20).for_each(|_| self.push(tenant)),
                _ => (0..20).for_each(|_| self.pop()),
            }
        }
        let in_all: u32 = self.tenants.iter().map(|it| it.ready + it.in_flight).sum();
        let in_all = in_all as usize + self.delayed.len();
        assert_eq!(self.queue.waiting() + self.queue.in_flight(), in_all, "nothing is lost");
    }

    fn push(&mut self, tenant: usize) {
        let cost = self.random.u32(1..=self.dearest);
        push(&self.queue, u32::try_from(tenant).unwrap(), 0, cost);
        self.tenants[tenant].ready += 1;
        self.look();
    }

    fn pop(&mut self) {
        let Some(lease) = self.queue.try_pop() else {
            let is_passed_over = |known: &Known| known.is_backlogged(self.now);
            assert!(!self.tenants.iter().any(is_passed_over), "nobody is passed over");
            return;
        };
        let tenant = *lease.tenant() as usize;
        let fate = match self.random.u32(..8) {
            0 | 1 => Fate::Done { actual: self.random.u32(..=self.dearest) },
            2 | 3 => Fate::Done { actual: lease.cost() },
            4 | 5 => Fate::Later,
            6 => Fate::Dropped,
            _ => Fate::Released,
        };
        let actual = match fate {
            Fate::Done { actual } => actual,
            Fate::Later | Fate::Dropped => lease.cost(),
            Fate::Released => 0,
        };
        let known = &mut self.tenants[tenant];
        assert!(known.is_backlogged(self.now), "its cap holds");
        known.ready -= 1;
        known.in_flight += 1;
        let weight = f64::from(known.weight);
        let charge = f64::from(lease.cost()) / weight;
        let correction = f64::from(actual) / weight - charge;
        known.served += charge;
        known.dearest = known.dearest.max(charge);
        known.owe(correction, 1.0);
        let until = self.now + 10 * SECOND;
        self.flying.push(Flying { lease, tenant, fate, correction, until });
        self.look();
    }

    fn end(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let at = self.random.usize(..self.flying.len());
        let Flying { lease, tenant, fate, correction, until } = self.flying.swap_remove(at);
        let is_late = until <= self.now;
        let delay = Duration::from_millis(self.random.u64(1..4000));
        let ended = match fate {
            Fate::Done { actual } => lease.complete_at(actual),
            Fate::Later => lease.retry_after(delay),
            Fate::Released => lease.release(),
            Fate::Dropped => {
                drop(lease);
                if is_late { Err(LeaseLost) } else { Ok(()) }
            }
        };
        assert_eq!(ended.is_err(), is_late, "who is too late is not heard, and nobody else");
        if is_late {
            return;
        }
        let known = &mut self.tenants[tenant];
        known.in_flight -= 1;
        known.owe(correction, -1.0);
        known.served += correction;
        match fate {
            Fate::Done { .. } => {}
            Fate::Later => self.delayed.push((self.now + delay, tenant)),
            Fate::Dropped | Fate::Released => known.ready += 1,
        }
        self.look();
    }

    fn wait(&mut self) {
        let span = Duration::from_millis(self.random.u64(..3000));
        self.clock.advance(span);
        self.now += span;
        while self.queue.tick().is_some_and(|wait| wait.is_zero()) {}
        for (due, tenant) in &self.delayed {
            self.tenants[*tenant].ready += u32::from(*due <= self.now);
        }
        self.delayed.retain(|(due, _)| *due > self.now);
        for flying in &mut self.flying {
            if flying.until <= self.now && flying.until > Duration::ZERO {
                // It came back; what its holder says is not heard any more.
                flying.until = Duration::ZERO;
                let known = &mut self.tenants[flying.tenant];
                known.in_flight -= 1;
                known.ready += 1;
                known.owe(flying.correction, -1.0);
            }
        }
        self.look();
    }

    fn reweigh(&mut self, tenant: usize) {
        let known = &mut self.tenants[tenant];
        known.weight = [1, 2, 3, 7, 10, 100, 1000, 65_535][self.random.usize(..8)];
        known.cap = [1, 2, 3, u32::MAX, u32::MAX][self.random.usize(..5)];
        let share = weight(known.weight).max_in_flight(known.cap);
        let tenant = u32::try_from(tenant).unwrap();
        self.queue.set_tenant_share(&tenant, Some(share)).unwrap();
        self.look();
    }

    fn hold(&mut self, tenant: usize) {
        let known = &mut self.tenants[tenant];
        // Of one that has nothing the queue may know nothing.
        if known.ready + known.in_flight > 0 {
            let span = Duration::from_millis(self.random.u64(1..3000));
            self.queue.hold(&u32::try_from(tenant).unwrap(), span);
            known.held_until = known.held_until.max(self.now + span);
        }
        self.look();
    }

    /// Holds each pair that was backlogged until now to the bound.
    fn look(&mut self) {
        let len = self.tenants.len();
        for i in 0..len {
            for j in 0..i {
                let (one, other) = (&self.tenants[i], &self.tenants[j]);
                let difference = one.served - other.served;
                let pair = &mut self.pairs[i * len + j];
                if let Some((least, greatest)) = pair {
                    *least = least.min(difference);
                    *greatest = greatest.max(difference);
                    let bound = one.slack() + other.slack() + self.granule;
                    let rounding = 1e-9 * (1.0 + one.served.max(other.served));
                    let seen = *greatest - *least;
                    assert!(seen <= bound + rounding, "{seen} above {bound}");
                }
                if !(one.is_backlogged(self.now) && other.is_backlogged(self.now)) {
                    *pair = None;
                } else if pair.is_none() {
                    *pair = Some((difference, difference));
                }
            }
        }
    }
}

#[test]
fn in_no_trace_do_two_backlogged_tenants_differ_by_more_than_the_bound() {
    let wanted = env::var("FAIR_TRACES").ok().and_then(|traces| traces.parse().ok());
    let traces: u64 = wanted.unwrap_or(3_000);
    for seed in 0..traces {
        let trace = std::panic::catch_unwind(|| Trace::new(seed).run(120));
        assert!(trace.is_ok(), "the trace of seed {seed}");
    }
}
