//! [`TenantMetrics`]: instruments whose series are counted before the first of them exists.
//!
//! ```
//! use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
//! use tenantkit_core::{Tier, TierSet};
//! use tenantkit_otel::{labels, metrics::{Foreign, TenantMetrics}};
//!
//! labels! {
//!     /// How a request ended.
//!     pub enum Outcome: "acmedocs.outcome" { Served = "served", Refused = "refused" }
//! }
//!
//! let metrics = TenantMetrics::declare(TierSet::METALS)
//!     .budget(400) // series, in all
//!     .foreign(Foreign::named("http.server.request.duration").keep(&["http.request.method"]).at_most(9))
//!     .start(SdkMeterProvider::builder().with_periodic_exporter(InMemoryMetricExporter::default()))?;
//!
//! let meter = metrics.meter("acmedocs");
//! let requests = meter.counter::<(Tier, Outcome)>("acmedocs.requests", "{request}", "Requests that ended.")?;
//! let gold = TierSet::METALS.get("gold").unwrap();
//! requests.add(1, (gold, Outcome::Served));
//!
//! // Four tiers and the one for all others, by two outcomes; and what is told of the metrics themselves.
//! assert_eq!(metrics.series().own, 10 + TenantMetrics::OF_ITSELF);
//! # Ok::<(), tenantkit_otel::metrics::MetricsError>(())
//! ```
//!
//! # What it promises
//!
//! - **The number of series is known at the start.** Each instrument declares its labels, and each label its
//!   values; what an instrument may need is their product. A series here is what a metrics store calls one: a
//!   counter or gauge has one for each combination, a histogram one for each bucket and two more.
//! - **Past the budget, no instrument.** It is refused when it is declared, with how much it needs and how much is
//!   left.
//! - **No measurement makes a series.** A value that is not in its set is [`OTHER`](crate::label::OTHER), which is
//!   in the product already, and [`TenantMetrics::others`] counts it. The SDK's overflow, which swallows the tier as
//!   well, is never reached.
//! - **Other libraries' instruments** keep only what [`Foreign`] declares, within a limit. Those that nobody
//!   declared lose all their attributes, and past a number of them they are dropped and counted. So are those whose
//!   instrumentation scope has attributes, which exporters put on every series.
//! - **Measuring costs less than with the SDK**, which hashes and compares the attributes each time: here each
//!   series is found by its number.

mod declare;
mod error;
mod foreign;
mod instrument;
mod ledger;
mod meter;
mod name;
mod observe;
mod table;
mod view;

use std::sync::Arc;

use opentelemetry::{InstrumentationScope, metrics::MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use tenantkit_core::TierSet;

pub use declare::MetricsBuilder;
pub use error::MetricsError;
pub use foreign::Foreign;
pub use instrument::{Counter, Gauge, Histogram, UpDownCounter};
pub use meter::TenantMeter;
pub use observe::Observed;

use ledger::Ledger;

/// Instruments of which the number of series is known before the first of them exists. See the
/// [module](self).
#[derive(Debug, Clone)]
pub struct TenantMetrics {
    ledger: Arc<Ledger>,
    provider: SdkMeterProvider,
}

/// How many series there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Series {
    /// Of the instruments that were made so far.
    pub own: usize,
    /// What other libraries' instruments may have.
    pub foreign: usize,
    /// What both together may have.
    pub budget: usize,
}

impl TenantMetrics {
    /// How many series tell of the metrics themselves, under `tenantkit.otel`.
    pub const OF_ITSELF: usize = 5;

    /// Begins to declare them, for an application with these tiers.
    #[must_use]
    pub const fn declare(tiers: TierSet) -> MetricsBuilder {
        MetricsBuilder::new(tiers)
    }

    /// A meter for the instruments of one part of the application.
    #[must_use]
    pub fn meter(&self, scope: &'static str) -> TenantMeter {
        let meter = self.provider.meter_with_scope(InstrumentationScope::builder(scope).build());
        TenantMeter::new(meter, Arc::clone(&self.ledger), scope)
    }

    /// The provider, for other libraries (`opentelemetry::global::set_meter_provider`), and to flush and
    /// shut down.
    #[must_use]
    pub const fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }

    /// How many series there may be.
    #[must_use]
    pub fn series(&self) -> Series {
        self.ledger.series()
    }

    /// How many values were not in their set, and were measured as [`OTHER`](crate::label::OTHER). It is
    /// exported as `tenantkit.otel.labels.other` too.
    #[must_use]
    pub fn others(&self) -> u64 {
        self.ledger.others()
    }

    /// How many instruments of other libraries were dropped, because nobody declared them and there were too
    /// many.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.ledger.dropped()
    }

    /// All instruments that were made so far, as a table in Markdown.
    #[must_use]
    pub fn table(&self) -> String {
        table::of(&self.ledger)
    }
}
