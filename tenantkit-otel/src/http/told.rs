//! [`Told`]: where a request is counted; and [`Underway`]: one that has not ended.

use std::{fmt, sync::Arc, time::Duration};

use http::{HeaderMap, StatusCode};
use tenantkit_core::{Clock, Refusal, TenantContext, Waited};

use crate::{
    latencies::TenantLatencies,
    refusals::LastRefusals,
    requests::{Outcome, RequestMetrics},
    top::{TopTenants, Used},
};

/// Where a request is counted.
#[derive(Clone)]
pub(super) struct Told {
    pub(super) requests: RequestMetrics,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) top: Option<Arc<TopTenants>>,
    pub(super) latencies: Option<Arc<TenantLatencies>>,
    pub(super) refusals: Option<LastRefusals>,
}

impl Told {
    pub(super) fn refused(&self, refusal: &Refusal, tenant: Option<&TenantContext>) {
        self.requests.refused(refusal);
        if let Some(refusals) = &self.refusals {
            refusals.record(refusal, tenant);
        }
    }
}

impl fmt::Debug for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}

/// A tenant's request that has not ended. However it ends, it is counted once: at the latest when this is dropped.
pub(super) struct Underway {
    told: Arc<Told>,
    tenant: TenantContext,
    began: Duration,
    bytes: u64,
    waited: Waited,
    outcome: Outcome,
}

impl Underway {
    pub(super) fn new(told: &Arc<Told>, tenant: TenantContext) -> Self {
        let began = told.clock.monotonic();
        // Until it is known better, its caller has hung up.
        let (waited, outcome) = (Waited::default(), Outcome::Dropped);
        Self { told: Arc::clone(told), tenant, began, bytes: 0, waited, outcome }
    }

    pub(super) const fn tenant(&self) -> &TenantContext {
        &self.tenant
    }

    pub(super) const fn moved(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    pub(super) const fn waited(&mut self, waited: Waited) {
        self.waited = waited;
    }

    pub(super) const fn ends(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        let took = self.told.clock.monotonic().saturating_sub(self.began);
        let waited = self.waited.duration();
        self.told.requests.ended(&self.tenant, self.outcome, took);
        if !waited.is_zero() {
            self.told.requests.waited(&self.tenant, waited);
        }
        if let Some(top) = &self.told.top {
            let used = match self.outcome {
                Outcome::Refused => Used::refusal(),
                _ => Used::request(),
            };
            top.record(&self.tenant, used.took(took).bytes(self.bytes).waited(waited));
        }
        if let Some(latencies) = &self.told.latencies {
            match self.outcome {
                Outcome::Served => latencies.record(&self.tenant, took),
                Outcome::Failed => latencies.record_failure(&self.tenant),
                Outcome::Refused | Outcome::Dropped => {}
            }
        }
    }
}

/// What an answer's head says of how its request ends.
pub(super) fn outcome_of(status: StatusCode, headers: &HeaderMap) -> Outcome {
    if status.is_server_error() || grpc_failed(headers) { Outcome::Failed } else { Outcome::Served }
}

/// Whether these headers, or trailers, say that the server failed: unknown, deadline exceeded, unimplemented,
/// internal, unavailable, data loss.
pub(super) fn grpc_failed(headers: &HeaderMap) -> bool {
    let status = headers.get("grpc-status").map(http::HeaderValue::as_bytes);
    matches!(status, Some(b"2" | b"4" | b"12" | b"13" | b"14" | b"15"))
}
