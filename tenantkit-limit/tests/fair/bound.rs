//! The bound: random traces against exactly what is promised.
//!
//! `FAIR_TRACES=1000000 cargo test -p tenantkit-limit --release --test fair bound` runs a million of them.

use std::env;

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
    /// What the corrections of what is in flight will come to, and the most that they ever did.
    owed: u64,
    most_owed: u64,
    least_weight: u16,
}

impl Known {
    const fn is_backlogged(&self) -> bool {
        self.ready > 0 && self.in_flight < self.cap
    }

    fn slack(&self) -> f64 {
        self.dearest + to_f64(self.most_owed) / f64::from(self.least_weight)
    }
}

#[expect(clippy::cast_precision_loss, reason = "below 2^53")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

struct Flying {
    lease: Lease<u32, u32>,
    tenant: usize,
    actual: u32,
    until: Duration,
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
            tenants: vec![Known { least_weight: u16::MAX, ..Known::default() }; len],
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
                90..93 => self.reweigh(tenant),
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
            assert!(!self.tenants.iter().any(Known::is_backlogged), "nobody is passed over");
            return;
        };
        let tenant = *lease.tenant() as usize;
        let actual = match self.random.u32(..4) {
            0 => self.random.u32(..=self.dearest),
            _ => lease.cost(),
        };
        let known = &mut self.tenants[tenant];
        assert!(known.is_backlogged(), "its cap holds");
        known.ready -= 1;
        known.in_flight += 1;
        let charge = f64::from(lease.cost()) / f64::from(known.weight);
        known.served += charge;
        known.dearest = known.dearest.max(charge);
        known.owed += u64::from(actual.abs_diff(lease.cost()));
        known.most_owed = known.most_owed.max(known.owed);
        let until = self.now + 10 * SECOND;
        self.flying.push(Flying { lease, tenant, actual, until });
        self.look();
    }

    fn end(&mut self) {
        if self.flying.is_empty() {
            return;
        }
        let at = self.random.usize(..self.flying.len());
        let Flying { lease, tenant, actual, until } = self.flying.swap_remove(at);
        let cost = lease.cost();
        if until <= self.now {
            assert!(lease.complete_at(actual).is_err(), "who is too late is not heard");
            return;
        }
        let delay = Duration::from_millis(self.random.u64(1..4000));
        let known = &mut self.tenants[tenant];
        known.in_flight -= 1;
        known.owed -= u64::from(actual.abs_diff(cost));
        match self.random.u32(..4) {
            0 => {
                lease.retry_after(delay).unwrap();
                self.delayed.push((self.now + delay, tenant));
            }
            1 => {
                drop(lease);
                known.ready += 1;
            }
            _ => {
                lease.complete_at(actual).unwrap();
                let correction = f64::from(actual) - f64::from(cost);
                known.served += correction / f64::from(known.weight);
            }
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
                known.owed -= u64::from(flying.actual.abs_diff(flying.lease.cost()));
            }
        }
        self.look();
    }

    fn reweigh(&mut self, tenant: usize) {
        let known = &mut self.tenants[tenant];
        known.weight = [1, 2, 3, 7, 10, 100, 1000, 65_535][self.random.usize(..8)];
        known.cap = [1, 2, 3, u32::MAX, u32::MAX][self.random.usize(..5)];
        known.least_weight = known.least_weight.min(known.weight);
        let share = weight(known.weight).max_in_flight(known.cap);
        let tenant = u32::try_from(tenant).unwrap();
        self.queue.set_tenant_share(&tenant, Some(share)).unwrap();
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
                if !(one.is_backlogged() && other.is_backlogged()) {
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
