//! Wall-clock time as it stands in a record: RFC 3339, UTC, nanoseconds, always 30 bytes. It informs and never orders.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970-01-01T00:00:00Z. Times before 1970 are taken as 1970; the last is in the year 2554.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(pub u64);

const SECOND: u64 = 1_000_000_000;
const DAY_SECONDS: u64 = 86_400;

/// How many bytes a time takes in a record.
pub(crate) const TEXT: usize = 30;

impl Wall {
    /// The system clock's.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Reads what [`Self::text`] writes. `None` for another form, another day than the calendar has, or a time beyond this type.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if !is_time(bytes) {
            return None;
        }
        let part = |from: usize, to: usize| bytes[from..to].iter().fold(0, |sum, b| sum * 10 + u64::from(*b - b'0'));
        let day = day_of(part(0, 4), part(5, 7), part(8, 10))?;
        let (hour, minute, second) = (part(11, 13), part(14, 16), part(17, 19));
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let seconds = day * DAY_SECONDS + hour * 3600 + minute * 60 + second;
        seconds.checked_mul(SECOND)?.checked_add(part(20, 29)).map(Self)
    }

    /// The day in UTC: `2026-11-07`.
    pub fn date(self) -> String {
        String::from_utf8_lossy(&self.text()[..10]).into_owned()
    }

    /// Days since 1970-01-01: segments are rolled when it rises.
    pub(crate) fn day(self) -> u64 {
        self.0 / SECOND / DAY_SECONDS
    }

    /// `2026-11-07T00:05:00.123456789Z`.
    pub(crate) fn text(self) -> [u8; TEXT] {
        let (year, month, day) = civil(self.day());
        let of_day = self.0 / SECOND % DAY_SECONDS;
        let mut out = *b"0000-00-00T00:00:00.000000000Z";
        digits(&mut out[0..4], year);
        digits(&mut out[5..7], month);
        digits(&mut out[8..10], day);
        digits(&mut out[11..13], of_day / 3600);
        digits(&mut out[14..16], of_day / 60 % 60);
        digits(&mut out[17..19], of_day % 60);
        digits(&mut out[20..29], self.0 % SECOND);
        out
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.text()).unwrap_or_default())
    }
}

fn digits(out: &mut [u8], mut number: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
    }
}

/// Year, month and day of a day number, by counting in 400-year spans from 0000-03-01, where a leap day ends its year.
fn civil(day: u64) -> (u64, u64, u64) {
    const SPAN: u64 = 146_097;
    let shifted = day + 719_468;
    let in_span = shifted % SPAN;
    let year_of_span = (in_span - in_span / 1_460 + in_span / 36_524 - in_span / 146_096) / 365;
    let in_year = in_span - (365 * year_of_span + year_of_span / 4 - year_of_span / 100);
    let from_march = (5 * in_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = shifted / SPAN * 400 + year_of_span + u64::from(month <= 2);
    (year, month, in_year - (153 * from_march + 2) / 5 + 1)
}

/// The number of a day from 1970 on, if the calendar has it.
fn day_of(year: u64, month: u64, day: u64) -> Option<u64> {
    if year < 1970 || !(1..=12).contains(&month) || day == 0 {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let in_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let number = shifted * 365 + shifted / 4 - shifted / 100 + shifted / 400 + in_year - 719_468;
    (civil(number) == (year, month, day)).then_some(number)
}

/// Whether a text is a day of the calendar, as `2026-11-07`.
pub(crate) fn is_date(text: &str) -> bool {
    text.len() == 10 && Wall::parse(&format!("{text}T00:00:00.000000000Z")).is_some()
}

/// Whether these bytes have a time's shape (not whether the day exists: times inform only).
pub(crate) fn is_time(text: &[u8]) -> bool {
    const SHAPE: &[u8; TEXT] = b"0000-00-00T00:00:00.000000000Z";
    text.len() == TEXT
        && text
            .iter()
            .zip(SHAPE)
            .all(|(byte, shape)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    #[test]
    fn every_day_reads_as_the_calendar_says() {
        for day in (0..200_000u64).step_by(13).chain([0, 59, 60, 11_016, 11_017, 47_540, 47_541]) {
            let nanos = day * DAY_SECONDS * SECOND + 86_399 * SECOND + 1;
            let known = jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap();
            assert_eq!(Wall(nanos).to_string(), format!("{known:.9}"));
            assert!(is_time(&Wall(nanos).text()));
            assert_eq!(Wall::parse(&Wall(nanos).to_string()), Some(Wall(nanos)));
        }
    }

    #[test]
    fn a_time_that_no_clock_shows_is_none() {
        for text in [
            "2026-02-29T00:00:00.000000000Z",
            "2026-13-01T00:00:00.000000000Z",
            "2026-00-01T00:00:00.000000000Z",
            "2026-01-00T00:00:00.000000000Z",
            "2026-01-01T24:00:00.000000000Z",
            "2026-01-01T00:60:00.000000000Z",
            "2026-01-01T00:00:60.000000000Z",
            "1969-12-31T23:59:59.000000000Z",
            "2999-01-01T00:00:00.000000000Z",
            "2026-01-01 00:00:00.000000000Z",
            "2026-01-01T00:00:00Z",
        ] {
            assert_eq!(Wall::parse(text), None, "{text}");
        }
        assert!(is_date("2024-02-29") && !is_date("2026-02-29") && !is_date("2026-2-9"));
    }
}
