//! `Retry-After`, RFC 9110, section 10.2.3.

use std::time::Duration;

use http::{HeaderMap, HeaderName, header};
use tenantkit_core::UnixTime;

/// How long the peer wants waited: seconds, or a date. A date counts from the peer's own `Date`, where
/// it says one, so that clocks that disagree do no harm.
pub(super) fn read(headers: &HeaderMap, now: UnixTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|it| it.is_ascii_digit()) {
        // One that overflows is longer than anybody waits.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let until = date(value)?;
    let from = header_date(headers, header::DATE).unwrap_or(now);
    Some(until.since(from))
}

fn header_date(headers: &HeaderMap, name: HeaderName) -> Option<UnixTime> {
    date(headers.get(name)?.to_str().ok()?)
}

fn date(text: &str) -> Option<UnixTime> {
    httpdate::parse_http_date(text).ok().map(UnixTime::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(784_111_777); // Sun, 06 Nov 1994 08:49:37 GMT

    fn told(value: &'static str, date: Option<&'static str>) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", value.parse().unwrap());
        date.map(|it| headers.insert("date", it.parse().unwrap()));
        read(&headers, NOW).map(|it| it.as_secs())
    }

    #[test]
    fn seconds_and_dates_of_every_form_are_read_and_nothing_is_guessed() {
        assert_eq!(told("120", None), Some(120));
        assert_eq!(told("0", None), Some(0));
        assert_eq!(told("99999999999999999999999", None), Some(u64::MAX));
        for date in [
            "Sun, 06 Nov 1994 08:50:37 GMT",
            "Sunday, 06-Nov-94 08:50:37 GMT",
            "Sun Nov  6 08:50:37 1994",
        ] {
            assert_eq!(told(date, None), Some(60), "{date}");
        }
        assert_eq!(told("Sun, 06 Nov 1994 08:00:00 GMT", None), Some(0));
        for wrong in ["", "-1", "1.5", "soon", "1s", "+1"] {
            assert_eq!(told(wrong, None), None, "{wrong:?}");
        }
        assert_eq!(read(&HeaderMap::new(), NOW), None);
    }

    #[test]
    fn a_date_counts_from_the_peers_own_clock() {
        let peers = "Sun, 06 Nov 1994 09:49:37 GMT";
        assert_eq!(told("Sun, 06 Nov 1994 09:49:47 GMT", Some(peers)), Some(10));
    }
}
