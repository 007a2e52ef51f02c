//! Counts as `18 441`, figures as `0.1342` and sizes as `412 MB`, for people; programs read JSON.

use std::borrow::Cow;

/// A count, its digits in groups of three.
pub fn grouped(count: u64) -> String {
    in_groups(&count.to_string())
}

fn in_groups(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun, in the singular for one: `1 violation`, `3 segments`.
pub fn counted(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// A size in decimal units: `96 B`, `4.2 MB`, `412 MB`, `31.4 GB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return format!("{bytes} B");
    }
    let mut unit = 0;
    let mut scale: u64 = 1_000;
    // Moves up where rounding would print "1000 kB".
    while unit + 1 < UNITS.len() && bytes >= scale.saturating_mul(1_000) - scale / 2 {
        scale = scale.saturating_mul(1_000);
        unit += 1;
    }
    // Tenths only where they say something: below ten, and from gigabytes on.
    let tenths = (u128::from(bytes) * 10 + u128::from(scale) / 2) / u128::from(scale);
    if tenths < 100 || unit >= 2 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", (u128::from(bytes) + u128::from(scale) / 2) / u128::from(scale), UNITS[unit])
    }
}

/// A figure as people read one: `18 441`, `740.69`, `−12.5`, `0.1342`. Four digits that say something, never more than two behind
/// the point beyond a hundred, and no zeros at the end.
pub fn decimal(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() || size >= 1e15 {
        return signed(&format!("{value:e}")).into_owned();
    }
    if size > 0.0 && size < 1e-6 {
        return signed(&format!("{value:.2e}")).into_owned();
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "-6 to 0, negated")]
    let places = if size >= 100.0 || size == 0.0 {
        2
    } else if size >= 1.0 {
        3
    } else {
        3 + (-size.log10().floor()) as usize
    };
    amount(&format!("{value:.places$}"))
}

/// An amount in decimal digits, as the engine writes it: its digits before the point in groups of three, a minus that is as wide as a
/// plus, and nothing behind the point where that is nothing. What is no such amount comes back as it is.
pub fn amount(text: &str) -> String {
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("−", digits));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(rest) {
        return text.to_owned();
    }
    let rest = rest.trim_end_matches('0');
    // What is nothing has no sign.
    let sign = if rest.is_empty() && whole.bytes().all(|digit| digit == b'0') { "" } else { sign };
    let point = if rest.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{rest}", in_groups(whole))
}

fn signed(text: &str) -> Cow<'_, str> {
    text.strip_prefix('-').map_or(Cow::Borrowed(text), |rest| Cow::Owned(format!("−{rest}")))
}

/// The first eight digits of a hash: enough to compare by eye.
pub fn short_hash(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_grouped_by_three() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1 000"),
            (18_441, "18 441"),
            (1_292_112, "1 292 112"),
            (u64::MAX, "18 446 744 073 709 551 615"),
        ] {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn figures_say_no_more_than_people_read() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (0.134_228_187_919_463_1, "0.1342"),
            (0.000_012_3, "0.0000123"),
            (0.999_99, "1"),
            (12.345_6, "12.346"),
            (-12.5, "−12.5"),
            (740.694_4, "740.69"),
            (60_146.34, "60 146.34"),
            (1_234_567.0, "1 234 567"),
            (-4.2e-9, "−4.20e-9"),
            (1e18, "1e18"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(decimal(value), text, "{value}");
        }
    }

    #[test]
    fn amounts_are_grouped_and_lose_nothing() {
        for (text, shown) in [
            ("10000.00", "10 000"),
            ("600.91", "600.91"),
            ("-1234567.50", "−1 234 567.5"),
            ("0.00", "0"),
            ("-0.00", "0"),
            ("0.00000001", "0.00000001"),
            ("340282366920938463463374607431768211455.1", "340 282 366 920 938 463 463 374 607 431 768 211 455.1"),
            ("", ""),
            ("-", "-"),
            (".5", ".5"),
            ("demo", "demo"),
            ("1e5", "1e5"),
            ("--1", "--1"),
        ] {
            assert_eq!(amount(text), shown, "{text}");
        }
    }

    #[test]
    fn nouns_follow_their_count() {
        assert_eq!(counted(1, "violation"), "1 violation");
        assert_eq!(counted(0, "violation"), "0 violations");
        assert_eq!(counted(2_000, "record"), "2 000 records");
    }

    #[test]
    fn sizes_have_the_precision_that_says_something() {
        for (bytes, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (4_249_999, "4.2 MB"),
            (9_949_999, "9.9 MB"),
            (9_950_000, "10 MB"),
            (88_300_000, "88 MB"),
            (412_400_000, "412 MB"),
            (999_499_999, "999 MB"),
            (999_500_000, "1.0 GB"),
            (1_800_000_000, "1.8 GB"),
            (31_400_000_000, "31.4 GB"),
            (u64::MAX, "18446.7 PB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
    }

    #[test]
    fn a_short_hash_never_panics() {
        assert_eq!(short_hash("9f2c41ab77"), "9f2c41ab");
        assert_eq!(short_hash("9f"), "9f");
        assert_eq!(short_hash("ééééé"), "éééé");
    }
}
