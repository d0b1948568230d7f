//! What shared rates promise, in real processes with a real Redis. One binary, a module a concern.

#![cfg(feature = "redis")]
#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

#[path = "shared/configuration.rs"]
mod configuration;
#[path = "shared/outage.rs"]
mod outage;
#[path = "shared/process.rs"]
mod process;
#[path = "shared/script.rs"]
mod script;
#[path = "shared/steady.rs"]
mod steady;
