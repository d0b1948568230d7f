//! acmedocs: the reference service of tenantkit. Copy it.
//!
//! ```text
//!            bearer                  txn-token                app.tenant_id
//! outside ----------> edge (axum) -------------> documents (tonic) ------------> Postgres
//! ```
//!
//! Two services, which would be two processes in production: each has its own listener, its own
//! authority and its own keys. What joins them is the token on the wire.

pub mod authority;
pub mod config;
pub mod documents;
pub mod edge;
pub mod host;
pub mod limits;
pub mod migrate;
pub mod serve;

/// The contract of the documents service.
#[allow(missing_docs, unused_qualifications, clippy::all, reason = "generated")]
pub mod proto {
    tonic::include_proto!("acmedocs.v1");
}

pub use config::Config;
pub use serve::{Started, start};
