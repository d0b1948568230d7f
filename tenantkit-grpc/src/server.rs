//! The server layer: who is not verified does not come in.
//!
//! One layer for HTTP and gRPC, unary and streaming. It reads every identity that a request carries,
//! puts the [`TenantContext`](tenantkit_core::TenantContext) into the request's extensions, and runs
//! the handler, and the body that it answers with, in the tenant's scope. It refuses in the protocol
//! that the request speaks: problem details over HTTP, a status with `google.rpc` details over gRPC.
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tenantkit_core::test_util::{TestAuthority, block_on};
//! use tenantkit_core::TenantContext;
//! use tenantkit_grpc::TenantLayer;
//! use tower::{ServiceExt, service_fn};
//!
//! # let test = TestAuthority::new();
//! # let authority = test.authority();
//! let service = TenantLayer::new(authority)
//!     .admit(TestAuthority::SOURCE) // Source::Bearer, Source::TxnToken
//!     .layer(service_fn(async |_request: Request<String>| {
//!         let tenant = TenantContext::with_current(|it| it.map(|it| it.tenant().to_string()));
//!         Ok::<_, Infallible>(Response::new(tenant.unwrap_or_default()))
//!     }));
//!
//! let verified = Request::builder().header("x-test-tenant", "acme").body(String::new())?;
//! assert_eq!(block_on(service.clone().oneshot(verified))?.status(), 200);
//!
//! let nobody = Request::new(String::new());
//! let refused = block_on(service.clone().oneshot(nobody))?;
//! assert_eq!(refused.status(), 401);
//! assert_eq!(refused.headers()["content-type"], "application/problem+json");
//!
//! let nobody = Request::post("/acmedocs.v1.Documents/Get").header("content-type", "application/grpc");
//! let nobody = nobody.body(String::new())?;
//! let refused = block_on(service.oneshot(nobody))?;
//! assert_eq!(refused.status(), 200);
//! assert_eq!(refused.headers()["grpc-status"], "16"); // UNAUTHENTICATED
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # When the context expires, or its tenant is suspended
//!
//! A handler that is at work may finish, and its body goes on for the authority's
//! [grace](tenantkit_core::Authority::grace); then no frame passes ([`TenantBody`]), and with the
//! feature `tokio` it is dropped whether or not the caller reads. What the caller uploads is cut alike,
//! where the request's body is axum's or tonic's and the feature of that name is on.
//!
//! # What is not looked at
//!
//! Identity is read from the head of a request and nowhere else: trailers are never identity, and
//! nothing waits for them. No method is exempt, `OPTIONS` and `CONNECT` included.

mod ahead;
#[cfg(any(feature = "axum", feature = "tonic"))]
mod alarm;
mod body;
mod deadline;
mod flight;
mod future;
mod host;
mod layer;
mod peer;
mod service;
mod span;
mod upload;
mod waiting;
mod watched;

pub use body::TenantBody;
pub use future::ResponseFuture;
pub use layer::TenantLayer;
pub use peer::PeerInfo;
pub use service::TenantService;
