//! How much each tenant may do, so that one tenant's load stays its own.
//!
//! With the feature `http` a layer before a route or a service does it; without one, ask the door
//! yourself, and what it denies is an [`Error`](crate::Error) that answers as the table of refusals says:
//!
//! ```
//! use tenantkit::{limit::quota::Cost, prelude::*, test_util::TestAuthority};
//!
//! const SLOW: Quota = Quota::per_minute(60).burst(1).declare();
//!
//! let tests = TestAuthority::new();
//! let (authority, tenant) = (tests.authority(), tests.context("acme"));
//! let policy = authority.tiers().iter().fold(LimitPolicy::builder(authority.tiers()), |it, tier| {
//!     it.tier("exports", tier.as_str(), Allowance::unlimited().rate(SLOW).in_flight(2))
//! });
//! let exports = Limits::builder(authority, policy.build()?).build()?.resource("exports")?;
//!
//! let entered = exports.try_enter(&tenant, Cost::ONE)?; // held while the work is under way
//! let refused = tenantkit::Error::from(exports.try_enter(&tenant, Cost::ONE).unwrap_err());
//! assert_eq!(refused.refusal().unwrap().code(), tenantkit::RefusalCode::RateLimited);
//! # drop(entered);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#[cfg(feature = "http")]
pub use tenantkit_grpc::limit::*;
pub use tenantkit_limit::*;
