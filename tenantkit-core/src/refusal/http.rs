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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Door, Reason};

    #[test]
    fn an_answer_is_not_stored_and_says_what_the_table_says() {
        for reason in Reason::ALL {
            let refusal = Refusal::new(*reason, Door::Request);
            let answer = refusal.to_http();
            let header = |name| answer.headers().get(name).map(HeaderValue::as_bytes);
            assert_eq!(answer.status(), refusal.code().http_status());
            assert_eq!(header(header::CONTENT_TYPE), Some(&b"application/problem+json"[..]));
            assert_eq!(header(header::CACHE_CONTROL), Some(&b"no-store"[..]));
            let challenge = match refusal.code() {
                RefusalCode::NoTenant => Some(&b"Bearer"[..]),
                RefusalCode::Unverified => Some(&br#"Bearer error="invalid_token""#[..]),
                _ => None,
            };
            assert_eq!(header(header::WWW_AUTHENTICATE), challenge, "{reason}");
            let wait = refusal.code().is_transient().then_some(&b"1"[..]);
            assert_eq!(header(header::RETRY_AFTER), wait, "{reason}");
            assert_eq!(*answer.body(), refusal.problem());
        }
        let wait =
            Refusal::new(Reason::RateExceeded, Door::Permit).retry_after(Duration::from_secs(7));
        assert_eq!(wait.to_http().headers()[header::RETRY_AFTER], "7");
    }
}
