//! The number of series is known at the start, and no measurement adds one.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod budget;
mod foreign;
mod limits;
mod names;
mod series;
mod world;
