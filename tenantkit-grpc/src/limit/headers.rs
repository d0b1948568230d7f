//! `RateLimit` and `RateLimit-Policy`, of draft-ietf-httpapi-ratelimit-headers-10 (2025): how a tenant
//! stands, as structured fields.

use std::{fmt::Write as _, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use tenantkit_limit::limits::Standings;

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Tells how a tenant stands: nothing, where its rate is not limited. A window is named by its length.
pub(super) fn tell(standings: &Standings, headers: &mut HeaderMap) {
    let (mut policy, mut limit) = (String::new(), String::new());
    for standing in standings.iter() {
        let window = whole_secs(standing.window.period());
        let between = if policy.is_empty() { "" } else { ", " };
        let (quota, remaining) = (standing.window.count(), standing.remaining);
        let full_after = whole_secs(standing.full_after);
        // A `String` takes what is written to it.
        let _ = write!(policy, r#"{between}"{window}s";q={quota};w={window}"#);
        let _ = write!(limit, r#"{between}"{window}s";r={remaining};t={full_after}"#);
    }
    for (name, value) in [(RATE_LIMIT_POLICY, policy), (RATE_LIMIT, limit)] {
        if !value.is_empty()
            && let Ok(value) = HeaderValue::try_from(value)
        {
            headers.insert(name, value);
        }
    }
}

/// Rounded up, so that nobody comes too early.
fn whole_secs(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}
