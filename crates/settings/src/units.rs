//! Durations and sizes as people write them: `500ms`, `30s`, `5m`, `25h`; `10MB`, `1800MiB`.

use std::time::Duration;

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes(pub u64);

impl Bytes {
    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Parses a duration. `Err` holds what to write instead, where that can be guessed.
pub fn parse_duration(text: &str) -> Result<Duration, Option<String>> {
    let strict = split(text).and_then(|(number, unit)| {
        let number: u64 = number.parse().ok()?;
        Some(Duration::from_millis(number.checked_mul(exact_unit(unit)?)?))
    });
    match strict {
        Some(duration) => Ok(duration),
        None => Err(guess_duration(text)),
    }
}

/// The shortest way to write a duration (whole milliseconds).
pub fn write_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    match ms {
        0 => "0s".to_owned(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        ms if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        ms => format!("{ms}ms"),
    }
}

/// Parses a size. `Err` holds what to write instead, where that can be guessed.
pub fn parse_size(text: &str) -> Result<Bytes, Option<String>> {
    let strict = split(text).and_then(|(number, unit)| {
        let number: u64 = number.parse().ok()?;
        let factor = SIZES.iter().find(|(name, _)| *name == unit)?.1;
        Some(Bytes(number.checked_mul(factor)?))
    });
    match strict {
        Some(bytes) => Ok(bytes),
        None => Err(guess_size(text)),
    }
}

const SIZES: [(&str, u64); 7] = [
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

fn exact_unit(unit: &str) -> Option<u64> {
    match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    }
}

/// Number and unit, with nothing between them.
fn split(text: &str) -> Option<(&str, &str)> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    (at > 0).then(|| text.split_at(at))
}

/// Understands what people write elsewhere: `10 s`, `1.5h`, `1h30m`, `2 min`, `1d`; a bare number is taken for seconds.
fn guess_duration(text: &str) -> Option<String> {
    let mut rest: String = text.trim().to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
    let mut total_ms = 0.0_f64;
    let mut parts = 0;
    while !rest.is_empty() && parts < 6 {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest.get(..digits)?.parse().ok()?;
        let tail = rest.get(digits..)?.to_owned();
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let unit_ms = match tail.get(..letters)? {
            "ms" | "msec" | "millis" | "milliseconds" => 1.0,
            "" | "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
            "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000.0,
            "d" | "day" | "days" => 86_400_000.0,
            "w" | "week" | "weeks" => 604_800_000.0,
            _ => return None,
        };
        total_ms += number * unit_ms;
        parts += 1;
        rest = tail.get(letters..)?.to_owned();
    }
    let sane = parts > 0 && total_ms.is_finite() && (0.0..1e12).contains(&total_ms);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, as just checked")]
    sane.then(|| write_duration(Duration::from_millis(total_ms.round() as u64)))
}

/// Understands `1800M`, `1800 MiB`, `1.5GB`, `2g`; a bare number is taken for megabytes where it is small.
fn guess_size(text: &str) -> Option<String> {
    let compact: String =
        text.trim().to_ascii_lowercase().chars().filter(|c| !c.is_whitespace() && *c != '_').collect();
    let digits = compact.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(compact.len());
    let number = compact.get(..digits)?;
    let value: f64 = number.parse().ok().filter(|value| *value < 1e12)?;
    let (unit, smaller, step) = match compact.get(digits..)? {
        "" if value >= 1_000_000.0 => ("B", "B", 1.0),
        "" | "mb" | "mbyte" | "megabytes" => ("MB", "kB", 1_000.0),
        "b" | "bytes" => ("B", "B", 1.0),
        "k" | "kib" => ("KiB", "B", 1_024.0),
        "kb" => ("kB", "B", 1_000.0),
        "m" | "mib" => ("MiB", "KiB", 1_024.0),
        "g" | "gib" => ("GiB", "MiB", 1_024.0),
        "gb" => ("GB", "MB", 1_000.0),
        _ => return None,
    };
    if number.contains('.') { Some(format!("{:.0}{smaller}", value * step)) } else { Some(format!("{number}{unit}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["0s", "500ms", "30s", "5m", "25h", "1500ms"] {
            let parsed = parse_duration(text).unwrap_or_default();
            assert_eq!(write_duration(parsed), text);
        }
        assert_eq!(parse_size("1800MiB"), Ok(Bytes(1800 << 20)));
        assert_eq!(parse_size("10MB"), Ok(Bytes(10_000_000)));
        assert_eq!(parse_size("0B"), Ok(Bytes(0)));
    }

    #[test]
    fn guesses_what_was_meant() {
        let guess = |text| parse_duration(text).err().flatten();
        assert_eq!(guess("10"), Some("10s".into()));
        assert_eq!(guess("10 s"), Some("10s".into()));
        assert_eq!(guess("2 min"), Some("2m".into()));
        assert_eq!(guess("1h30m"), Some("90m".into()));
        assert_eq!(guess("1.5h"), Some("90m".into()));
        assert_eq!(guess("1d"), Some("24h".into()));
        assert_eq!(guess("0.25s"), Some("250ms".into()));
        assert_eq!(guess("-5s"), None);
        assert_eq!(guess("soon"), None);
        assert_eq!(guess(""), None);
        assert_eq!(guess("9999999999999999999999h"), None);
        let guess = |text| parse_size(text).err().flatten();
        assert_eq!(guess("1800"), Some("1800MB".into()));
        assert_eq!(guess("1800M"), Some("1800MiB".into()));
        assert_eq!(guess("1.5GB"), Some("1500MB".into()));
        assert_eq!(guess("2 gib"), Some("2GiB".into()));
        assert_eq!(guess("lots"), None);
        assert_eq!(guess("99999999999999999999GiB"), None);
    }
}
