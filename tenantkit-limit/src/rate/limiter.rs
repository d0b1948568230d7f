use std::{
    hash::{BuildHasher, Hash},
    time::Duration,
};

use super::{
    Keyed,
    decision::{Charge, Decision, Verdict},
    known,
    layout::{self, END_OF_TIME, Layout, Tats},
    plan::{Compiled, Plan, Plans, TooManyPlans},
    shard::{IdleSince, Seen, Shards},
};
use crate::quota::{Cost, Quota};

/// How much each key may do in time. A key is a tenant, or a tenant and a resource.
///
/// See the [module](super) for what it promises.
#[derive(Debug)]
pub struct RateLimiter<K: Send + Sync + 'static, S = Keyed> {
    keys: Shards<K, S>,
    plans: Plans,
}

impl<K: Hash + Eq + Clone + Send + Sync> RateLimiter<K> {
    /// A limiter that remembers at most `most_keys` keys that are not idle.
    #[must_use]
    pub fn new(most_keys: usize) -> Self {
        Self::with_hasher(most_keys, Keyed::default())
    }
}

impl<K: Hash + Eq + Clone + Send + Sync, S: BuildHasher> RateLimiter<K, S> {
    /// The same with a hasher of yours, which must be keyed if others choose the keys.
    #[must_use]
    pub fn with_hasher(most_keys: usize, hasher: S) -> Self {
        Self { keys: Shards::new(most_keys, hasher), plans: Plans::new() }
    }

    /// Makes a quota known. Do this when the configuration is loaded and keep the plan: it takes a
    /// lock, and [`check`](Self::check) does not.
    ///
    /// # Errors
    ///
    /// When more than 4,095 different quotas are in use. Those whose plans are all dropped, and under
    /// which no tenant has taken anything that is not earned back at `now`, do not count.
    pub fn plan(&self, quota: &Quota, now: Duration) -> Result<Plan, TooManyPlans> {
        self.plans.plan(quota, |used| {
            self.forget(now);
            self.keys.for_each(|word| {
                if let Some(used) = used.get_mut(usize::from(layout::plan(word))) {
                    *used = true;
                }
            });
        })
    }

    /// Takes `cost` from every window of the key's quota, or from none.
    ///
    /// `now` is the time of a monotonic clock ([`Clock::monotonic`](tenantkit_core::Clock::monotonic)).
    /// A key that is not there is added, so only verified ids are for asking.
    #[inline]
    pub fn check<'p>(&self, key: &K, plan: &'p Plan, cost: Cost, now: Duration) -> Decision<'p> {
        let now = nanos(now);
        let (hash, compiled) = (self.keys.hash(key), plan.compiled());
        if self.never(compiled, cost).is_none()
            && let Some(tats) = self.keys.update_known(hash, key, |word| {
                known::charged(&compiled.layout, compiled.number, word, now, cost.get())
            })
        {
            return Decision { plan, now, tats, cost, verdict: Verdict::Allowed, shared: false };
        }
        self.check_in_general(hash, key, plan, cost, now)
    }

    #[inline(never)]
    fn check_in_general<'p>(
        &self,
        hash: u64,
        key: &K,
        plan: &'p Plan,
        cost: Cost,
        now: u64,
    ) -> Decision<'p> {
        let mut decision = self.unless_never(plan, cost, now);
        if decision.is_allowed() {
            let mut step = |seen| self.charge(&mut decision, seen);
            if self.keys.update(hash, key, now, self, &mut step).is_err() {
                update_overflow(plan.compiled(), &mut step);
                decision.shared = true;
            }
        }
        decision
    }

    /// What [`check`](Self::check) would say, without taking or adding anything.
    pub fn peek<'p>(&self, key: &K, plan: &'p Plan, cost: Cost, now: Duration) -> Decision<'p> {
        let mut decision = self.unless_never(plan, cost, nanos(now));
        if decision.is_allowed() {
            let seen = self.keys.read(key, decision.now, self);
            decision.shared = matches!(seen, Seen::Nothing { .. }) && self.keys.is_full();
            (decision.tats, _) = self.stands(plan.compiled(), seen, decision.now);
            let (_, verdict) = charged(&plan.compiled().layout, &decision.tats, cost, decision.now);
            decision.verdict = verdict;
        }
        decision
    }

    /// Makes a charge what the call has cost in truth, which may be nothing. Answers what of a higher
    /// cost could not be charged: a tenant's debt is bounded by twice its burst.
    ///
    /// What is given back is less by what time has given back since the call was charged, so that no
    /// correction lets more pass than if the call had cost `actual` at once.
    #[expect(clippy::needless_pass_by_value, reason = "a charge is corrected once")]
    pub fn correct(&self, key: &K, charge: Charge, actual: u32, now: Duration) -> u32 {
        let now = nanos(now);
        let plan = charge.plan.compiled();
        if !self.plans.owns(plan) || actual == charge.cost.get() {
            return 0;
        }
        let less = actual < charge.cost.get();
        let mut unpaid = 0;
        let mut step = |seen| match seen {
            // Forgotten, so idle: time has given back everything.
            Seen::Nothing { .. } if less => None,
            seen => self.corrected(&charge, seen, actual, now, &mut unpaid),
        };
        let hash = self.keys.hash(key);
        if charge.shared || self.keys.update(hash, key, now, self, &mut step).is_err() {
            update_overflow(plan, &mut step);
        }
        unpaid
    }

    /// Forgets every key that has been idle for two seconds. Nobody's decision changes by it.
    ///
    /// A shard that is full forgets by itself, so this is only for giving memory back. It looks at every
    /// key: call it from a thread that may take its time.
    pub fn forget(&self, now: Duration) {
        self.keys.forget(nanos(now), self);
    }

    /// How many keys are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Why a call of that cost never passes, if so.
    #[inline]
    fn never(&self, plan: &Compiled, cost: Cost) -> Option<Verdict> {
        if !self.plans.owns(plan) {
            Some(Verdict::ForeignPlan)
        } else if cost.get() > plan.largest_cost {
            Some(Verdict::CostTooLarge)
        } else {
            None
        }
    }

    /// A decision that is still to be made, unless a call of that cost never passes.
    fn unless_never<'p>(&self, plan: &'p Plan, cost: Cost, now: u64) -> Decision<'p> {
        let verdict = self.never(plan.compiled(), cost).unwrap_or(Verdict::Allowed);
        Decision { plan, now, tats: Tats::default(), cost, verdict, shared: false }
    }

    /// One attempt: decides, and tells the word to write.
    fn charge(&self, decision: &mut Decision<'_>, seen: Seen) -> Option<u128> {
        let plan = decision.plan.compiled();
        let (tats, base) = self.stands(plan, seen, decision.now);
        (decision.tats, decision.verdict) =
            charged(&plan.layout, &tats, decision.cost, decision.now);
        // A refusal takes nothing, but a new plan drains at its own rate from here on.
        let changed = matches!(seen, Seen::Word(word) if layout::plan(word) != plan.number);
        (decision.is_allowed() || changed)
            .then(|| plan.layout.pack(plan.number, base, &decision.tats))
    }

    /// The TATs that a key has under a plan, and the base of what is written at `now`.
    fn stands(&self, plan: &Compiled, seen: Seen, now: u64) -> (Tats, u64) {
        let base = layout::base_at(now);
        match seen {
            Seen::Word(word) if layout::plan(word) == plan.number => {
                (plan.layout.unpack(word), base.max(layout::base(word)))
            }
            Seen::Word(word) => (self.converted(plan, word, now), base),
            Seen::Nothing { floor } => (newcomer(plan, floor, now), base),
        }
    }

    #[cold]
    fn converted(&self, plan: &Compiled, word: u128, now: u64) -> Tats {
        match self.plans.snapshot().get(usize::from(layout::plan(word))) {
            Some(Some(old)) => plan.convert(old, &old.layout.unpack(word), now),
            // Not so as long as plans are reclaimed rightly. If it is, then nothing is given away.
            _ => plan.exhausted(now),
        }
    }

    fn corrected(
        &self,
        charge: &Charge,
        seen: Seen,
        actual: u32,
        now: u64,
        unpaid: &mut u32,
    ) -> Option<u128> {
        let charged = charge.plan.compiled();
        let snapshot = self.plans.snapshot();
        // Under whatever plan the tenant is by now.
        let current = match seen {
            Seen::Word(word) => {
                snapshot.get(usize::from(layout::plan(word))).and_then(Option::as_deref)
            }
            Seen::Nothing { .. } => None,
        };
        let plan = current.unwrap_or(charged);
        let (mut tats, base) = self.stands(plan, seen, now);
        *unpaid = 0;
        if let Some(more) = actual.checked_sub(charge.cost.get()) {
            for (at, gcra) in plan.layout.windows().enumerate() {
                let (tat, left) = gcra.force(tats[at], now, more, plan.layout.ceiling(at, base));
                tats[at] = tat;
                *unpaid = left.max(*unpaid);
            }
        } else {
            let less = charge.cost.get() - actual;
            for (at, old) in charged.layout.windows().enumerate() {
                if let Some((mine, gcra)) = plan.same_period(charged, at) {
                    let due = old.refundable(charge.then, now, less);
                    tats[mine] = tats[mine].saturating_sub(gcra.scaled_down(old, due));
                }
            }
        }
        Some(plan.layout.pack(plan.number, base, &tats))
    }
}

impl<K: Send + Sync, S> IdleSince for RateLimiter<K, S> {
    fn idle_since(&self) -> impl Fn(u128) -> Option<u64> + '_ {
        let snapshot = self.plans.snapshot();
        move |word| {
            let plan = snapshot.get(usize::from(layout::plan(word)))?.as_ref()?;
            plan.layout.unpack(word).into_iter().max()
        }
    }
}

/// The TATs of a key of which there is nothing.
#[cold]
fn newcomer(plan: &Compiled, floor: u64, now: u64) -> Tats {
    // It may have taken from what newcomers share until a moment ago.
    let mut tats = match plan.overflow.load() {
        0 => Tats::default(),
        shared => plan.layout.unpack(shared),
    };
    if now < floor {
        for (tat, gcra) in tats.iter_mut().zip(plan.layout.windows()) {
            *tat = gcra.ceil(floor).max(*tat);
        }
    }
    tats
}

/// The TATs after a call, or those before and why it is refused.
pub(super) fn charged(layout: &Layout, tats: &Tats, cost: Cost, now: u64) -> (Tats, Verdict) {
    let mut moved = *tats;
    let (mut longest, mut last) = (0, 0);
    for (at, gcra) in layout.windows().enumerate() {
        match gcra.charge(tats[at], now, cost.get()) {
            Ok(tat) => moved[at] = tat,
            Err(wait) if wait > longest => (longest, last) = (wait, at),
            Err(_) => {}
        }
    }
    if longest == 0 { (moved, Verdict::Allowed) } else { (*tats, Verdict::Wait(longest, last)) }
}

/// Moves what the newcomers of a plan share.
#[cold]
fn update_overflow(plan: &Compiled, step: &mut dyn FnMut(Seen) -> Option<u128>) {
    let mut word = plan.overflow.load();
    loop {
        let seen = if word == 0 { Seen::Nothing { floor: 0 } } else { Seen::Word(word) };
        let Some(next) = step(seen) else { return };
        match plan.overflow.swap_if(word, next) {
            Ok(_) => return,
            Err(other) => word = other,
        }
    }
}

/// In nanoseconds, until the end of time.
#[inline]
fn nanos(now: Duration) -> u64 {
    const LAST_SECOND: u64 = END_OF_TIME / 1_000_000_000;
    if now.as_secs() > LAST_SECOND {
        return END_OF_TIME;
    }
    END_OF_TIME.min(now.as_secs() * 1_000_000_000 + u64::from(now.subsec_nanos()))
}
