//! One tenant's load stays its own.

pub mod admission;
pub mod breaker;
pub mod concurrency;
pub mod limits;
pub mod policy;
pub mod quota;
pub mod rate;
pub mod retry;
#[cfg(feature = "redis")]
pub mod shared;
mod window;
