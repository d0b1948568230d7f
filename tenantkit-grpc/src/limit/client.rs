//! What goes out, kept within bounds: a dependency that fails is not called, what may be sent again is
//! sent again within a tenant's budget, and nothing is sent for a caller who has given up.
//!
//! ```
//! # use std::{convert::Infallible, sync::{Arc, atomic::{AtomicU32, Ordering}}};
//! # use axum::body::Body;
//! # use http::{Request, Response};
//! # use tenantkit_core::test_util::TestAuthority;
//! use tenantkit_grpc::limit::client::{BreakerLayer, RetryLayer};
//! use tenantkit_limit::{breaker::{Breaker, BreakerPolicy}, retry::{RetryBudget, RetryPolicy}};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?.block_on(async {
//! # let tests = TestAuthority::new();
//! # let authority = tests.authority();
//! # let called = Arc::new(AtomicU32::new(0));
//! # let count = Arc::clone(&called);
//! // Busy the first time, and well the second.
//! let search = service_fn(move |_: Request<Body>| {
//!     let status = if count.fetch_add(1, Ordering::Relaxed) == 0 { 503 } else { 200 };
//!     async move { Ok::<_, Infallible>(Response::builder().status(status).body(Body::empty()).unwrap()) }
//! });
//!
//! let clock = Arc::clone(authority.clock());
//! let budget = Arc::new(RetryBudget::builder().build(Arc::clone(&clock))?);
//! let breaker = Breaker::new(BreakerPolicy::default(), clock);
//! let search = ServiceBuilder::new()
//!     .layer(RetryLayer::new(authority, RetryPolicy::default(), budget))
//!     .layer(BreakerLayer::new(authority, breaker))
//!     // .layer(TenantClientLayer::new(authority).trust("search.internal"))
//!     .service(search);
//!
//! let request = Request::get("http://search.internal/?q=rust").body(Body::empty())?;
//! let answer = tests.context("acme").scope(search.oneshot(request))?.await?;
//! assert_eq!(answer.status(), 200);
//! # assert_eq!(called.load(Ordering::Relaxed), 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where they go
//!
//! From the outside in:
//!
//! 1. [`RetryLayer`]: it keeps whose call it is, and every attempt is made in that tenant's scope.
//! 2. [`DeadlineLayer`], where there is no [`RetryLayer`], which does the same.
//! 3. [`BreakerLayer`]: so that it learns of each attempt, and an open circuit ends them.
//! 4. [`TenantClientLayer`](crate::TenantClientLayer): so that each attempt is checked anew, and has a
//!    token that is good.
//!
//! With a [split](crate::TenantClientLayer::split) layer its first part goes outermost, and its second
//! innermost.
//!
//! # What is refused here
//!
//! What belongs to no tenant, and what a circuit is open for: over gRPC as a local status with a
//! `RetryInfo`, over HTTP as [`ClientError::Refused`](crate::ClientError::Refused). A call whose deadline
//! has passed: `DEADLINE_EXCEEDED`, or
//! [`ClientError::DeadlineExceeded`](crate::ClientError::DeadlineExceeded). None of it is an answer that
//! looks like the peer's, none counts as a failure of the peer, and none is sent again.

mod attempt;
mod breaker;
mod breaker_body;
mod caller;
mod deadline;
mod ending;
mod judge;
mod local;
mod outgoing;
mod replay;
mod retry;
mod retry_after;
mod retry_body;
mod retry_info;
mod watch;

pub use self::{
    breaker::{BreakerFuture, BreakerLayer, BreakerService},
    breaker_body::BreakerBody,
    deadline::{DeadlineFuture, DeadlineLayer, DeadlineService},
    ending::{Ending, Verdict},
    replay::ReplayBody,
    retry::{RetryFuture, RetryLayer, RetryService},
    retry_body::RetryBody,
};
