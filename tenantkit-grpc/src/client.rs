//! The client layer: a call that belongs to no tenant does not go out.
//!
//! It takes the context from the request's extensions where the caller put one there, else from the
//! scope that the call is made in, and sends the `txn-token` that proves it: the one that came in,
//! unmodified, or a fresh one.
//!
//! # What is refused
//!
//! A call outside any scope; one whose explicit context is not the scope's; one that brings an
//! identity header of its own; one to a host that was not [trusted](TenantClientLayer::trust); and
//! what every door refuses. Over gRPC a refusal is a local status, because tonic makes `UNKNOWN` of
//! an error; over HTTP it is a [`ClientError`](crate::ClientError), and never an answer that looks
//! like the peer's.
//!
//! ```
//! # use std::convert::Infallible;
//! # use http::{Request, Response};
//! # use tenantkit_core::test_util::{TestAuthority, block_on};
//! use tenantkit_core::RefusalCode;
//! use tenantkit_grpc::TenantClientLayer;
//! use tower::{ServiceExt, service_fn};
//!
//! # let test = TestAuthority::new();
//! # let (authority, client) = (test.authority(), service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new()))));
//! let client = TenantClientLayer::new(authority).trust("documents.internal:8080").layer(client);
//!
//! // Nobody's work:
//! let request = Request::get("http://documents.internal:8080/").body(String::new())?;
//! let refused = block_on(client.clone().oneshot(request)).unwrap_err();
//! assert_eq!(refused.refusal().unwrap().code(), RefusalCode::NoTenant);
//!
//! // A tenant's work, and a host that was not declared:
//! let request = Request::get("http://elsewhere.example/").body(String::new())?;
//! let refused = block_on(test.context("acme").scope(client.oneshot(request))?).unwrap_err();
//! assert_eq!(refused.refusal().unwrap().code(), RefusalCode::NotAllowed);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where it goes
//!
//! Outermost, above retries and buffers: it reads the scope when it is called. Never above anything
//! that follows redirects, which would take the token along to wherever it is sent: reqwest and
//! `tower-http` strip `authorization` there, and not `txn-token`. For that there is
//! [`TenantClientLayer::split`]; or tell the client to follow none.
//!
//! What a request streams is polled by the connection, outside every scope: a stream that works for the
//! tenant is wrapped in [`TenantContext::scope`](tenantkit_core::TenantContext::scope).

mod body;
mod future;
mod layer;
mod outbound;
mod redirect;
mod service;
mod span;
mod trust;

pub use body::ClientBody;
pub use future::ResponseFuture;
pub use layer::TenantClientLayer;
pub use redirect::{CaptureLayer, CaptureService, HopLayer};
pub use service::TenantClient;
