//! [`InFlight`]: how much may be on its way at once.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tenantkit_core::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes may be in flight, in all and of one tenant.
///
/// A tenant waits for its own share first, and only then for what all share, so that who has much to send
/// does not stand in the line of the others. Both lines are first come, first served.
pub(crate) struct InFlight {
    all: Arc<Semaphore>,
    most: u32,
    per_tenant: u32,
    tenants: Mutex<HashMap<TenantId, Arc<Semaphore>>>,
}

/// Room for one record, until this is dropped.
pub(crate) struct Room {
    _all: OwnedSemaphorePermit,
    _own: OwnedSemaphorePermit,
    // After the permit, which holds the share as well.
    _share: Share,
}

/// A tenant's share, which is forgotten with the last that uses it.
struct Share {
    home: Arc<InFlight>,
    tenant: TenantId,
    semaphore: Option<Arc<Semaphore>>,
}

impl InFlight {
    pub(crate) fn new(most: u32, per_tenant: u32) -> Self {
        Self {
            all: Arc::new(Semaphore::new(most as usize)),
            most,
            per_tenant,
            tenants: Mutex::default(),
        }
    }

    /// Waits for room. `bytes` is no more than a tenant's share: the builder sees to it.
    pub(crate) async fn enter(self: &Arc<Self>, tenant: &TenantId, bytes: usize) -> Room {
        let (share, semaphore) = self.share(tenant);
        let bytes = self.bounded(bytes);
        let own = granted(semaphore.acquire_many_owned(bytes).await);
        let all = granted(Arc::clone(&self.all).acquire_many_owned(bytes).await);
        Room { _all: all, _own: own, _share: share }
    }

    /// Room that there is.
    pub(crate) fn try_enter(self: &Arc<Self>, tenant: &TenantId, bytes: usize) -> Option<Room> {
        let (share, semaphore) = self.share(tenant);
        let bytes = self.bounded(bytes);
        let own = semaphore.try_acquire_many_owned(bytes).ok()?;
        let all = Arc::clone(&self.all).try_acquire_many_owned(bytes).ok()?;
        Some(Room { _all: all, _own: own, _share: share })
    }

    /// Waits until nothing is in flight.
    pub(crate) async fn all_done(&self) {
        drop(self.all.acquire_many(self.most).await);
    }

    fn bounded(&self, bytes: usize) -> u32 {
        u32::try_from(bytes).unwrap_or(u32::MAX).min(self.per_tenant)
    }

    fn share(self: &Arc<Self>, tenant: &TenantId) -> (Share, Arc<Semaphore>) {
        let mut tenants = self.tenants();
        let new = || Arc::new(Semaphore::new(self.per_tenant as usize));
        let semaphore = Arc::clone(tenants.entry(*tenant).or_insert_with(new));
        let home = Arc::clone(self);
        (Share { home, tenant: *tenant, semaphore: Some(Arc::clone(&semaphore)) }, semaphore)
    }

    fn tenants(&self) -> MutexGuard<'_, HashMap<TenantId, Arc<Semaphore>>> {
        // Nothing under it can panic half-way.
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut tenants = self.home.tenants();
        self.semaphore = None;
        if tenants.get(&self.tenant).is_some_and(|share| Arc::strong_count(share) == 1) {
            tenants.remove(&self.tenant);
        }
    }
}

/// The semaphores are never closed.
fn granted<T>(permit: Result<T, tokio::sync::AcquireError>) -> T {
    match permit {
        Ok(permit) => permit,
        Err(_) => unreachable!("the semaphores are never closed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tenant_that_has_nothing_in_flight_takes_no_memory() {
        let in_flight = Arc::new(InFlight::new(100, 50));
        let acme = "acme".parse().unwrap();
        let (first, second) = (in_flight.enter(&acme, 10).await, in_flight.enter(&acme, 10).await);
        drop(first);
        assert_eq!(in_flight.tenants().len(), 1);
        drop(second);
        assert!(in_flight.tenants().is_empty());
    }
}
