//! [`Board`]: a small page to look at where there is no metrics store: the tiers, who is heavy, who was refused last.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//! use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider};
//! use tenantkit_core::{SystemClock, TierSet};
//! use tenantkit_otel::{board::{Board, TierBoard}, metrics::TenantMetrics, refusals::LastRefusals, top::TopTenants};
//!
//! let tiers = TierBoard::new();
//! let reader = PeriodicReader::builder(tiers.clone()).with_interval(Duration::from_secs(1)).build();
//! let provider = SdkMeterProvider::builder().with_reader(reader); // and one that exports
//! let metrics = TenantMetrics::declare(TierSet::METALS).start(provider)?;
//!
//! let top = Arc::new(TopTenants::builder().build());
//! let refusals = LastRefusals::new(50, Arc::new(SystemClock::new()));
//! let board = Board::new(tiers, top, refusals);
//! // board.page(&grant, &authority, "/", None)?
//! # Ok::<(), tenantkit_otel::metrics::MetricsError>(())
//! ```

mod html;
mod tiers;
mod watched;

use std::sync::Arc;

use tenantkit_core::{Authority, CrossTenant, Door, Refusal};

pub use tiers::{TierBoard, TierRow};

use watched::Watched;

use crate::{latencies::TenantLatencies, page::Page, refusals::LastRefusals, top::TopTenants};

/// A small page to look at. See the [module](self).
#[derive(Debug, Clone)]
pub struct Board {
    tiers: TierBoard,
    top: Arc<TopTenants>,
    refusals: LastRefusals,
    latencies: Option<Arc<TenantLatencies>>,
}

impl Board {
    /// A page of these.
    #[must_use]
    pub const fn new(tiers: TierBoard, top: Arc<TopTenants>, refusals: LastRefusals) -> Self {
        Self { tiers, top, refusals, latencies: None }
    }

    /// And how long the requests of some tenants take.
    #[must_use]
    pub fn latencies(self, latencies: Arc<TenantLatencies>) -> Self {
        Self { latencies: Some(latencies), ..self }
    }

    /// Answers a request, which sees many tenants: so it is work across tenants, and needs a grant for that.
    ///
    /// | path | what |
    /// |---|---|
    /// | `/` | the page |
    /// | `/tiers.json` | the tiers, as they were last collected |
    /// | `/top.json` | who is heavy, as [`TopTenants::page`] has it |
    /// | `/latencies.json` | how long the requests of those tenants take that are pinned or heavy |
    /// | `/refusals.json` | who was refused last |
    ///
    /// # Errors
    ///
    /// When the grant is not good any more, or is another authority's.
    pub fn page(
        &self,
        who: &CrossTenant,
        authority: &Authority,
        path: &str,
        query: Option<&str>,
    ) -> Result<Page, Refusal> {
        who.check(authority, Door::Export)?;
        Ok(match path {
            "/" => Page::new(200, "text/html; charset=utf-8", self.html()),
            "/tiers.json" => Page::json(&self.tiers.rows()),
            "/latencies.json" => Page::json(&self.watched()),
            "/refusals.json" => Page::json(&self.refusals.newest_first()),
            "/top.json" => return self.top.page(who, authority, query),
            _ => Page::new(404, "text/plain; charset=utf-8", "there is no such page\n".to_owned()),
        })
    }

    fn html(&self) -> String {
        let (tiers, refusals) = (self.tiers.rows(), self.refusals.newest_first());
        html::page(&tiers, &self.top.current(), &self.watched(), &refusals)
    }

    fn watched(&self) -> Vec<Watched> {
        self.latencies.as_deref().map(watched::rows).unwrap_or_default()
    }
}
