//! Requests are counted, however they end; and what is counted is shown.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod board;
mod requests;
mod trace;
mod world;
