//! [`MetricsBuilder`]: what is declared before any instrument is made.

use std::sync::Arc;

use opentelemetry_sdk::metrics::MeterProviderBuilder;
use tenantkit_core::TierSet;

use super::{Foreign, MetricsError, Series, TenantMetrics, ledger::Ledger, view};
use crate::labels;

labels! {
    /// What is counted in series.
    enum SeriesOf: "tenantkit.otel.series.of" {
        /// Those of the application's own instruments.
        Own = "own",
        /// What other libraries' may have.
        Foreign = "foreign",
        /// What both together may have.
        Budget = "budget",
    }
}

/// What is declared before any instrument is made; from [`TenantMetrics::declare`].
#[derive(Debug, Clone)]
pub struct MetricsBuilder {
    tiers: TierSet,
    budget: usize,
    foreign: Vec<Foreign>,
    undeclared: usize,
}

impl MetricsBuilder {
    /// What a budget is, if nobody says.
    pub const BUDGET: usize = 2_000;
    /// How many instruments that nobody declared are kept, if nobody says.
    pub const UNDECLARED: usize = 20;

    pub(super) const fn new(tiers: TierSet) -> Self {
        Self { tiers, budget: Self::BUDGET, foreign: Vec::new(), undeclared: Self::UNDECLARED }
    }

    /// How many series there may be, in all: of the application's own instruments, and of those of other
    /// libraries.
    #[must_use]
    pub const fn budget(mut self, series: usize) -> Self {
        self.budget = series;
        self
    }

    /// An instrument of another library, and what it may keep.
    #[must_use]
    pub fn foreign(mut self, foreign: Foreign) -> Self {
        self.foreign.push(foreign);
        self
    }

    /// How many instruments of other libraries are kept, without their attributes, that nobody declared. Each
    /// takes three series of the budget, as if it were a histogram. The next ones are dropped.
    #[must_use]
    pub const fn undeclared(mut self, instruments: usize) -> Self {
        self.undeclared = instruments;
        self
    }

    /// Builds the provider, with its readers and its resource. It must have no views of its own: the SDK
    /// gives each view a stream.
    ///
    /// # Errors
    ///
    /// When what other libraries may have is past the budget, or has no bound.
    pub fn start(self, provider: MeterProviderBuilder) -> Result<TenantMetrics, MetricsError> {
        for foreign in &self.foreign {
            foreign.check()?;
        }
        let ledger = Ledger::new(self.tiers, self.budget, &self.foreign, self.undeclared)?;
        let ledger = Arc::new(ledger);
        let provider = view::install(provider, Arc::clone(&ledger), self.foreign, self.undeclared);
        let metrics = TenantMetrics { ledger: Arc::clone(&ledger), provider: provider.build() };
        // Of the ledger and not of the metrics, which hold the provider that holds this.
        let meter = metrics.meter("tenantkit.otel");
        let of = Arc::clone(&ledger);
        meter.observe_counter::<()>(
            "tenantkit.otel.labels.other",
            "{label}",
            "Values of labels that were not in their set, and were measured as `_other`.",
            move |observed| observed.tell(of.others(), ()),
        )?;
        let of = Arc::clone(&ledger);
        meter.observe_counter::<()>(
            "tenantkit.otel.instruments.dropped",
            "{instrument}",
            "Instruments of other libraries that were dropped: nobody declared them, and there were too many.",
            move |observed| observed.tell(of.dropped(), ()),
        )?;
        meter.observe_gauge::<SeriesOf>(
            "tenantkit.otel.series",
            "{series}",
            "How many series there may be, and what the budget is.",
            move |observed| {
                let Series { own, foreign, budget } = ledger.series();
                let each = [(own, SeriesOf::Own), (foreign, SeriesOf::Foreign)];
                for (series, of) in each.into_iter().chain([(budget, SeriesOf::Budget)]) {
                    observed.tell(number(series), of);
                }
            },
        )?;
        Ok(metrics)
    }
}

#[expect(clippy::cast_precision_loss, reason = "there are fewer than 2^52")]
const fn number(count: usize) -> f64 {
    count as f64
}
