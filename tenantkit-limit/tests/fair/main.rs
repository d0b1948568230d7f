//! What a `FairQueue` promises.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod bound;
mod leases;
mod tenants;
mod waiting;
mod weights;
#[cfg(feature = "tokio")]
mod workers;

use std::{sync::Arc, time::Duration};

use tenantkit_core::{ManualClock, Tier, TierSet, UnixTime};
use tenantkit_limit::{
    fair::{Builder, FairQueue, Lease, Share, Weight, Work},
    quota::Cost,
};

const SECOND: Duration = Duration::from_secs(1);
const TIERS: TierSet = TierSet::METALS;

type Queue = FairQueue<u32, u32>;

fn bronze() -> Tier {
    TIERS.get("bronze").unwrap()
}

fn gold() -> Tier {
    TIERS.get("gold").unwrap()
}

fn weight(weight: u16) -> Share {
    Share::of(Weight::new(weight).unwrap()).max_waiting(u32::MAX)
}

fn queue(change: impl FnOnce(Builder<u32, u32>) -> Builder<u32, u32>) -> (Queue, ManualClock) {
    let clock = ManualClock::at(UnixTime::EPOCH);
    let queue = change(FairQueue::builder(TIERS).lease(10 * SECOND));
    (queue.build(Arc::new(clock.clone())).unwrap(), clock)
}

fn push(queue: &Queue, tenant: u32, item: u32, cost: u32) {
    queue.push(&tenant, bronze(), Work::new(item).cost(Cost::new(cost).unwrap())).unwrap();
}

fn pop(queue: &Queue) -> Lease<u32, u32> {
    queue.try_pop().unwrap()
}

/// The tenant and the item of the next, which is completed.
fn next(queue: &Queue) -> Option<(u32, u32)> {
    let lease = queue.try_pop()?;
    let next = (*lease.tenant(), *lease);
    lease.complete().unwrap();
    Some(next)
}
