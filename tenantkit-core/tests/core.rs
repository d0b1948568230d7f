//! The promises of this crate, as a user sees them. One binary, a module a concern.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

#[path = "core/audit.rs"]
mod audit;
#[path = "core/json_lines.rs"]
mod json_lines;
