//! [`Cores`]: what the reports of all tenants compute on, none of them on all of it.

use std::{num::NonZero, thread};

use tenantkit::{
    Refusal, TenantContext,
    limit::concurrency::{Cap, ConcurrencyLimiter, Limit, Permit},
};

/// The machine's cores, each for one report at a time. Of two or more a tenant has half at most, and who has
/// none is next: so a report waits for no other tenant's, and those under way are not slowed by more than there
/// are cores for.
#[derive(Debug, Clone)]
pub(super) struct Cores(ConcurrencyLimiter);

impl Cores {
    pub(super) fn of_this_machine() -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Self::new(u32::try_from(cores).unwrap_or(u32::MAX))
    }

    fn new(cores: u32) -> Self {
        let limit = Limit::fixed(cores.clamp(1, Limit::MAX));
        let limiter = ConcurrencyLimiter::builder().global(limit).build();
        Self(limiter.expect("a limit is good from one up to the most that it may be"))
    }

    /// Waits for a core, in turn with the other tenants, behind at most 63 of the tenant's own: who comes then
    /// is refused, where its limits let so many in.
    pub(super) async fn one_for(&self, tenant: &TenantContext) -> Result<Permit, Refusal> {
        self.0.acquire(tenant.tenant(), Cap::of(u32::MAX)).await
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::pin, time::Duration};

    use tenantkit::test_util::TestAuthority;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_report_waits_for_no_other_tenants_reports() {
        let tests = TestAuthority::new();
        let (heavy, light) = (tests.context("acme"), tests.context("globex"));
        let cores = Cores::new(2);

        let at_work = cores.one_for(&heavy).await.unwrap();
        let mut next = pin!(cores.one_for(&heavy));
        assert!(timeout(Duration::from_secs(1), &mut next).await.is_err());
        drop(cores.one_for(&light).await.unwrap());
        drop(at_work);
        drop(next.await.unwrap());
    }
}
