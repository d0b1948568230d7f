//! What acmedocs promises to whoever runs it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod acmedocs {
    mod cancelled;
    mod config;
    mod edge;
    mod fake;
    mod limits;
    mod metrics;
    mod process;
    mod search;
    mod secrets;
    mod telemetry;
}
