//! One verified tenant from the request to the row.
//!
//! A [`TenantContext`] can only come from a verified source, and every door to a shared resource asks
//! for one: an inbound request ([`TenantLayer`]), an outbound call ([`TenantClientLayer`]), a
//! transaction ([`TenantPool`]), a record ([`TenantProducer`]), the key of a cache ([`TenantContext::key`]). Where it is missing,
//! malformed, expired, forged or in disagreement, the door refuses. Nothing falls back to a default.
//!
//! This crate is the face of the family: one dependency, a feature for each part.
//!
//! | feature | what it adds |
//! |---|---|
//! | `http` | the layers for any `tower` HTTP service |
//! | `axum` | [`TenantContext`] as an extractor, [`Error`] as an answer |
//! | `tonic` | the layers on tonic servers and channels, [`Error`] as a status |
//! | `sqlx` | [`TenantPool`] and what hangs on it |
//! | `kafka` | [`TenantProducer`] and records that carry a signed tenant |
//! | `otel` | [`otel`]: spans, logs and metrics of OpenTelemetry that know their tenant |
//! | `limit` | [`limit`]: rate, concurrency and admission by tier and tenant, and their layers |
//! | `limit-toml`, `limit-json` | the limits as a document |
//! | `limit-redis` | rates of several processes together |
//! | `limit-quanta` | a clock that is read in less time |
//! | `tokio` | [`task::spawn`] and its kin, which carry the scope; bodies that are cut in time |
//! | `tracing` | spans that carry the tenant, audit events as `tracing` events |
//! | `test-util` | an authority for tests |
//!
//! ```
//! use tenantkit::{prelude::*, test_util::TestAuthority};
//!
//! // For tests. A service builds its own, from keys and policies.
//! let authority = TestAuthority::new();
//! let tenant: TenantContext = authority.context("acme");
//!
//! // A key that no other tenant's equals, whatever the rest of it is.
//! assert_eq!(tenant.key("report-7")?.to_string(), "acme:1:report-7");
//!
//! // Outside any scope there is nobody, and nobody is a refusal.
//! assert!(TenantContext::current().is_err());
//! tenant.in_scope(|| assert_eq!(TenantContext::current().unwrap().tenant(), "acme"))?;
//! # Ok::<(), tenantkit::Refusal>(())
//! ```
//!
//! The README has the quickstart, `docs/guide.md` the rest, and `examples/acmedocs` a service to copy.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "http", feature = "kafka", feature = "limit", feature = "sqlx"))]
mod error;
#[cfg(feature = "limit")]
pub mod limit;
pub mod prelude;
#[cfg(feature = "otel")]
pub mod telemetry;

#[cfg(any(feature = "http", feature = "kafka", feature = "limit", feature = "sqlx"))]
pub use error::Error;
pub use tenantkit_core::*;
#[cfg(feature = "http")]
pub use tenantkit_grpc as grpc;
#[cfg(feature = "http")]
pub use tenantkit_grpc::{TenantClientLayer, TenantLayer};
#[cfg(feature = "kafka")]
pub use tenantkit_kafka as kafka;
#[cfg(feature = "kafka")]
pub use tenantkit_kafka::{Outgoing, TenantProducer};
#[cfg(feature = "otel")]
pub use tenantkit_otel as otel;
#[cfg(feature = "sqlx")]
pub use tenantkit_sqlx as postgres;
#[cfg(feature = "sqlx")]
pub use tenantkit_sqlx::{TenantConn, TenantPool, TenantTx};

/// The guide's code that is not ignored compiles and holds.
#[cfg(all(
    doctest,
    feature = "axum",
    feature = "kafka",
    feature = "limit-toml",
    feature = "tokio"
))]
#[doc = include_str!("../../docs/guide.md")]
mod guide {}
