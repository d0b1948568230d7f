//! What the rate limiter promises, as a user sees it. One binary, a module a concern.

#![expect(clippy::unwrap_used, reason = "a test that fails here has failed")]

#[path = "rate/bound.rs"]
mod bound;
#[path = "rate/correction.rs"]
mod correction;
#[path = "rate/deciding.rs"]
mod deciding;
#[path = "rate/dying.rs"]
mod dying;
#[path = "rate/flood.rs"]
mod flood;
#[path = "rate/forgetting.rs"]
mod forgetting;
#[path = "rate/model.rs"]
mod model;
#[path = "rate/plans.rs"]
mod plans;
