//! [`Cores`]: what the reports of all tenants compute on, none of them on all of it.

mod threads;

use std::{io, num::NonZero, sync::Arc, thread};

use tenantkit::{
    Refusal, TenantId,
    limit::concurrency::{Cap, ConcurrencyLimiter, Limit, Permit},
    task,
};
use tokio::task::JoinHandle;

use self::threads::Threads;

/// The machine's cores, each for one report at a time. Of two or more a tenant has half at most, and who has
/// none is next: so a report waits for no other tenant's, and those under way are not slowed by more than there
/// are cores for. Whoever is answered without a report waits for none of them.
#[derive(Debug, Clone)]
pub struct Cores {
    limiter: ConcurrencyLimiter,
    threads: Arc<Threads>,
}

impl Cores {
    /// All that there are.
    ///
    /// # Errors
    ///
    /// When the system has no more for us.
    pub fn of_this_machine() -> io::Result<Self> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self::new(u32::try_from(cores).unwrap_or(u32::MAX))
    }

    /// So many, at least one.
    ///
    /// # Errors
    ///
    /// When the system has no more for us.
    pub fn new(cores: u32) -> io::Result<Self> {
        let cores = cores.clamp(1, Limit::MAX);
        let limiter = ConcurrencyLimiter::builder().global(Limit::fixed(cores)).build();
        Ok(Self {
            limiter: limiter.expect("a limit is good from one up to the most that it may be"),
            threads: Arc::new(Threads::new(cores as usize)?),
        })
    }

    /// Waits for a core, in turn with the other tenants, behind at most 63 of the tenant's own: who comes then
    /// is refused, where its limits let so many in.
    ///
    /// # Errors
    ///
    /// When so many wait.
    ///
    /// # Cancellation
    ///
    /// Dropped, it has taken none, and its turn is the next one's.
    pub async fn one_for(&self, tenant: &TenantId) -> Result<Permit, Refusal> {
        self.limiter.acquire(tenant, Cap::of(u32::MAX)).await
    }

    /// Computes, in the scope of the tenant whose scope this is. Who asks has a core.
    pub(super) fn compute<R: Send + 'static>(
        &self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Result<JoinHandle<R>, Refusal> {
        let _entered = self.threads.enter();
        task::spawn_blocking(work)
    }

    /// How many wait for one.
    #[must_use]
    pub fn waiters(&self) -> usize {
        self.limiter.waiters()
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_waits_for_no_other_tenants_reports() {
        let (heavy, light) = (TenantId::new("acme").unwrap(), TenantId::new("globex").unwrap());
        let cores = Cores::new(2).unwrap();

        let at_work = cores.one_for(&heavy).await.unwrap();
        let mut next = pin!(cores.one_for(&heavy));
        assert!(timeout(Duration::from_secs(1), &mut next).await.is_err());
        drop(cores.one_for(&light).await.unwrap());
        drop(at_work);
        drop(next.await.unwrap());
    }
}
