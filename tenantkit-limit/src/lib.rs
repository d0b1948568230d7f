//! One tenant's load stays its own.

pub mod breaker;
pub mod retry;
mod window;
