//! [`Watched`]: the service level of one tenant.

use std::time::Duration;

use serde::Serialize;
use tenantkit_core::TenantId;

use crate::latencies::TenantLatencies;

/// The objective for latency, that of `slo/rules.yaml`.
const OBJECTIVE: Duration = Duration::from_millis(250);

/// One tenant that is watched.
#[derive(Debug, Serialize)]
pub(super) struct Watched {
    pub(super) tenant: TenantId,
    pub(super) served: u64,
    pub(super) failed: u64,
    /// Of those that were served, how many took no longer than the objective, at least.
    pub(super) within_250_ms: u64,
    pub(super) p50_s: Option<f64>,
    pub(super) p99_s: Option<f64>,
}

pub(super) fn rows(latencies: &TenantLatencies) -> Vec<Watched> {
    let row = |tenant: TenantId| {
        let of = latencies.of(&tenant)?;
        let quantile = |share| of.quantile(share).as_ref().map(Duration::as_secs_f64);
        Some(Watched {
            tenant,
            served: of.count(),
            failed: of.failed(),
            within_250_ms: of.within(OBJECTIVE),
            p50_s: quantile(0.5),
            p99_s: quantile(0.99),
        })
    };
    latencies.tenants().into_iter().filter_map(row).collect()
}
