//! What the limiters say of themselves, as metrics by tier and never by tenant.
//!
//! ```
//! # use std::sync::Arc;
//! # use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
//! # use tenantkit_core::{SystemClock, TenantId, TierSet};
//! use tenantkit_limit::fair::FairQueue;
//! use tenantkit_otel::{limits, metrics::TenantMetrics};
//!
//! # let provider = SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default());
//! # let metrics = TenantMetrics::declare(TierSet::METALS).start(provider)?;
//! # let queue: FairQueue<TenantId, u32> = FairQueue::builder(TierSet::METALS).build(Arc::new(SystemClock::new()))?;
//! limits::observe_queue(&metrics.meter("acmedocs"), &queue, TierSet::METALS)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::hash::Hash;

use tenantkit_core::TierSet;
use tenantkit_limit::{breaker::Breaker, fair::FairQueue, limits::Limits};

use crate::{
    metrics::{MetricsError, TenantMeter},
    requests::RequestMetrics,
};

/// Tells how many permits are in use and what waits for one, and what admission expects.
///
/// # Errors
///
/// When the budget has no room for six series, or the instruments are there already.
pub fn observe(meter: &TenantMeter, limits: &Limits) -> Result<(), MetricsError> {
    /// Of limits, by name: a gauge without labels.
    type Level = (&'static str, &'static str, &'static str, fn(&Limits) -> Option<f64>);

    let levels: [Level; 6] = [
        ("tenantkit.permits.in_use", "{permit}", "Permits that are held.", |limits| {
            Some(limits.permits().in_use().into())
        }),
        ("tenantkit.permits.limit", "{permit}", "Permits that there are.", |limits| {
            Some(limits.permits().global().into())
        }),
        ("tenantkit.permits.waiting", "{caller}", "Callers that wait for a permit.", |limits| {
            Some(number(limits.permits().waiters()))
        }),
        ("tenantkit.admission.expected_wait", "s", "How long the queue is.", |limits| {
            Some(limits.admission()?.expected_wait().as_secs_f64())
        }),
        ("tenantkit.admission.queued", "{caller}", "Callers in the queue.", |limits| {
            Some(limits.admission()?.queued().into())
        }),
        ("tenantkit.admission.tiers_shed", "{tier}", "Tiers that are shed.", |limits| {
            Some(number(limits.admission()?.tiers_shed()))
        }),
    ];
    for (name, unit, description, level) in levels {
        let limits = limits.clone();
        meter.observe_gauge::<()>(name, unit, description, move |told| {
            if let Some(level) = level(&limits) {
                told.tell(level, ());
            }
        })?;
    }
    Ok(())
}

/// Tells how long that waits which waits longest, by tier, how much waits and is under way, and how much was given up.
///
/// # Errors
///
/// As [`observe`]. It needs a series for each tier, and four.
pub fn observe_queue<K, T>(
    meter: &TenantMeter,
    queue: &FairQueue<K, T>,
    tiers: TierSet,
) -> Result<(), MetricsError>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
{
    let of = queue.clone();
    RequestMetrics::observe_longest_wait(meter, move |told| {
        for tier in tiers.iter() {
            let wait = of.longest_wait(tier).unwrap_or_default();
            told.tell(wait.as_secs_f64(), tier);
        }
    })?;
    let of = queue.clone();
    let what = "Items that wait.";
    meter.observe_gauge::<()>("tenantkit.queue.waiting", "{item}", what, move |told| {
        told.tell(number(of.waiting()), ());
    })?;
    let of = queue.clone();
    let what = "Items that are handed out and not done.";
    meter.observe_gauge::<()>("tenantkit.queue.in_flight", "{item}", what, move |told| {
        told.tell(number(of.in_flight()), ());
    })?;
    let of = queue.clone();
    let what = "Items that were given up.";
    meter.observe_counter::<()>("tenantkit.queue.dead", "{item}", what, move |told| {
        told.tell(of.dead(), ());
    })
}

/// Tells of the breaker before a dependency whether it is open, and of how many tenants it keeps a circuit. One breaker
/// for a meter.
///
/// # Errors
///
/// As [`observe`]. It needs two series.
pub fn observe_breaker<K>(meter: &TenantMeter, breaker: &Breaker<K>) -> Result<(), MetricsError>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
{
    let of = breaker.clone();
    let what = "1 while the circuit of the dependency is not closed.";
    meter.observe_gauge::<()>("tenantkit.breaker.open", "1", what, move |told| {
        told.tell(f64::from(u8::from(of.is_open())), ());
    })?;
    let of = breaker.clone();
    let what = "Tenants that have a circuit of their own.";
    meter.observe_gauge::<()>("tenantkit.breaker.tracked", "{tenant}", what, move |told| {
        told.tell(number(of.tracked()), ());
    })
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52")]
const fn number(count: usize) -> f64 {
    count as f64
}
