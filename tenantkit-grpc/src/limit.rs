//! The limits of `tenantkit-limit` before a route or a service: what one tenant asks for too much is
//! refused, in the protocol that it speaks, and the others do not notice.
//!
//! ```
//! # use axum::{Router, body::Body, routing::post};
//! # use http::Request;
//! # use tenantkit_core::test_util::TestAuthority;
//! # use tenantkit_grpc::{TenantLayer, limit::LimitLayer};
//! # use tenantkit_limit::{limits::Limits, policy::{Allowance, LimitPolicy}, quota::Quota};
//! # use tower::ServiceExt;
//! # fn request() -> Request<Body> {
//! #     Request::post("/v1/exports").header("x-test-tenant", "acme").body(Body::empty()).unwrap()
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let tests = TestAuthority::new();
//! # let authority = tests.authority();
//! # let tiers = authority.tiers();
//! const ONE_AT_ONCE: Quota = Quota::per_minute(60).burst(1).declare();
//!
//! # let policy = tiers.iter().fold(LimitPolicy::builder(tiers), |policy, tier| {
//! #     policy.tier("exports", tier.as_str(), Allowance::unlimited().rate(ONE_AT_ONCE))
//! # }).build()?;
//! let limits = Limits::builder(authority, policy).build()?;
//! let app = Router::new()
//!     .route("/v1/exports", post(async || "done"))
//!     .layer(LimitLayer::new(limits.resource("exports")?)) // inside the tenant's layer
//!     .layer(TenantLayer::new(authority).admit(TestAuthority::SOURCE));
//!
//! assert_eq!(app.clone().oneshot(request()).await?.status(), 200);
//!
//! let refused = app.oneshot(request()).await?;
//! assert_eq!(refused.status(), 429);
//! assert_eq!(refused.headers()["retry-after"], "1");
//! assert_eq!(refused.headers()["ratelimit-policy"], r#""60s";q=60;w=60"#);
//! assert_eq!(refused.headers()["ratelimit"], r#""60s";r=0;t=1"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Inside [`TenantLayer`](crate::TenantLayer), because it asks who is calling; a request that no tenant
//! layer has let in is refused. A permit is held until the body of the answer has ended or is dropped, and
//! where work outlives that, until the work has ended: see [`LimitLayer::lend_permit`].
//!
//! What goes out is in [`client`].

mod ambient;
mod body;
pub mod client;
mod deadline;
mod future;
mod headers;
mod idempotency;
mod layer;
mod pass;
mod service;

pub use self::{
    body::LimitBody,
    deadline::Deadline,
    future::ResponseFuture,
    idempotency::{IdempotencyKey, IdempotencyKeyError, InvalidIdempotencyKey},
    layer::LimitLayer,
    pass::Onward,
    service::LimitService,
};
