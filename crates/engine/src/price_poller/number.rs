//! Numbers and times as pages write them, turned into what the gate takes, exactly: text into text.

use failstop_core::gate::GateTime;

/// The longest amount that is given on, bytes.
const AMOUNT_MAX: usize = 48;

/// The longest number that is looked at, bytes.
const NUMBER_MAX: usize = 64;

/// What is found is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANumber {
    /// Something else: a word, a list, nothing.
    #[error("is no number")]
    Other,
    /// A number of more digits than any price has.
    #[error("is a number of more than {AMOUNT_MAX} digits")]
    TooLong,
}

/// The inside of a JSON text, or the value itself.
fn plain(json: &str) -> Option<String> {
    if json.starts_with('"') { serde_json::from_str(json).ok() } else { Some(json.to_owned()) }
}

/// A number as a decimal without exponent and without zeros that say nothing: `"64231.50000"` and `6.42315e4` are `64231.5`.
pub fn decimal(json: &str) -> Result<String, NotANumber> {
    let text = plain(json).ok_or(NotANumber::Other)?;
    if text.len() > NUMBER_MAX {
        return Err(NotANumber::TooLong);
    }
    let (sign, rest) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent_of(exponent).ok_or(NotANumber::Other)?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return Err(NotANumber::Other),
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let digits = format!("{whole}{fraction}");
    if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(NotANumber::Other);
    }
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent);
    let (whole, fraction) = placed(&digits, point).ok_or(NotANumber::TooLong)?;
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let fraction = fraction.trim_end_matches('0');
    let number = if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") };
    if number.len() > AMOUNT_MAX { Err(NotANumber::TooLong) } else { Ok(number) }
}

/// Digits with the point after so many of them.
fn placed(digits: &str, point: i64) -> Option<(String, String)> {
    let count = i64::try_from(digits.len()).ok()?;
    if digits.bytes().all(|digit| digit == b'0') {
        return Some(("0".to_owned(), String::new()));
    }
    let zeros =
        |count: i64| usize::try_from(count).ok().filter(|count| *count <= NUMBER_MAX).map(|count| "0".repeat(count));
    if point <= 0 {
        return Some(("0".to_owned(), format!("{}{digits}", zeros(-point)?)));
    }
    if point >= count {
        return Some((format!("{digits}{}", zeros(point - count)?), String::new()));
    }
    let (whole, fraction) = digits.split_at(usize::try_from(point).ok()?);
    Some((whole.to_owned(), fraction.to_owned()))
}

fn exponent_of(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || digits.len() > 6 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let exponent: i64 = digits.parse().ok()?;
    Some(if text.starts_with('-') { -exponent } else { exponent })
}

/// How a page writes a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeForm {
    /// Seconds since 1970, perhaps with decimals.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
    /// Microseconds since 1970.
    Microseconds,
    /// Nanoseconds since 1970.
    Nanoseconds,
    /// `2026-11-07T00:05:00.123Z`.
    Rfc3339,
}

impl TimeForm {
    /// How many decimals its numbers lack of microseconds; below zero: have too many.
    const fn decimals(self) -> Option<i64> {
        match self {
            Self::Seconds => Some(6),
            Self::Milliseconds => Some(3),
            Self::Microseconds => Some(0),
            Self::Nanoseconds => Some(-3),
            Self::Rfc3339 => None,
        }
    }

    /// A time; what is finer than a microsecond is left out. `None` where it is none, or before 1970.
    pub fn read(self, json: &str) -> Option<GateTime> {
        let micros = match self.decimals() {
            Some(decimals) => {
                let number = decimal(json).ok()?;
                let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
                let point = i64::try_from(whole.len()).ok()?.saturating_add(decimals);
                let (micros, _) = placed(&format!("{whole}{fraction}"), point)?;
                micros.parse().ok()?
            }
            None => {
                let at: jiff::Timestamp = plain(json).filter(|_| json.starts_with('"'))?.parse().ok()?;
                u64::try_from(at.as_microsecond()).ok()?
            }
        };
        Some(GateTime::from_micros(micros))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_keep_their_value_to_the_last_digit() {
        for (json, wanted) in [
            ("\"64231.50000\"", "64231.5"),
            ("6.42315e4", "64231.5"),
            ("0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
            ("9007199254740993", "9007199254740993"),
            ("1E-8", "0.00000001"),
            ("100e-2", "1"),
            ("0e999999", "0"),
            ("-0.50", "-0.5"),
            ("\"007\"", "7"),
        ] {
            assert_eq!(decimal(json).as_deref(), Ok(wanted), "{json}");
        }
        for bad in [
            "null",
            "true",
            "[1]",
            "{}",
            "\"\"",
            "\"1,5\"",
            "\"1.\"",
            "\".5\"",
            "\"+1\"",
            "\"0x1\"",
            "\"1e\"",
            "\" 1\"",
            "\"NaN\"",
            "\"1e9999999\"",
        ] {
            assert_eq!(decimal(bad), Err(NotANumber::Other), "{bad}");
        }
        for long in ["1e60", "1e-60", &"1".repeat(49), &"1".repeat(99)] {
            assert_eq!(decimal(long), Err(NotANumber::TooLong), "{long}");
        }
    }

    #[test]
    fn times_are_read_in_every_form() {
        let wanted = Some(GateTime::from_micros(1_794_009_900_123_456));
        for (form, json) in [
            (TimeForm::Seconds, "1794009900.1234569"),
            (TimeForm::Seconds, "\"1794009900.123456\""),
            (TimeForm::Milliseconds, "1794009900123.456"),
            (TimeForm::Microseconds, "1794009900123456"),
            (TimeForm::Nanoseconds, "1794009900123456789"),
            (TimeForm::Rfc3339, "\"2026-11-07T00:05:00.123456Z\""),
            (TimeForm::Rfc3339, "\"2026-11-07T01:05:00.1234567+01:00\""),
        ] {
            assert_eq!(form.read(json), wanted, "{form:?} {json}");
        }
        assert_eq!(TimeForm::Nanoseconds.read("999"), Some(GateTime::from_micros(0)));
        for (form, json) in [
            (TimeForm::Seconds, "-1"),
            (TimeForm::Seconds, "1e30"),
            (TimeForm::Seconds, "\"soon\""),
            (TimeForm::Rfc3339, "1794009900"),
            (TimeForm::Rfc3339, "\"2026-11-06\""),
            (TimeForm::Rfc3339, "\"1969-12-31T23:59:59Z\""),
        ] {
            assert_eq!(form.read(json), None, "{form:?} {json}");
        }
    }

    proptest! {
        /// However it is written, the same number comes out.
        #[test]
        fn shifting_the_point_changes_nothing(units in 1u64.., shift in -20i64..20) {
            let plain = decimal(&units.to_string()).unwrap_or_default();
            let point = |digits: &str| decimal(&format!("{digits}e{shift}"));
            let back = point(&units.to_string()).and_then(|shifted| decimal(&format!("{shifted}e{}", -shift)));
            prop_assert_eq!(back, Ok(plain));
        }

        #[test]
        fn nothing_breaks_it(text in "[-+0-9.eE\"a\\\\]{0,70}") {
            let _ = decimal(&text);
            let _ = TimeForm::Seconds.read(&text);
            let _ = TimeForm::Rfc3339.read(&text);
        }
    }
}
