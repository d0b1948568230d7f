//! Tenant layers for HTTP and gRPC, server and client.
//!
//! [`TenantLayer`] lets in only requests whose tenant is verified, and runs handler and body in that
//! tenant's scope. [`TenantClientLayer`] lets out only calls that belong to a tenant, with a token
//! that proves it. Both are `tower` layers: the same one serves axum, tonic and every other stack.
//!
//! ```
//! # use tenantkit_core::test_util::TestAuthority;
//! # fn request(path: &str, tenant: Option<&str>) -> http::Request<axum::body::Body> {
//! #     let request = http::Request::get(path);
//! #     let request = tenant.into_iter().fold(request, |it, tenant| it.header("x-test-tenant", tenant));
//! #     request.body(axum::body::Body::empty()).unwrap()
//! # }
//! use axum::{Router, routing::get};
//! use tenantkit_core::TenantContext;
//! use tenantkit_grpc::TenantLayer;
//! use tower::ServiceExt;
//!
//! async fn whoami(tenant: TenantContext) -> String {
//!     tenant.tenant().to_string()
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let test = TestAuthority::new();
//! # let authority = test.authority();
//! let app = Router::new()
//!     .route("/v1/whoami", get(whoami))
//!     .layer(TenantLayer::new(authority).admit(TestAuthority::SOURCE)) // Source::Bearer, Source::TxnToken
//!     // What needs no tenant is routed outside the layer. There is no list of exempt paths.
//!     .route("/healthz", get(async || "ok"));
//!
//! let answer = app.clone().oneshot(request("/v1/whoami", Some("acme"))).await?;
//! assert_eq!(answer.status(), 200);
//!
//! let answer = app.clone().oneshot(request("/v1/whoami", None)).await?;
//! assert_eq!(answer.status(), 401);
//!
//! let answer = app.oneshot(request("/healthz", None)).await?;
//! assert_eq!(answer.status(), 200);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where the layers go
//!
//! - **Server.** Outside everything that works for a tenant, inside what does not: CORS (a preflight
//!   carries no identity and is answered outside), tracing, decompression limits. What needs no
//!   tenant is routed beside it.
//!   `Router::layer` puts it behind the routing. Around the whole router it costs less, and
//!   `axum::serve` then wants `ServiceBuilder::map_response(|it| it.map(Body::new))` outside it.
//! - **Client.** Outermost, so that a retry or a redirect below it belongs to the same tenant. Where
//!   redirects are followed, see [`TenantClientLayer::split`].
//!
//! A source that reads the path sees it as the layer does: below axum's `nest`, without the prefix.
//!
//! # Features
//!
//! None is on by default. `axum`: the context as an extractor, and the peer's address from
//! `ConnectInfo`. `tonic`: [`TenantLayer::named_layer`](server::TenantLayer),
//! `TenantRequestExt`, `IntoStatus`, and the peer's address from tonic's connections. `tokio`: a
//! body is cut on time that is idle or whose caller does not read. `tracing`: a span around each
//! request and each call that has `tenant.id` and `tenant.tier`. `limit`: the layers of [`limit`], on tokio.
//!
//! # gRPC and gRPC-Web
//!
//! A `POST` of content type `application/grpc*` is refused with a status; everything else, whatever it
//! says of its content, with an HTTP error. How an answer is cut is decided by the answer's own type.
//!
//! `application/grpc-web*` is refused as gRPC is, without a body, which that protocol allows. A body
//! that is cut ends in an error there, because the trailers of gRPC-Web stand in the body. With
//! `tonic-web` outside this layer all of it is plain gRPC.
//!
//! # WebSockets
//!
//! An upgraded connection runs in a task of its own, outside the scope of the request and not bound
//! by its deadline. Carry the context into it, with
//! [`TenantContext::scope`](tenantkit_core::TenantContext::scope), and close it when the context
//! expires.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod client;
mod error;
mod extract;
#[cfg(feature = "limit")]
pub mod limit;
mod protocol;
pub mod refusal;
pub mod server;
mod trace;

pub use client::TenantClientLayer;
pub use error::{BoxError, ClientError, Cut};
#[cfg(feature = "tonic")]
pub use extract::{IntoStatus, TenantRequestExt};
pub use server::{PeerInfo, TenantLayer};
