//! One verified tenant from the request to the row.
#![doc = ""]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(any(feature = "axum", feature = "sqlx", feature = "tonic"))]
mod error;
pub mod prelude;

#[cfg(any(feature = "axum", feature = "sqlx", feature = "tonic"))]
pub use error::Error;
pub use tenantkit_core::*;
#[cfg(feature = "http")]
pub use tenantkit_grpc as grpc;
#[cfg(feature = "http")]
pub use tenantkit_grpc::{TenantClientLayer, TenantLayer};
#[cfg(feature = "sqlx")]
pub use tenantkit_sqlx as sqlx;
#[cfg(feature = "sqlx")]
pub use tenantkit_sqlx::{TenantConn, TenantPool, TenantTx};
