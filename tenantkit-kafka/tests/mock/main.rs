//! Against librdkafka's mock cluster, in process.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod cluster;
mod config;
mod flight;
mod headers;
mod partitions;
mod raw;
mod sending;
