//! [`Deadline`]: when the caller gives up.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Response, header};
// A paused clock pauses deadlines as well.
use tokio::time::Instant;

use super::ambient;

const GRPC_TIMEOUT: &str = "grpc-timeout";

/// When the caller gives up.
///
/// [`LimitLayer`](super::LimitLayer) reads it from `grpc-timeout`, puts it into the request's extensions,
/// and keeps it at hand while handler and body are polled: a call that is made meanwhile through a
/// [`DeadlineLayer`](super::client::DeadlineLayer) or a [`RetryLayer`](super::client::RetryLayer) goes
/// out with what remains of it. A task that is spawned does not have it: there, put it into the
/// extensions of the call, as for a deadline of your own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// So long from now; one that is too far off to be told is none.
    #[must_use]
    pub fn after(timeout: Duration) -> Option<Self> {
        Instant::now().checked_add(timeout).map(Self)
    }

    /// That of the request that is being worked for, if it has one.
    #[must_use]
    pub fn current() -> Option<Self> {
        ambient::current()
    }

    /// How long until then; zero once it is over.
    #[must_use]
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// The sooner of two.
    pub(super) fn sooner(one: Option<Self>, other: Option<Self>) -> Option<Self> {
        one.into_iter().chain(other).min_by_key(|deadline| deadline.0)
    }

    /// What the caller said, where it said it in the form of the gRPC protocol over HTTP/2 (`Timeout`).
    /// Anything else is no deadline: the worst that follows is that it waits as long as others do.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        headers.get(GRPC_TIMEOUT).and_then(parse).and_then(Self::after)
    }
}

/// `DEADLINE_EXCEEDED`, for work that was not begun.
pub(super) fn exceeded<B: Default>(content_type: HeaderValue) -> Response<B> {
    const MESSAGE: &str = "the deadline had passed before it was begun";
    let mut answer = Response::new(B::default());
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(HeaderName::from_static("grpc-status"), HeaderValue::from_static("4"));
    headers.insert(HeaderName::from_static("grpc-message"), HeaderValue::from_static(MESSAGE));
    answer
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

/// In the finest unit that has room for it, rounded down: never longer than it is.
pub(super) fn write(timeout: Duration) -> String {
    const MOST: u128 = 99_999_999;
    let units = [
        ('n', timeout.as_nanos()),
        ('u', timeout.as_micros()),
        ('m', timeout.as_millis()),
        ('S', timeout.as_secs().into()),
        ('M', (timeout.as_secs() / 60).into()),
    ];
    let fits = units.into_iter().find(|(_, number)| *number <= MOST);
    let (unit, number) = fits.unwrap_or(('H', MOST.min((timeout.as_secs() / 3_600).into())));
    format!("{number}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeout_is_written_as_it_is_read_and_never_longer() {
        for (timeout, written) in [
            (Duration::from_nanos(1), "1n"),
            (Duration::from_nanos(99_999_999), "99999999n"),
            (Duration::from_nanos(100_000_999), "100000u"),
            (Duration::from_secs(99), "99000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_000), "1666666M"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(write(timeout), written);
            assert!(parse(&written.parse().unwrap()).unwrap() <= timeout, "{written}");
        }
    }

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
