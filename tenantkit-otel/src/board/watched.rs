//! [`Watched`]: the service level of one tenant.

use std::time::Duration;

use serde::Serialize;
use tenantkit_core::TenantId;

use crate::latencies::{Alert, Burn, TenantLatencies};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// One tenant that is watched.
#[derive(Debug, Serialize)]
pub(super) struct Watched {
    pub(super) tenant: TenantId,
    pub(super) served: u64,
    pub(super) failed: u64,
    /// Of those that were served, how many took no longer than the objective, at least.
    pub(super) within_250_ms: u64,
    /// Over the last hour. At 1 what may fail, and be slow, lasts exactly as long as it is for.
    pub(super) failures_burn_1h: Option<f64>,
    pub(super) slowness_burn_1h: Option<f64>,
    /// `page` or `ticket`, by the rules that the tiers have.
    pub(super) alert: Option<&'static str>,
    pub(super) p50_s: Option<f64>,
    pub(super) p99_s: Option<f64>,
}

pub(super) fn rows(latencies: &TenantLatencies) -> Vec<Watched> {
    let row = |tenant: TenantId| {
        let of = latencies.of(&tenant)?;
        let quantile = |share| of.quantile(share).as_ref().map(Duration::as_secs_f64);
        let burn = of.burn(HOUR);
        Some(Watched {
            tenant,
            served: of.count(),
            failed: of.failed(),
            within_250_ms: of.within(Burn::LIMIT),
            failures_burn_1h: burn.failures,
            slowness_burn_1h: burn.slowness,
            alert: of.alert().map(Alert::as_str),
            p50_s: quantile(0.5),
            p99_s: quantile(0.99),
        })
    };
    latencies.tenants().into_iter().filter_map(row).collect()
}
