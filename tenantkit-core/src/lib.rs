//! Who is acting: tenant identity, context, scope, tokens, refusals, audit.
//!
//! A [`TenantContext`] can only come from a verified source, and every door to a shared resource asks
//! for one. This crate has the context, the [`Authority`] that issues it, and what all doors share.
//! It knows no framework, no runtime and no network.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod audit;
mod authority;
#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod carrier;
mod clock;
mod context;
mod directory;
mod envelope;
mod id;
mod identity;
mod inbound;
mod jws;
mod key;
mod names;
mod refusal;
mod scope;
mod scopes;
mod source;
#[cfg(feature = "test-util")]
pub mod test_util;
mod text;
mod tier;
mod token;
mod waited;

pub use audit::{AuditAction, AuditEvent, AuditSink, Commit};
pub use authority::{
    Authority, AuthorityBuilder, Begun, BuildError, Capability, CheckPermit, CrossTenant,
    DangerousBuilder, GatewayPeer, Grant, Listener, SystemWork, TokenCacheStats, Turn,
};
pub use bearer::{BearerPolicy, Jwks, Unbounded};
pub use carrier::{CannotCarry, Carrier};
pub use clock::{Clock, ManualClock, SystemClock, UnixTime};
pub use context::{Provenance, TenantContext};
pub use directory::{MemoryDirectory, TenantDirectory, TenantRecord, TenantStatus};
pub use envelope::{Envelopes, Opened, WireRecord};
pub use id::{Incarnation, InvalidTenantId, TenantId};
pub use identity::{Identity, RoutingEpoch, Subject};
pub use inbound::{Inbound, MAX_IDENTITY_HEADER_LEN, Peer, Presented};
pub use jws::{Algorithm, jwk::KeyError};
pub use key::TenantKey;
pub use names::{NameScheme, TenantName};
pub use refusal::{Door, Reason, Refusal, RefusalCode};
pub use scope::Scoped;
#[cfg(feature = "tokio")]
pub use scope::task;
pub use scopes::{InvalidScopes, Scopes};
pub use source::{Asserts, Claim, IdentitySource, Source, SourceSet};
pub use text::{InvalidText, Text};
pub use tier::{Tier, TierSet};
pub use token::{KeySet, KeyTerms, KeyUse, SecretJwk, SigningKey, TxnTokens, VerifyingKey};
pub use waited::Waited;
