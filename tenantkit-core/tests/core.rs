//! The promises of this crate, as a user sees them. One binary, a module a concern.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

#[path = "core/audit.rs"]
mod audit;
#[path = "core/authority.rs"]
mod authority;
#[path = "core/building.rs"]
mod building;
#[path = "core/checks.rs"]
mod checks;
#[path = "core/gateway.rs"]
mod gateway;
#[path = "core/grants.rs"]
mod grants;
#[path = "core/headers.rs"]
mod headers;
#[path = "core/json_lines.rs"]
mod json_lines;
#[path = "core/lints.rs"]
mod lints;
#[path = "core/listening.rs"]
mod listening;
#[path = "core/outbound.rs"]
mod outbound;
#[path = "core/scope.rs"]
mod scope;
#[path = "core/tasks.rs"]
mod tasks;
#[path = "core/words.rs"]
mod words;
#[path = "core/world.rs"]
mod world;
