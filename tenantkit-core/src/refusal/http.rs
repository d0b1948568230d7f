//! A refusal as an HTTP answer: problem details, RFC 9457.
//!
//! ```
//! use tenantkit_core::{Door, Reason, Refusal};
//!
//! let answer = Refusal::new(Reason::NoIdentity, Door::Request).to_http();
//! assert_eq!(answer.status(), 401);
//! assert_eq!(answer.headers()["www-authenticate"], "Bearer");
//! assert_eq!(answer.headers()["content-type"], "application/problem+json");
//! assert_eq!(answer.headers()["cache-control"], "no-store");
//! ```

use http::{HeaderValue, Response, StatusCode, header};

use super::{Refusal, RefusalCode};

impl Refusal {
    /// The answer over HTTP. It is `no-store`, tells what the caller can do, and names no tenant.
    ///
    /// Its challenge, where it has one, is that of RFC 6750. A listener that admits other
    /// credentials replaces it.
    #[must_use]
    pub fn to_http(&self) -> Response<String> {
        let mut answer = Response::new(self.problem());
        *answer.status_mut() = StatusCode::from_u16(self.code().http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = answer.headers_mut();
        let problem = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, problem);
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let challenge = match self.code() {
            // RFC 6750, section 3.1: without credentials the challenge has no error code.
            RefusalCode::NoTenant => Some("Bearer"),
            RefusalCode::Unverified => Some(r#"Bearer error="invalid_token""#),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if let Some(secs) = self.retry_after_secs() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        answer
    }
}
