//! What most services need: `use tenantkit::prelude::*;`.

pub use tenantkit_core::{
    Asserts, Authority, BearerPolicy, Capability, CrossTenant, Grant, Jwks, KeySet,
    MemoryDirectory, Refusal, Source, Subject, SystemWork, TenantContext, TenantId, TenantRecord,
    TenantStatus, Text, TierSet, TxnTokens,
};
#[cfg(feature = "tonic")]
pub use tenantkit_grpc::TenantRequestExt;
#[cfg(all(feature = "http", feature = "limit"))]
pub use tenantkit_grpc::limit::LimitLayer;
#[cfg(feature = "http")]
pub use tenantkit_grpc::{TenantClientLayer, TenantLayer};
#[cfg(feature = "kafka")]
pub use tenantkit_kafka::{Outgoing, TenantProducer};
#[cfg(feature = "limit")]
pub use tenantkit_limit::{
    limits::Limits,
    policy::{Allowance, LimitPolicy},
    quota::Quota,
};
#[cfg(feature = "sqlx")]
pub use tenantkit_sqlx::{TenantConn, TenantPool, TenantTx};

#[cfg(any(feature = "http", feature = "kafka", feature = "limit", feature = "sqlx"))]
pub use crate::Error;
