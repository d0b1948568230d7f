//! [`Deadline`]: when the caller gives up.

use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue};

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// When the caller gives up. [`LimitLayer`](super::LimitLayer) reads it from `grpc-timeout` and puts it
/// into the request's extensions; a call made for that request carries it on when it is put into the
/// call's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now; one that is too far off to be told is none.
    #[must_use]
    pub fn after(timeout: Duration) -> Option<Self> {
        Instant::now().checked_add(timeout).map(Self)
    }

    /// How long until then; zero once it is over.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// What the caller said, where it said it in the form of the gRPC protocol over HTTP/2 (`Timeout`).
    /// Anything else is no deadline: the worst that follows is that it waits as long as others do.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(GRPC_TIMEOUT).and_then(parse).and_then(Self::after)
    }
}

/// At most 8 digits and a unit.
fn parse(value: &HeaderValue) -> Option<Duration> {
    let (digits, unit) = value.as_bytes().split_last_chunk::<1>()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    Some(match unit {
        b"H" => Duration::from_secs(number * 3_600),
        b"M" => Duration::from_secs(number * 60),
        b"S" => Duration::from_secs(number),
        b"m" => Duration::from_millis(number),
        b"u" => Duration::from_micros(number),
        b"n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_read_as_the_protocol_writes_it_and_not_guessed() {
        let read = |text| parse(&HeaderValue::from_static(text));
        assert_eq!(read("1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999u"), Some(Duration::from_micros(99_999_999)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
        for wrong in ["", "S", "1", "1s", "-1S", "1.5S", "100000000S", " 1S", "1SS"] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }
}
