//! Telemetry: where traces, logs and metrics go, and where they can be looked at.

use std::{
    net::SocketAddr,
    num::{NonZeroU32, NonZeroU64},
};

use axum::http::{Uri, uri::Scheme};
use serde::Deserialize;
use tenantkit::TenantId;

use super::ConfigError;

/// Where traces, logs and metrics go, and where they can be looked at.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// An OpenTelemetry Collector, as `http://host:4317`. Without it nothing is exported.
    pub collector: Option<String>,
    /// How it is spoken to.
    #[serde(default)]
    pub protocol: Protocol,
    /// Where the built-in page listens. It names tenants and asks nobody who they are, so it may be an address of this
    /// machine only.
    #[serde(default, deserialize_with = "super::maybe_address")]
    pub page: Option<SocketAddr>,
    /// How many traces of each tenant are kept, in a second.
    #[serde(default = "five")]
    pub traces_per_second: NonZeroU32,
    /// How often metrics are exported, in milliseconds.
    #[serde(default = "ten_seconds")]
    pub metrics_every_ms: NonZeroU64,
    /// The tenants all of whose traces are kept, and whose latencies are.
    #[serde(default)]
    pub pinned: Vec<String>,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// OTLP over gRPC.
    #[default]
    Grpc,
    /// OTLP over HTTP, in protobuf.
    Http,
}

impl Telemetry {
    /// The tenants that are pinned.
    ///
    /// # Errors
    ///
    /// When a name is none.
    pub fn pinned(&self) -> Result<Vec<TenantId>, ConfigError> {
        let parse = |name: &String| TenantId::new(name).map_err(|_| PINNED);
        self.pinned.iter().map(parse).collect()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |key, may_be| Err(ConfigError::Telemetry { key, may_be });
        if !self.collector.as_deref().is_none_or(is_collector) {
            return wrong("collector", "like http://127.0.0.1:4317");
        }
        if self.page.is_some_and(|page| !page.ip().is_loopback()) {
            return wrong("page", "an address of this machine only, like 127.0.0.1:9464");
        }
        self.pinned().map(drop)
    }
}

const PINNED: ConfigError =
    ConfigError::Telemetry { key: "pinned", may_be: "a list of the names of tenants" };

fn is_collector(url: &str) -> bool {
    url.parse::<Uri>().is_ok_and(|it| {
        let is_plain =
            it.scheme() == Some(&Scheme::HTTP) && it.host().is_some_and(|it| !it.is_empty());
        is_plain && matches!(it.path(), "" | "/") && it.query().is_none()
    })
}

const fn five() -> NonZeroU32 {
    NonZeroU32::new(5).expect("5 is not zero")
}

const fn ten_seconds() -> NonZeroU64 {
    NonZeroU64::new(10_000).expect("10,000 is not zero")
}
