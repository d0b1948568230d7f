//! What most services need: `use tenantkit::prelude::*;`.

pub use tenantkit_core::{
    Asserts, Authority, BearerPolicy, Jwks, MemoryDirectory, Source, TenantContext, TenantId,
    TenantRecord, TierSet, TxnTokens,
};
#[cfg(feature = "tonic")]
pub use tenantkit_grpc::TenantRequestExt;
#[cfg(feature = "http")]
pub use tenantkit_grpc::{TenantClientLayer, TenantLayer};
#[cfg(feature = "sqlx")]
pub use tenantkit_sqlx::{TenantConn, TenantPool, TenantTx};

#[cfg(any(feature = "axum", feature = "sqlx", feature = "tonic"))]
pub use crate::Error;
