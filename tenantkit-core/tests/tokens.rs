//! What tokens promise.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "tokens/bearer.rs"]
mod bearer;
#[path = "tokens/blame.rs"]
mod blame;
#[path = "tokens/budget.rs"]
mod budget;
#[path = "tokens/cache.rs"]
mod cache;
#[path = "tokens/claims.rs"]
mod claims;
#[path = "tokens/common.rs"]
mod common;
#[path = "tokens/foreign.rs"]
mod foreign;
#[path = "tokens/header.rs"]
mod header;
#[path = "tokens/jwks.rs"]
mod jwks;
#[path = "tokens/keys.rs"]
mod keys;
#[path = "tokens/mint.rs"]
mod mint;
#[path = "tokens/properties.rs"]
mod properties;
#[path = "tokens/rotation.rs"]
mod rotation;
