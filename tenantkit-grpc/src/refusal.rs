//! A [`Refusal`] as each protocol's own answer. The table of codes is in core
//! ([`RefusalCode::http_status`], [`RefusalCode::grpc_code`]); here is what surrounds the number.
//!
//! ```
//! use tenantkit_core::{Door, Reason, Refusal};
//! use tenantkit_grpc::refusal::grpc_headers;
//!
//! let refusal = Refusal::new(Reason::RateExceeded, Door::Permit);
//! assert_eq!(refusal.to_http().status(), 429);
//!
//! // On a gRPC route the HTTP status is 200, and this is the refusal:
//! let headers = grpc_headers(&refusal);
//! assert_eq!(headers["grpc-status"], "8"); // RESOURCE_EXHAUSTED
//! assert!(headers.contains_key("grpc-status-details-bin"));
//! ```
//!
//! [`Refusal`]: tenantkit_core::Refusal
//! [`RefusalCode::http_status`]: tenantkit_core::RefusalCode::http_status
//! [`RefusalCode::grpc_code`]: tenantkit_core::RefusalCode::grpc_code

mod details;
mod grpc;
mod http;

pub(crate) use self::http::{Challenge, http_answer};
pub(crate) use grpc::{grpc_answer, grpc_trailers};
pub use grpc::{grpc_details, grpc_headers, grpc_message};
