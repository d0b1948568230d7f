//! The layers in real stacks: axum, tonic over a socket, tower-http around them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap here is a failed test")]

mod body;
mod client;
mod client_breaker;
mod client_deadline;
mod client_grpc;
mod client_retry;
mod forged;
mod grpc;
mod limit;
mod redirect;
mod refused;
mod retry_storm;
mod server;
mod socket;
mod span;
mod stalled;
mod unread;
mod waiting;
mod world;
