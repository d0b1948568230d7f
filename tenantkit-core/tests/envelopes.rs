//! What envelopes promise.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "envelopes/cache.rs"]
mod cache;
#[path = "envelopes/common.rs"]
mod common;
#[path = "envelopes/context.rs"]
mod context;
#[path = "envelopes/foreign.rs"]
mod foreign;
#[path = "envelopes/keys.rs"]
mod keys;
#[path = "envelopes/properties.rs"]
mod properties;
#[path = "envelopes/refused.rs"]
mod refused;
