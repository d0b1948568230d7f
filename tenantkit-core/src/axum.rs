//! [`TenantContext`] as an axum extractor, and [`Refusal`] as an axum answer.
//!
//! A handler that asks for the context gets the one that the server layer verified. Where no layer
//! stands, nobody was verified, and the request is refused.
//!
//! ```
//! use axum_core::{extract::FromRequestParts, response::IntoResponse};
//! # use tenantkit_core::test_util::{TestAuthority, block_on};
//! use tenantkit_core::TenantContext;
//!
//! # let authority = TestAuthority::new();
//! // What the layer does:
//! let mut request = http::Request::new(());
//! request.extensions_mut().insert(authority.context("acme"));
//! let (mut verified, ()) = request.into_parts();
//! let tenant = block_on(TenantContext::from_request_parts(&mut verified, &())).unwrap();
//! assert_eq!(tenant.tenant(), "acme");
//!
//! let (mut unverified, ()) = http::Request::new(()).into_parts();
//! let refusal = block_on(TenantContext::from_request_parts(&mut unverified, &())).unwrap_err();
//! assert_eq!(refusal.into_response().status(), 401);
//! ```

use axum_core::{
    body::Body,
    extract::FromRequestParts,
    response::{IntoResponse, Response},
};
use http::request::Parts;

use crate::{Door, Reason, Refusal, TenantContext};

impl<S: Sync> FromRequestParts<S> for TenantContext {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let verified = parts.extensions.get::<Self>().cloned();
        verified.ok_or(Refusal::new(Reason::NoLayer, Door::Request))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.to_http().map(Body::from)
    }
}
