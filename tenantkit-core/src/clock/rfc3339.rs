//! [`UnixTime`] as text: RFC 3339, section 5.6.

use std::fmt;

use super::UnixTime;

/// 9999-12-31T23:59:59.999Z: RFC 3339 has four digits for the year.
const LAST_MILLIS: u64 = 253_402_300_799_999;

const DAY_SECS: u64 = 86_400;

impl fmt::Display for UnixTime {
    /// RFC 3339 in UTC, to the millisecond. A time after the year 9999 shows as the end of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.as_millis().min(LAST_MILLIS);
        let (secs, millis) = (millis / 1000, millis % 1000);
        let (days, secs) = (secs / DAY_SECS, secs % DAY_SECS);
        let (year, month, day) = civil(days);
        let (hour, minute, second) = (secs / 3600, secs / 60 % 60, secs % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

/// The date so many days after 1970-01-01: Howard Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms", `civil_from_days`, for days that are not before the epoch. Its years begin in March.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let january_or_february = (month <= 2) as u64;
    (era * 400 + year + january_or_february, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_read_as_the_calendar_says() {
        for (secs, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (951_868_799, "2000-02-29T23:59:59.000Z"),
            (951_868_800, "2000-03-01T00:00:00.000Z"),
            (4_107_542_399, "2100-02-28T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
            (1_800_000_000, "2027-01-15T08:00:00.000Z"),
        ] {
            assert_eq!(UnixTime::from_secs(secs).to_string(), text);
        }
        assert_eq!(UnixTime::from_millis(1).to_string(), "1970-01-01T00:00:00.001Z");
        assert_eq!(UnixTime::MAX.to_string(), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn every_day_of_eight_centuries_follows_the_one_before() {
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..365 * 800 {
            assert_eq!(civil(days), (year, month, day));
            let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 if leap => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > length {
                (month, day) = (month + 1, 1);
            }
            if month > 12 {
                (year, month) = (year + 1, 1);
            }
        }
    }
}
