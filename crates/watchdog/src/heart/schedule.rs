//! When a check-in is expected: a period after the last one, or a cron expression in a time zone.

use super::time::Wall;
use jiff::civil;
use jiff::tz::TimeZone;
use std::collections::BTreeSet;
use std::str::FromStr;

/// A cron expression: minute, hour, day of the month, month, day of the week. `*`, lists, ranges, steps, names of months and
/// days, and `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
///
/// As in cron: where both days are restricted, either matches. A local time that daylight saving skips is expected at the
/// instant of the change; one that comes twice, the first time (so no run is missed and none is expected twice). A schedule
/// whose hour is `*` follows the clock on the wall: it goes on every hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    text: String,
    minutes: BTreeSet<i8>,
    hours: BTreeSet<i8>,
    days: BTreeSet<i8>,
    months: BTreeSet<i8>,
    weekdays: BTreeSet<i8>,
    any_day: bool,
    any_weekday: bool,
    any_hour: bool,
}

/// Why a text is no cron expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronError {
    /// Not five fields.
    #[error("a cron expression has five fields (minute hour day month weekday), like \"0 3 * * *\"; this one has {0}")]
    Fields(usize),
    /// A field has something else in it.
    #[error(
        "the {field} of the cron expression is \"{text}\"; possible are {from} to {to}, `*`, lists, ranges and steps like */5"
    )]
    Field {
        /// Which.
        field: &'static str,
        /// What is there.
        text: String,
        /// The least.
        from: i8,
        /// The greatest.
        to: i8,
    },
    /// No day ever matches.
    #[error("no day matches the cron expression \"{0}\"")]
    Never(String),
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Days looked ahead: 29 February on a given weekday comes at least once in 40 years.
const DAYS_AHEAD: u32 = 366 * 41;

impl FromStr for Cron {
    type Err = CronError;

    fn from_str(text: &str) -> Result<Self, CronError> {
        let text = text.trim();
        let expanded = match text {
            "@hourly" => "0 * * * *",
            "@daily" | "@midnight" => "0 0 * * *",
            "@weekly" => "0 0 * * 0",
            "@monthly" => "0 0 1 * *",
            "@yearly" | "@annually" => "0 0 1 1 *",
            other => other,
        };
        let fields: Vec<&str> = expanded.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(CronError::Fields(fields.len()));
        };
        let cron = Self {
            text: text.to_owned(),
            minutes: field("minute", minute, 0, 59, &[])?,
            hours: field("hour", hour, 0, 23, &[])?,
            days: field("day", day, 1, 31, &[])?,
            months: field("month", month, 1, 12, &MONTHS)?,
            // 7 is Sunday too.
            weekdays: field("weekday", weekday, 0, 7, &WEEKDAYS)?.into_iter().map(|day| day % 7).collect(),
            any_day: day.starts_with('*'),
            any_weekday: weekday.starts_with('*'),
            any_hour: hour.starts_with('*'),
        };
        match cron.next_civil(civil::datetime(2000, 1, 1, 0, 0, 0, 0)) {
            Some(_) => Ok(cron),
            None => Err(CronError::Never(text.to_owned())),
        }
    }
}

fn field(name: &'static str, text: &str, from: i8, to: i8, names: &[&str]) -> Result<BTreeSet<i8>, CronError> {
    let wrong = || CronError::Field { field: name, text: text.to_owned(), from, to };
    let number = |text: &str| -> Option<i8> {
        let named = names.iter().position(|name| name.eq_ignore_ascii_case(text));
        let value = match named {
            Some(index) => i8::try_from(index).ok()? + from,
            None if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => text.parse().ok()?,
            None => return None,
        };
        (from..=to).contains(&value).then_some(value)
    };
    let mut values = BTreeSet::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) if step.bytes().all(|b| b.is_ascii_digit()) => {
                (range, step.parse::<i8>().ok().filter(|step| *step > 0).ok_or_else(wrong)?)
            }
            Some(_) => return Err(wrong()),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            _ if range == "*" => (from, to),
            Some((first, last)) => (number(first).ok_or_else(wrong)?, number(last).ok_or_else(wrong)?),
            None => {
                let first = number(range).ok_or_else(wrong)?;
                (first, if part.contains('/') { to } else { first })
            }
        };
        if first > last {
            return Err(wrong());
        }
        values.extend((first..=last).step_by(usize::try_from(step).unwrap_or(1)));
    }
    Ok(values)
}

impl Cron {
    /// The expression as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The first expected instant after `after`. `None` past the end of the calendar.
    pub fn next(&self, after: Wall, zone: &TimeZone) -> Option<Wall> {
        let after = jiff::Timestamp::from_millisecond(after.0).ok()?;
        // Where clocks went back, local times repeat: start far enough before to see the first of each pair.
        let mut local = zone.to_datetime(after).checked_sub(jiff::Span::new().hours(3)).ok()?;
        loop {
            local = self.next_civil(local)?;
            for at in self.instants(local, zone) {
                if at > after {
                    return Some(Wall(at.as_millisecond()));
                }
            }
        }
    }

    /// The instants that a matching local time names.
    fn instants(&self, local: civil::DateTime, zone: &TimeZone) -> Vec<jiff::Timestamp> {
        let ambiguous = zone.to_ambiguous_timestamp(local);
        match ambiguous.offset() {
            jiff::tz::AmbiguousOffset::Unambiguous { .. } => ambiguous.compatible().into_iter().collect(),
            // Skipped: at the change itself, which is where the later offset's reading of it lands at the earliest.
            jiff::tz::AmbiguousOffset::Gap { before, after } => {
                if self.any_hour {
                    return Vec::new();
                }
                let _ = after;
                let as_before = before.to_timestamp(local).ok();
                as_before
                    .and_then(|at| zone.preceding(at).next().map(|change| change.timestamp()))
                    .or(as_before)
                    .into_iter()
                    .collect()
            }
            jiff::tz::AmbiguousOffset::Fold { before, after } => {
                let first = before.to_timestamp(local).ok();
                let second = after.to_timestamp(local).ok().filter(|_| self.any_hour);
                first.into_iter().chain(second).collect()
            }
        }
    }

    /// The first matching local time after `after`.
    fn next_civil(&self, after: civil::DateTime) -> Option<civil::DateTime> {
        let mut date = after.date();
        let mut from = Some(after.time());
        for _ in 0..DAYS_AHEAD {
            if self.matches_day(date) {
                for hour in &self.hours {
                    for minute in &self.minutes {
                        let time = civil::time(*hour, *minute, 0, 0);
                        if from.is_none_or(|from| time > from) {
                            return Some(date.to_datetime(time));
                        }
                    }
                }
            }
            from = None;
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn matches_day(&self, date: civil::Date) -> bool {
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().to_sunday_zero_offset());
        let either = match (self.any_day, self.any_weekday) {
            (false, false) => day || weekday,
            (true, _) | (_, true) => day && weekday,
        };
        self.months.contains(&date.month()) && either
    }
}

/// When a check-in is expected.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// So many milliseconds after the last one.
    Period(u64),
    /// By the calendar.
    Calendar(Cron, TimeZone),
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;

    fn after(cron: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let cron: Cron = cron.parse().unwrap();
        let zone = TimeZone::get(zone).unwrap();
        let mut at = Wall(from.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        let mut out = Vec::new();
        for _ in 0..count {
            at = cron.next(at, &zone).unwrap();
            out.push(at.text());
        }
        out
    }

    #[test]
    fn plain_schedules() {
        assert_eq!(
            after("0 3 * * *", "UTC", "2026-11-10T02:59:59Z", 2),
            ["2026-11-10T03:00:00Z", "2026-11-11T03:00:00Z"]
        );
        assert_eq!(after("0 3 * * *", "UTC", "2026-11-10T03:00:00Z", 1), ["2026-11-11T03:00:00Z"]);
        assert_eq!(
            after("*/20 9-10 * * mon-fri", "Europe/Berlin", "2026-11-06T09:30:00Z", 3),
            ["2026-11-06T09:40:00Z", "2026-11-09T08:00:00Z", "2026-11-09T08:20:00Z"]
        );
        assert_eq!(after("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00:00Z"]);
        assert_eq!(
            after("0 12 13 * fri", "UTC", "2026-11-01T00:00:00Z", 3),
            ["2026-11-06T12:00:00Z", "2026-11-13T12:00:00Z", "2026-11-20T12:00:00Z"],
            "either day matches, as in cron"
        );
        assert_eq!(after("@monthly", "UTC", "2026-11-10T00:00:00Z", 1), ["2026-12-01T00:00:00Z"]);
        assert_eq!(
            after("5/20 0 * * 7", "UTC", "2026-11-07T00:00:00Z", 2),
            ["2026-11-08T00:05:00Z", "2026-11-08T00:25:00Z"]
        );
    }

    /// Berlin goes from 02:00 to 03:00 on 2026-03-29 (01:00 UTC).
    #[test]
    fn a_time_that_spring_skips_is_expected_at_the_change() {
        assert_eq!(
            after("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            after("0 * * * *", "Europe/Berlin", "2026-03-28T23:30:00Z", 4),
            ["2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z", "2026-03-29T03:00:00Z"],
            "every hour stays every hour"
        );
    }

    /// Berlin goes from 03:00 back to 02:00 on 2026-10-25 (01:00 UTC).
    #[test]
    fn a_time_that_autumn_repeats_is_expected_once() {
        assert_eq!(
            after("30 2 * * *", "Europe/Berlin", "2026-10-24T00:00:00Z", 3),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            after("0 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 4),
            ["2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"],
            "every hour stays every hour"
        );
        // New York, 2026-11-01, 06:00 UTC; and Lord Howe, whose change is half an hour.
        assert_eq!(
            after("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2),
            ["2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"]
        );
        assert_eq!(
            after("45 1 * * *", "Australia/Lord_Howe", "2026-04-03T20:00:00Z", 2),
            ["2026-04-04T14:45:00Z", "2026-04-05T15:15:00Z"]
        );
    }

    #[test]
    fn a_wrong_expression_says_which_field() {
        for (text, error) in [
            ("0 3 * *", "has five fields (minute hour day month weekday), like \"0 3 * * *\"; this one has 4"),
            ("60 3 * * *", "the minute of the cron expression is \"60\"; possible are 0 to 59"),
            ("0 24 * * *", "the hour"),
            ("0 0 0 * *", "the day"),
            ("0 0 * jann *", "the month"),
            ("0 0 * * 8", "the weekday"),
            ("*/0 * * * *", "the minute"),
            ("5-1 * * * *", "the minute"),
            ("-1 * * * *", "the minute"),
            ("+1 * * * *", "the minute"),
            ("0 0 30 2 *", "no day matches"),
            ("", "this one has 0"),
        ] {
            let said = text.parse::<Cron>().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(said.contains(error), "{text}: {said}");
        }
    }
}
