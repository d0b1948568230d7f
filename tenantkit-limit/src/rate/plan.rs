use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;

use super::{
    gcra::Gcra,
    layout::{Layout, MAX_PLAN, Tats},
    sync::Word,
};
use crate::quota::Quota;

/// A quota that a [`RateLimiter`](super::RateLimiter) knows, from
/// [`RateLimiter::plan`](super::RateLimiter::plan). Cheap to clone; equal quotas share one.
///
/// What a tenant took under one plan is carried over to the next under which it is checked.
#[derive(Clone)]
pub struct Plan(Arc<Compiled>);

pub(super) struct Compiled {
    pub(super) quota: Quota,
    pub(super) layout: Layout,
    pub(super) largest_cost: u32,
    pub(super) number: u16,
    /// The limiter that knows it.
    pub(super) owner: u64,
    /// What newcomers share while there is no room for them.
    pub(super) overflow: Word,
}

impl Plan {
    /// The quota.
    #[must_use]
    pub fn quota(&self) -> &Quota {
        &self.0.quota
    }

    #[inline]
    pub(super) fn compiled(&self) -> &Compiled {
        &self.0
    }
}

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Plan").field(&self.0.quota).finish()
    }
}

impl fmt::Debug for Compiled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.quota.fmt(f)
    }
}

/// There is no number left for another quota: 4,095 different ones are in use, by holders of a
/// [`Plan`] or by tenants that are not idle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than 4095 different quotas are in use at once")]
pub struct TooManyPlans;

impl Compiled {
    /// What was taken under `from` by `tats`, as TATs of this plan.
    ///
    /// A window takes over from the one with the longest period that is not longer than its own,
    /// because whatever that one still counts falls into its own period as well; where all are longer,
    /// from the shortest, as the least that is safe. What is taken over is never more than the burst.
    pub(super) fn convert(&self, from: &Self, tats: &Tats, now: u64) -> Tats {
        let mut taken = [0; Quota::MAX_WINDOWS];
        for ((taken, gcra), window) in
            taken.iter_mut().zip(self.layout.windows()).zip(self.quota.windows())
        {
            let nearest =
                from.quota.windows().iter().rposition(|old| old.period() <= window.period());
            let nearest = nearest.unwrap_or(0);
            if let Some(old) = from.layout.windows().nth(nearest) {
                *taken = gcra.convert(old, tats[nearest], now);
            }
        }
        taken
    }

    /// The TATs of a tenant that has taken everything.
    pub(super) fn exhausted(&self, now: u64) -> Tats {
        let mut tats = [0; Quota::MAX_WINDOWS];
        for (tat, gcra) in tats.iter_mut().zip(self.layout.windows()) {
            *tat = gcra.ceil(now) + gcra.interval * u64::from(gcra.burst);
        }
        tats
    }

    /// The window with that period, if there is one.
    pub(super) fn same_period(&self, other: &Self, window: usize) -> Option<(usize, &Gcra)> {
        let period = other.quota.windows()[window].period();
        let at = self.quota.windows().iter().position(|mine| mine.period() == period)?;
        self.layout.windows().nth(at).map(|gcra| (at, gcra))
    }
}

/// The plans of one limiter, by number.
#[derive(Debug)]
pub(super) struct Plans {
    owner: u64,
    /// Read on the rare way of a tenant whose plan has changed.
    by_number: ArcSwap<Vec<Option<Arc<Compiled>>>>,
    by_quota: Mutex<HashMap<Quota, u16>>,
}

impl Plans {
    pub(super) fn new() -> Self {
        // Tells limiters apart, so that a plan of one is refused by another.
        static OWNERS: AtomicU64 = AtomicU64::new(0);
        Self {
            owner: OWNERS.fetch_add(1, Ordering::Relaxed),
            // Number 0 is no plan.
            by_number: ArcSwap::from_pointee(vec![None]),
            by_quota: Mutex::default(),
        }
    }

    #[inline]
    pub(super) fn owns(&self, plan: &Compiled) -> bool {
        plan.owner == self.owner
    }

    pub(super) fn snapshot(&self) -> arc_swap::Guard<Arc<Vec<Option<Arc<Compiled>>>>> {
        self.by_number.load()
    }

    /// The plan of that quota, a new one if need be. `in_use` is asked when there is no number left:
    /// it forgets the idle and marks the plans of the others.
    pub(super) fn plan(
        &self,
        quota: &Quota,
        in_use: impl FnOnce(&mut [bool]),
    ) -> Result<Plan, TooManyPlans> {
        let mut by_quota = self.by_quota.lock().unwrap_or_else(PoisonError::into_inner);
        let by_number = self.by_number.load_full();
        if let Some(known) =
            by_quota.get(quota).and_then(|number| by_number[usize::from(*number)].as_ref())
        {
            return Ok(Plan(Arc::clone(known)));
        }
        let mut plans = by_number.to_vec();
        drop(by_number);
        let free = plans.iter().skip(1).position(Option::is_none).map(|at| at + 1);
        let number = match free {
            Some(number) => number,
            None if plans.len() <= usize::from(MAX_PLAN) => {
                plans.push(None);
                plans.len() - 1
            }
            None => {
                self.reclaim(&mut plans, &mut by_quota, in_use);
                plans.iter().skip(1).position(Option::is_none).ok_or(TooManyPlans)? + 1
            }
        };
        #[expect(clippy::cast_possible_truncation, reason = "at most MAX_PLAN")]
        let plan = Arc::new(Compiled {
            quota: *quota,
            layout: quota.layout(),
            largest_cost: quota.largest_cost(),
            number: number as u16,
            owner: self.owner,
            overflow: Word::default(),
        });
        by_quota.insert(*quota, plan.number);
        plans[number] = Some(Arc::clone(&plan));
        self.by_number.store(Arc::new(plans));
        Ok(Plan(plan))
    }

    /// Frees the numbers that nobody has and that no word has.
    fn reclaim(
        &self,
        plans: &mut [Option<Arc<Compiled>>],
        by_quota: &mut HashMap<Quota, u16>,
        in_use: impl FnOnce(&mut [bool]),
    ) {
        // Whose only holders are the two lists can be had by nobody any more but through `plan`, which
        // is locked: no word gets such a number from here on, so the look at the words comes after.
        let unheld: Vec<bool> = plans
            .iter()
            .map(|plan| plan.as_ref().is_some_and(|plan| Arc::strong_count(plan) <= 2))
            .collect();
        let mut used = vec![false; plans.len()];
        in_use(&mut used);
        for (at, plan) in plans.iter_mut().enumerate() {
            if unheld[at]
                && !used[at]
                && let Some(gone) = plan.take()
            {
                by_quota.remove(&gone.quota);
            }
        }
    }
}
