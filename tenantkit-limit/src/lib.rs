//! One tenant's load stays its own: rate, concurrency, admission, breakers, retries.
//!
//! Coming in, [`Limits`](limits::Limits) is the one door. It asks, by a [`LimitPolicy`](policy::LimitPolicy)
//! for the caller's tier or tenant and the resource at hand, and takes nothing unless all of them agree:
//!
//! - [`RateLimiter`](rate::RateLimiter): has the tenant used up its rate, in any of up to three windows?
//! - [`ConcurrencyLimiter`](concurrency::ConcurrencyLimiter): has it too much under way, or have all together?
//! - [`Admission`](admission::Admission): is the queue that all share too long for its tier?
//!
//! Going out:
//!
//! - [`Breaker`](breaker::Breaker): does the dependency fail, for this tenant or for all?
//! - [`RetryBudget`](retry::RetryBudget): may the tenant try again without making it worse?
//!
//! Each can be used alone. The layers for HTTP and gRPC are in `tenantkit-grpc`, the cap on a pool's
//! connections is in `tenantkit-sqlx`, both behind a feature `limit`. Time is a
//! [`Clock`](tenantkit_core::Clock)'s, memory is bounded, and what bounds it is said where it is.
//!
//! # Features
//!
//! None is on by default. `toml`, `json`: a policy from a document. `redis`: a rate that several
//! processes share.

pub mod admission;
pub mod breaker;
pub mod concurrency;
pub mod fair;
pub mod limits;
pub mod policy;
pub mod quota;
pub mod rate;
pub mod retry;
#[cfg(feature = "redis")]
pub mod shared;
mod window;
