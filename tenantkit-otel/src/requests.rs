//! [`RequestMetrics`]: what service levels are read from, by tier.
//!
//! `slo/rules.yaml` has the rules for Prometheus and `slo/dashboard.json` the dashboard for Grafana, both for the names
//! that an OpenTelemetry Collector gives these.

use std::time::Duration;

use tenantkit_core::{Door, Refusal, RefusalCode, TenantContext, Tier};

use crate::{
    labels,
    metrics::{Counter, Histogram, MetricsError, Observed, TenantMeter},
};

labels! {
    /// How a request ended.
    pub enum Outcome: "tenantkit.outcome" {
        /// As it should.
        Served = "served",
        /// By a refusal, which is the caller's doing or its tenant's.
        Refused = "refused",
        /// By a failure, which is ours.
        Failed = "failed",
        /// Not at all: its caller hung up before.
        Dropped = "dropped",
    }
}

/// What service levels are read from, by tier.
///
/// ```
/// # use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
/// # use tenantkit_core::{test_util::TestAuthority, TierSet};
/// use std::time::Duration;
/// use tenantkit_otel::{metrics::TenantMetrics, requests::{Outcome, RequestMetrics}};
///
/// # let provider = SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default());
/// # let metrics = TenantMetrics::declare(TierSet::METALS).start(provider)?;
/// # let tenant = TestAuthority::new().context("acme");
/// let requests = RequestMetrics::new(&metrics.meter("acmedocs"))?;
/// requests.ended(&tenant, Outcome::Served, Duration::from_millis(12));
/// # Ok::<(), tenantkit_otel::metrics::MetricsError>(())
/// ```
#[derive(Debug, Clone)]
pub struct RequestMetrics {
    duration: Histogram<(Tier, Outcome)>,
    waits: Histogram<Tier>,
    refusals: Counter<(RefusalCode, Door)>,
}

impl RequestMetrics {
    /// The bounds of the buckets of durations, in seconds. An objective for latency is one of them.
    pub const BOUNDARIES: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

    /// Makes the instruments.
    ///
    /// # Errors
    ///
    /// When the budget has no room for them, or they are there already.
    pub fn new(meter: &TenantMeter) -> Result<Self, MetricsError> {
        Ok(Self {
            duration: meter.histogram(
                "tenantkit.request.duration",
                "s",
                &Self::BOUNDARIES,
                "How long requests took, by how they ended.",
            )?,
            waits: meter.histogram(
                "tenantkit.request.queue_wait",
                "s",
                &Self::BOUNDARIES,
                "How long requests waited for their turn, of those that had to.",
            )?,
            refusals: meter.counter(
                "tenantkit.refusals",
                "{refusal}",
                "Refusals, by their code and the door that refused.",
            )?,
        })
    }

    /// Tells how long something waits that waits longest, by tier: the measure of starvation. `tell` is asked when the
    /// metrics are collected, for a [`FairQueue`] or a consumer.
    ///
    /// # Errors
    ///
    /// As [`RequestMetrics::new`].
    ///
    /// [`FairQueue`]: https://docs.rs/tenantkit-limit
    pub fn observe_longest_wait(
        meter: &TenantMeter,
        tell: impl Fn(&mut Observed<'_, f64, Tier>) + Send + Sync + 'static,
    ) -> Result<(), MetricsError> {
        let description = "How long that waits which waits longest in a queue.";
        meter.observe_gauge("tenantkit.queue.longest_wait", "s", description, tell)
    }

    /// Counts a request that ended.
    pub fn ended(&self, tenant: &TenantContext, outcome: Outcome, took: Duration) {
        self.duration.record(took.as_secs_f64(), (tenant.tier(), outcome));
    }

    /// Counts how long a request waited for its turn, one that had to.
    pub fn waited(&self, tenant: &TenantContext, waited: Duration) {
        self.waits.record(waited.as_secs_f64(), tenant.tier());
    }

    /// Counts a refusal, of whom it may be.
    pub fn refused(&self, refusal: &Refusal) {
        self.refusals.add(1, (refusal.code(), refusal.door()));
    }
}
