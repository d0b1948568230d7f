//! [`Ending`]: how a call ended, and what is made of it.

use std::error::Error;

use http::{HeaderMap, StatusCode};

/// How a call ended, as far as the dependency had a part in it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Ending<'a> {
    /// With an answer over HTTP.
    Http(StatusCode),
    /// With a status of gRPC, by its number. An answer that ends without one is `UNKNOWN`, 2.
    Grpc(i32),
    /// Without an answer, or with one that broke off.
    Broken(&'a (dyn Error + 'static)),
    /// It was given up before there was an answer, after its deadline, or after longer than a call
    /// [may take](super::BreakerLayer::too_slow_after).
    TooSlow,
}

/// What the ending of a call says about the dependency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Succeeded,
    /// It fails.
    Failed,
    /// Nothing.
    SaysNothing,
}

impl Ending<'_> {
    /// What is made of it if nobody says otherwise. A failure is an error of the transport, what was
    /// too slow, a 5xx but for 501, and of gRPC `UNKNOWN` (an exception that nobody caught),
    /// `DEADLINE_EXCEEDED`, `INTERNAL` and `UNAVAILABLE`. `CANCELLED` says nothing. Everything else
    /// shows that the dependency works: a 429 or `RESOURCE_EXHAUSTED` is about what the caller asks
    /// for.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let failed = match self {
            Self::Http(status) => {
                status.is_server_error() && *status != StatusCode::NOT_IMPLEMENTED
            }
            Self::Grpc(1) => return Verdict::SaysNothing,
            Self::Grpc(code) => matches!(code, 2 | 4 | 13 | 14),
            Self::Broken(_) | Self::TooSlow => true,
        };
        if failed { Verdict::Failed } else { Verdict::Succeeded }
    }
}

/// The status in the head of an answer without a message, or in trailers. One that cannot be read is
/// `UNKNOWN`, as it is for stock clients.
pub(super) fn grpc_status(headers: &HeaderMap) -> Option<i32> {
    let status = headers.get("grpc-status")?;
    Some(status.to_str().ok().and_then(|it| it.parse().ok()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_is_the_dependencys_fault_and_what_is_refused_the_callers() {
        let verdict = |code| Ending::Http(StatusCode::from_u16(code).unwrap()).verdict();
        for failed in [500, 502, 503, 504] {
            assert_eq!(verdict(failed), Verdict::Failed, "{failed}");
        }
        for succeeded in [200, 304, 400, 401, 404, 429, 501] {
            assert_eq!(verdict(succeeded), Verdict::Succeeded, "{succeeded}");
        }
        for code in 0..=16 {
            let expected = match code {
                1 => Verdict::SaysNothing,
                2 | 4 | 13 | 14 => Verdict::Failed,
                _ => Verdict::Succeeded,
            };
            assert_eq!(Ending::Grpc(code).verdict(), expected, "{code}");
        }
        assert_eq!(Ending::Broken(&std::fmt::Error).verdict(), Verdict::Failed);
    }
}
