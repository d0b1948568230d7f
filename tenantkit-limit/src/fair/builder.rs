//! [`Builder`]: makes a queue.

use std::{fmt, hash::Hash, marker::PhantomData, sync::Arc, time::Duration};

use tenantkit_core::{Clock, TierSet};

use super::{
    Class, FairQueue, Inner, InvalidFairQueue, Share, Weight,
    state::{Shares, State, Terms},
    sync::Mutex,
    tag::Width,
};
use crate::quota::Cost;

/// Makes a [`FairQueue`].
#[must_use = "it does nothing until it is built"]
pub struct Builder<K, T> {
    tiers: TierSet,
    shares: [Share; Class::MAX],
    terms: Terms,
    mistake: Option<InvalidFairQueue>,
    of: PhantomData<fn() -> (K, T)>,
}

impl<K: Hash + Eq + Clone, T> Builder<K, T> {
    pub(super) fn new(tiers: TierSet) -> Self {
        let terms = Terms {
            width: Width::half_of(1, Weight::SIXTY_FOUR),
            max_waiting: 1_000_000,
            max_tenants: 1_000_000,
            lease: Duration::from_secs(60),
            forgive_after: Duration::from_secs(10),
        };
        let shares = [Share::default(); Class::MAX];
        Self { tiers, shares, terms, mistake: None, of: PhantomData }
    }

    /// What a tenant of a class gets. [`Share::default`] if not said.
    pub fn share(mut self, class: impl Into<Class>, share: Share) -> Self {
        let class = class.into();
        if let Class::Tier(tier) = class
            && !self.tiers.contains(tier)
        {
            self.mistake.get_or_insert(InvalidFairQueue::UnknownTier);
        }
        self.shares[class.number()] = share;
        self
    }

    /// How exact the order is: `g` of [the bound](super#the-bound) is what an item of this cost charges a tenant
    /// of this weight, rounded down to a power of two. A 64th of a cost of one at a weight of one, if not said.
    ///
    /// Take it small beside what a common item charges. Tags that are more than 2,048 granules ahead
    /// cost a search in an ordered map, so a much smaller one buys exactness that nobody notices with time that
    /// somebody may.
    pub const fn granule(mut self, cost: Cost, weight: Weight) -> Self {
        self.terms.width = Width::half_of(cost.get(), weight);
        self
    }

    /// How many items may wait in all. A million if not said.
    pub const fn max_waiting(mut self, items: usize) -> Self {
        self.terms.max_waiting = items;
        self
    }

    /// How many tenants are remembered at most: those that have something in the queue, or a handle, or were
    /// served ahead. A million if not said.
    pub const fn max_tenants(mut self, tenants: usize) -> Self {
        self.terms.max_tenants = tenants;
        self
    }

    /// How long a lease lasts that is not renewed. A minute if not said.
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.terms.lease = lease;
        self
    }

    /// After how long without anything in the queue or in flight all are even again. 10 seconds if not said.
    pub const fn forgive_after(mut self, calm: Duration) -> Self {
        self.terms.forgive_after = calm;
        self
    }

    /// The queue, by this clock.
    ///
    /// # Errors
    ///
    /// When a bound or the length of a lease is zero or too large to be counted, or a share is for a tier that is
    /// not in the set.
    pub fn build(self, clock: Arc<dyn Clock>) -> Result<FairQueue<K, T>, InvalidFairQueue> {
        let Self { shares, terms, mistake, .. } = self;
        if let Some(mistake) = mistake {
            return Err(mistake);
        }
        for (name, bound) in
            [("max_waiting", terms.max_waiting), ("max_tenants", terms.max_tenants)]
        {
            if bound == 0 {
                return Err(InvalidFairQueue::Zero(name));
            }
            // As many chunks can be numbered, of which no tenant needs more than one.
            if bound >= 1 << 28 {
                return Err(InvalidFairQueue::TooMany(name));
            }
        }
        if terms.lease.is_zero() {
            return Err(InvalidFairQueue::Zero("lease"));
        }
        let state = Mutex::new(State::new(terms, Shares::new(&shares)));
        Ok(FairQueue { inner: Arc::new(Inner { state, clock }) })
    }
}

impl<K, T> fmt::Debug for Builder<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("terms", &self.terms).finish_non_exhaustive()
    }
}
