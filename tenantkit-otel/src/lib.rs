//! Spans, logs and metrics that know their tenant, inside a cardinality budget.
//!
//! - [`TenantSpans`] and [`TenantLogs`]: every span, event and log record that is made in a tenant's scope
//!   has [`TENANT_ID`](names::TENANT_ID), [`TENANT_TIER`](names::TENANT_TIER) and
//!   [`TRANSACTION_ID`](names::TRANSACTION_ID), and nobody has to remember it.
//! - [`TenantTracer`]: the same for spans that begin later than they are made, as those of `tracing` do.
//! - [`as_system`]: work of no single tenant says in its spans why it is done.
//! - [`TenantMetrics`](metrics::TenantMetrics): instruments that can be told apart by closed sets only, so that the
//!   number of their series is known at the start and held within a budget. A tenant cannot be a label.
//! - [`TopTenants`](top::TopTenants) and [`TenantLatencies`](latencies::TenantLatencies): who is heavy, and how long the
//!   requests of a few tenants take, in bounded memory.
//! - `limits` (feature `limit`): what the limiters say of themselves, by tier.
//! - `sampler::TenantSampler` (feature `limit`): which traces are kept, with a rate for each tenant.
//! - `http::RequestLayer` (feature `http`): counts each request of a server.
//! - [`Board`](board::Board): a small page for where there is no metrics store.
//! - `trace` (feature `tracing`): how a trace comes in and goes out through the adapters.
//! - [`RequestMetrics`](requests::RequestMetrics): what service levels are read from, by tier, with rules and a dashboard.
//!
//! Identity is never read from what a trace carries. Baggage is unsigned and anybody's: nothing here believes
//! it, nothing here writes a tenant into it, and [`TenantlessBaggage`] lets none in or out.
//!
//! ```
//! use opentelemetry::trace::{Span as _, Tracer as _, TracerProvider as _};
//! use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SimpleSpanProcessor};
//! use tenantkit_otel::TenantSpans;
//! # use tenantkit_core::test_util::TestAuthority;
//!
//! let exporter = InMemorySpanExporter::default();
//! let spans = TenantSpans::around(SimpleSpanProcessor::new(exporter.clone()));
//! let provider = SdkTracerProvider::builder().with_span_processor(spans).build();
//! let tracer = provider.tracer("acmedocs");
//!
//! # let tenant = TestAuthority::new().context("acme");
//! tenant.in_scope(|| tracer.start("list documents").end())?;
//!
//! let spans = exporter.get_finished_spans().unwrap();
//! assert!(spans[0].attributes.iter().any(|it| it.key.as_str() == "tenant.id" && it.value.as_str() == "acme"));
//! # Ok::<(), tenantkit_core::Refusal>(())
//! ```

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod audit;
mod baggage;
pub mod board;
mod delivery;
#[cfg(feature = "http")]
pub mod http;
pub mod label;
pub mod latencies;
#[cfg(feature = "limit")]
pub mod limits;
mod logs;
pub mod metrics;
pub mod names;
mod owner;
mod page;
pub mod refusals;
pub mod requests;
#[cfg(feature = "limit")]
pub mod sampler;
mod spans;
mod system;
pub mod top;
#[cfg(feature = "tracing")]
pub mod trace;
mod tracer;

pub use audit::AuditLogs;
pub use baggage::TenantlessBaggage;
pub use delivery::{Counted, Delivery};
pub use logs::TenantLogs;
pub use page::Page;
pub use spans::{SpanCounts, TenantSpans};
pub use system::{AsSystem, SystemReason, as_system};
#[doc(hidden)]
pub use tenantkit_core::TierSet;
pub use tracer::{TenantSpan, TenantTracer};
