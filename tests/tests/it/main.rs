//! What crosses crates: acmedocs and small services of a few lines, over real sockets, on a real
//! Postgres, called by clients that share no code with what they call.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod database_down;
mod directory;
mod documents;
mod foreign;
mod forgeries;
mod leaks;
mod limits;
mod quickstart;
mod service;
mod soak;
mod support;
