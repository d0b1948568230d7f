//! What the doors say of themselves, as metrics by tier and never by tenant: what crosses crates, which know nothing
//! of each other.
//!
//! ```
//! # use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
//! use tenantkit::{otel::metrics::TenantMetrics, prelude::*, telemetry, test_util::TestAuthority};
//!
//! # let provider = SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default());
//! let tests = TestAuthority::new();
//! let metrics = TenantMetrics::declare(tests.authority().tiers()).start(provider)?;
//! telemetry::observe_tokens(&metrics.meter("edge"), tests.authority())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`otel::limits`](crate::otel::limits) has the same of the limiters.

#[cfg(feature = "kafka")]
mod consumer;
#[cfg(feature = "sqlx")]
mod pool;

use tenantkit_core::Authority;
use tenantkit_otel::{
    labels,
    metrics::{MetricsError, TenantMeter},
};

#[cfg(feature = "kafka")]
pub use consumer::observe_consumer;
#[cfg(feature = "sqlx")]
pub use pool::observe_pool;

labels! {
    /// Whether a token was among those whose signature was checked.
    pub enum Lookup: "tenantkit.token.lookup" {
        /// It was.
        Hit = "hit",
        /// It was not.
        Miss = "miss",
    }
}

/// Tells how often a token's signature need not be checked again.
///
/// # Errors
///
/// When the budget has no room for two series, or the instrument is there already.
pub fn observe_tokens(meter: &TenantMeter, authority: &Authority) -> Result<(), MetricsError> {
    let of = authority.clone();
    let what = "Tokens that were looked up among those whose signature was checked.";
    meter.observe_counter::<Lookup>("tenantkit.token.lookups", "{token}", what, move |told| {
        let stats = of.token_cache();
        told.tell(stats.hits, Lookup::Hit);
        told.tell(stats.misses, Lookup::Miss);
    })
}

#[cfg(any(feature = "kafka", feature = "sqlx"))]
#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52")]
const fn number(count: u64) -> f64 {
    count as f64
}
