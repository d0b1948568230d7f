//! [`MetricsBuilder`]: what is declared before any instrument is made.

use std::sync::Arc;

use opentelemetry_sdk::metrics::MeterProviderBuilder;
use tenantkit_core::TierSet;

use super::{Foreign, MetricsError, TenantMetrics, ledger::Ledger, view};

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
        metrics.meter("tenantkit.otel").observe_counter::<()>(
            "tenantkit.otel.labels.other",
            "{label}",
            "Values of labels that were not in their set, and were measured as `_other`.",
            move |observed| observed.tell(ledger.others(), ()),
        )?;
        Ok(metrics)
    }
}
