//! The queue of what was read: one line for each tenant, and one for what could not be verified.

use std::{sync::Arc, time::Duration};

use tenantkit_core::{Clock, Tier, TierSet};
use tenantkit_limit::fair::{Class, FairQueue, InvalidFairQueue, Lease, Share, Weight};

use super::{lane::Lane, settings::Settings, task::Task};

pub(super) type Queue = FairQueue<Lane, Arc<Task>>;
pub(super) type Leased = Lease<Lane, Arc<Task>>;

/// What a lease lasts longer than an attempt: what comes before and after it.
const MARGIN: Duration = Duration::from_secs(60);

pub(super) fn new(
    tiers: TierSet,
    weights: &[(Tier, Weight)],
    records: usize,
    settings: &Settings,
    clock: Arc<dyn Clock>,
) -> Result<Queue, InvalidFairQueue> {
    let share = |weight| {
        // How much may wait is the memory's to say.
        Share::of(weight).max_waiting(u32::MAX).max_in_flight(settings.of_tenant())
    };
    let mut builder = FairQueue::builder(tiers)
        .max_waiting(records)
        .max_tenants(records.saturating_mul(2))
        .lease(settings.attempt_timeout.saturating_add(MARGIN))
        .share(Class::Unverified, share(Weight::ONE));
    for tier in tiers.iter() {
        let told = weights.iter().find(|(told, _)| *told == tier);
        builder = builder.share(tier, share(told.map_or(Weight::ONE, |(_, weight)| *weight)));
    }
    builder.build(clock)
}

pub(super) fn class(tier: Option<Tier>) -> Class {
    tier.map_or(Class::Unverified, Class::Tier)
}
