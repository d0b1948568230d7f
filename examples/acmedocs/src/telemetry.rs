//! What each of the two services tells of itself: metrics by tier, who is heavy, who was refused last.
//!
//! Traces and logs are the process's ([`Exports`]). None of it can slow or fail a request: what a collector does not
//! take in time is dropped, and counted.

mod exports;
mod on_runtime;
mod page;

use std::{sync::Arc, time::Duration};

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
use tenantkit::{
    Authority, Clock, TenantPool,
    kafka::ConsumerHandle,
    limit::limits::Limits,
    otel::{
        Delivery,
        board::{Board, TierBoard},
        http::RequestLayer,
        latencies::TenantLatencies,
        limits,
        metrics::{MetricsError, TenantMeter, TenantMetrics},
        refusals::LastRefusals,
        requests::RequestMetrics,
        top::{Measure, TopTenants},
    },
    telemetry,
};

use crate::config::{self, Config, TIERS};

pub use exports::{Exports, subscribe};
pub(crate) use page::{OPERATORS, serve};

/// How many of the last refusals are kept.
const REFUSALS: usize = 50;
/// How many tenants are watched beside those that are pinned.
const WATCHED: usize = 20;
/// How long it is counted who is heavy.
const WINDOW: Duration = Duration::from_secs(60);
/// How often the page's numbers are collected.
const SHOWN: Duration = Duration::from_secs(1);

/// Why there is no telemetry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TelemetryError {
    /// The collector's address is none.
    #[error("telemetry.collector: {0}")]
    Collector(#[from] ExporterBuildError),
    /// The instruments are not as they should be: a mistake in this program.
    #[error("telemetry: {0}")]
    Metrics(#[from] MetricsError),
    /// Something of the configuration is wrong.
    #[error(transparent)]
    Config(#[from] config::ConfigError),
}

/// What one service tells of itself.
#[derive(Debug, Clone)]
pub struct Telemetry {
    metrics: TenantMetrics,
    meter: TenantMeter,
    requests: RequestLayer,
    top: Arc<TopTenants>,
    latencies: Arc<TenantLatencies>,
    board: Board,
    clock: Arc<dyn Clock>,
}

impl Telemetry {
    /// Of the service of that name, as the configuration says. Needs a runtime of Tokio where there is a collector.
    ///
    /// # Errors
    ///
    /// When the collector's address is none.
    pub fn of(
        config: &Config,
        service: &'static str,
        authority: &Authority,
    ) -> Result<Self, TelemetryError> {
        let told = config.telemetry.as_ref();
        let mut provider = SdkMeterProvider::builder().with_resource(exports::resource(service));
        if let Some(exporter) = told.map(exports::metrics).transpose()?.flatten() {
            let every = told.map(|it| Duration::from_millis(it.metrics_every_ms.get()));
            let reader = PeriodicReader::builder(exporter).with_interval(every.unwrap_or(WINDOW));
            provider = provider.with_reader(reader.build());
        }
        let tiers = TierBoard::new();
        if told.is_some_and(|it| it.page.is_some()) {
            let reader = PeriodicReader::builder(tiers.clone()).with_interval(SHOWN);
            provider = provider.with_reader(reader.build());
        }
        // Nobody else measures here.
        let metrics = TenantMetrics::declare(TIERS).undeclared(0).start(provider)?;
        let meter = metrics.meter(service);
        telemetry::observe_tokens(&meter, authority)?;

        let clock = Arc::clone(authority.clock());
        let top = Arc::new(TopTenants::builder().window(WINDOW).build());
        let pinned = told.map(config::Telemetry::pinned).transpose()?.unwrap_or_default();
        let latencies = Arc::new(TenantLatencies::new(pinned, WATCHED));
        let refusals = LastRefusals::new(REFUSALS, Arc::clone(&clock));
        let requests = RequestLayer::new(RequestMetrics::new(&meter)?, Arc::clone(&clock))
            .top(Arc::clone(&top))
            .latencies(Arc::clone(&latencies))
            .refusals(refusals.clone());
        let board = Board::new(tiers, Arc::clone(&top), refusals).latencies(Arc::clone(&latencies));
        Ok(Self { metrics, meter, requests, top, latencies, board, clock })
    }

    /// Counts requests: once inside the layer that tells whose they are, and once outside.
    #[must_use]
    pub const fn requests(&self) -> &RequestLayer {
        &self.requests
    }

    /// How many series there may be.
    #[must_use]
    pub const fn metrics(&self) -> &TenantMetrics {
        &self.metrics
    }

    pub(crate) const fn board(&self) -> &Board {
        &self.board
    }

    pub(crate) const fn top(&self) -> &Arc<TopTenants> {
        &self.top
    }

    /// Tells how much of the process's traces and logs arrives.
    pub(crate) fn observe_exports(&self, exports: &Exports) -> Result<(), TelemetryError> {
        let [spans, records] = exports.delivered();
        Ok(Delivery::observe(&self.meter, spans, records)?)
    }

    pub(crate) fn observe_limits(&self, limits: &Limits) -> Result<(), TelemetryError> {
        Ok(limits::observe(&self.meter, limits)?)
    }

    pub(crate) fn observe_pool(&self, pool: &TenantPool) -> Result<(), TelemetryError> {
        Ok(telemetry::observe_pool(&self.meter, pool)?)
    }

    pub(crate) fn observe_consumer(&self, of: &ConsumerHandle) -> Result<(), TelemetryError> {
        Ok(telemetry::observe_consumer(&self.meter, of, TIERS)?)
    }

    /// Watches who is heavy, and tells it to the logs when a window is over.
    ///
    /// # Cancellation
    ///
    /// Nothing is told by half.
    pub(crate) async fn follow(self, exports: Option<Exports>) {
        loop {
            tokio::time::sleep(WINDOW).await;
            self.latencies.mark(self.clock.monotonic());
            self.latencies.follow(self.top.current().of(Measure::Time));
            if let (Some(exports), Some(last)) = (&exports, self.top.last()) {
                last.first(WATCHED).tell(&exports.logger());
            }
        }
    }

    /// Hands over what was measured last, and ends. Blocks until the collector has it, 5 s at most.
    pub(crate) fn stop(&self) {
        if let Err(error) = self.metrics.provider().shutdown() {
            tracing::warn!(error = %error, "the last metrics were not exported");
        }
    }
}
