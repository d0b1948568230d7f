//! Every span, event and log record has the tenant in whose scope it was made, and no other.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod audit;
mod baggage;
mod direct;
mod late;
mod logs;
mod system;
mod world;
