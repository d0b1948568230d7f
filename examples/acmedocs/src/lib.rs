//! acmedocs: the reference service of tenantkit. Copy it.
//!
//! ```text
//!            bearer                  txn-token                app.tenant_id
//! outside ----------> edge (axum) -------------> documents (tonic) ------------> Postgres
//! ```
//!
//! Where the configuration has a Kafka:
//!
//! ```text
//!                documents.changed                 search
//! documents ----------------------> indexer --------------> Postgres <---- documents <---- edge /v1/search
//!            after each commit, sealed  by tenant, fairly
//! ```
//!
//! Two services, which would be two processes in production: each has its own listener, its own
//! authority and its own keys. What joins them is the token on the wire.

pub mod authority;
pub mod changes;
pub mod config;
pub mod documents;
pub mod edge;
pub mod host;
pub mod indexer;
pub mod limits;
pub mod migrate;
pub mod replay;
mod search;
pub mod serve;
pub mod telemetry;

/// The contract of the documents service.
#[allow(missing_docs, unused_qualifications, clippy::all, reason = "generated")]
pub mod proto {
    tonic::include_proto!("acmedocs.v1");
}

pub use config::Config;
pub use serve::{Started, start, start_with};
