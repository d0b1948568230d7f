//! Against librdkafka's mock cluster, in process.

mod cluster;
mod config;
mod flight;
mod headers;
mod partitions;
mod raw;
mod sending;
