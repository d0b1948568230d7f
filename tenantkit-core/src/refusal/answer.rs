//! What a refusal is in HTTP and gRPC: the one table of codes, and the texts that go with it.
//!
//! ```
//! use std::time::Duration;
//! use tenantkit_core::{Door, Reason, Refusal};
//!
//! let refusal = Refusal::new(Reason::LoadShed, Door::Request).retry_after(Duration::from_millis(1200));
//! assert_eq!(refusal.code().http_status(), 503);
//! assert_eq!(refusal.code().grpc_code(), 14); // UNAVAILABLE
//! assert_eq!(refusal.retry_after_secs(), Some(2));
//! ```

use std::time::Duration;

use super::{Refusal, RefusalCode};

impl RefusalCode {
    /// The status of the HTTP answer.
    #[must_use]
    pub const fn http_status(self) -> u16 {
        match self {
            Self::NoTenant | Self::Unverified => 401,
            Self::Mismatch | Self::NotAllowed | Self::Suspended => 403,
            Self::RateLimited | Self::TooManyInFlight => 429,
            Self::Overloaded | Self::CircuitOpen | Self::Moving => 503,
        }
    }

    /// The number of the gRPC status.
    #[must_use]
    pub const fn grpc_code(self) -> i32 {
        match self {
            Self::NoTenant | Self::Unverified => 16, // UNAUTHENTICATED
            Self::Mismatch | Self::NotAllowed | Self::Suspended => 7, // PERMISSION_DENIED
            Self::RateLimited | Self::TooManyInFlight => 8, // RESOURCE_EXHAUSTED
            Self::Overloaded | Self::CircuitOpen | Self::Moving => 14, // UNAVAILABLE
        }
    }

    /// Its `type` in a problem document, RFC 9457.
    #[must_use]
    pub const fn urn(self) -> &'static str {
        match self {
            Self::NoTenant => "urn:tenantkit:no-tenant",
            Self::Unverified => "urn:tenantkit:unverified",
            Self::Mismatch => "urn:tenantkit:mismatch",
            Self::NotAllowed => "urn:tenantkit:not-allowed",
            Self::Suspended => "urn:tenantkit:suspended",
            Self::RateLimited => "urn:tenantkit:rate-limited",
            Self::TooManyInFlight => "urn:tenantkit:too-many-in-flight",
            Self::Overloaded => "urn:tenantkit:overloaded",
            Self::CircuitOpen => "urn:tenantkit:circuit-open",
            Self::Moving => "urn:tenantkit:moving",
        }
    }

    /// Its `title` in a problem document.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::NoTenant => "No tenant",
            Self::Unverified => "Identity not verified",
            Self::Mismatch => "Identities disagree",
            Self::NotAllowed => "Not allowed",
            Self::Suspended => "Tenant suspended",
            Self::RateLimited => "Rate limited",
            Self::TooManyInFlight => "Too much under way",
            Self::Overloaded => "Overloaded",
            Self::CircuitOpen => "Dependency failing",
            Self::Moving => "Tenant being moved",
        }
    }

    /// Whether the same may pass after a wait.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self.http_status(), 429 | 503)
    }
}

impl Refusal {
    /// How long the answer tells the caller to wait: what the door said, or a second where waiting
    /// helps and the door did not say; `None` where waiting does not help.
    #[must_use]
    pub fn advised_wait(&self) -> Option<Duration> {
        self.wait().or(self.code().is_transient().then_some(Duration::from_secs(1)))
    }

    /// The same in whole seconds, rounded up and at least one, as `Retry-After` wants it.
    #[must_use]
    pub fn retry_after_secs(&self) -> Option<u64> {
        let wait = self.advised_wait()?;
        let begun = u64::from(wait.subsec_nanos() > 0);
        Some(wait.as_secs().saturating_add(begun).max(1))
    }

    /// The answer's body: problem details as JSON, RFC 9457.
    #[must_use]
    pub fn problem(&self) -> String {
        let (code, reason) = (self.code(), self.reason());
        // All of it is fixed text without anything that JSON would want escaped.
        format!(
            r#"{{"type":"{}","title":"{}","status":{},"detail":"{}. {}","reason":"{}"}}"#,
            code.urn(),
            code.title(),
            code.http_status(),
            capitalised(reason),
            reason.advice(),
            reason.as_str(),
        )
    }
}

fn capitalised(reason: super::Reason) -> String {
    let text = reason.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Door, Reason};

    #[test]
    fn every_problem_document_is_json_with_what_the_caller_can_do() {
        for reason in Reason::ALL {
            let problem = Refusal::new(*reason, Door::Request).problem();
            let json: serde_json::Value = serde_json::from_str(&problem)
                .unwrap_or_else(|error| panic!("{reason:?}: {error}"));
            assert_eq!(json["status"], reason.code().http_status());
            assert_eq!(json["type"], format!("urn:tenantkit:{}", reason.code()));
            assert_eq!(json["reason"], reason.as_str());
            let detail = json["detail"].as_str().unwrap();
            assert!(detail.ends_with(reason.advice()), "{reason}");
            assert_eq!(
                detail[1..detail.len() - reason.advice().len()],
                reason.to_string()[1..].to_owned() + ". "
            );
            assert!(detail.starts_with(char::is_uppercase), "{detail}");
        }
    }

    #[test]
    fn every_code_has_the_answers_of_the_table() {
        use RefusalCode as Code;
        const UNAUTHENTICATED: i32 = 16;
        const PERMISSION_DENIED: i32 = 7;
        const RESOURCE_EXHAUSTED: i32 = 8;
        const UNAVAILABLE: i32 = 14;
        for code in Code::ALL {
            let (http, grpc, transient) = match code {
                Code::NoTenant | Code::Unverified => (401, UNAUTHENTICATED, false),
                Code::Mismatch | Code::NotAllowed | Code::Suspended => {
                    (403, PERMISSION_DENIED, false)
                }
                Code::RateLimited | Code::TooManyInFlight => (429, RESOURCE_EXHAUSTED, true),
                Code::Overloaded | Code::CircuitOpen | Code::Moving => (503, UNAVAILABLE, true),
            };
            assert_eq!((code.http_status(), code.grpc_code()), (http, grpc), "{code}");
            assert_eq!(
                (code.is_transient(), code.title().is_empty()),
                (transient, false),
                "{code}"
            );
            assert_eq!(code.urn(), format!("urn:tenantkit:{}", code.as_str()));
        }
    }

    #[test]
    fn a_wait_is_told_in_whole_seconds_and_never_zero() {
        let refusal = Refusal::new(Reason::LoadShed, Door::Request);
        let told = |millis| refusal.retry_after(Duration::from_millis(millis)).retry_after_secs();
        assert_eq!(
            [told(0), told(1), told(1000), told(1001)],
            [Some(1), Some(1), Some(1), Some(2)]
        );
        assert_eq!(refusal.retry_after_secs(), Some(1));
        assert_eq!(Refusal::new(Reason::Expired, Door::Request).retry_after_secs(), None);
    }
}
