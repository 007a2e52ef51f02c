//! Counts as `18 441` and sizes as `412 MB`, for people; programs read JSON.

/// A count, its digits in groups of three.
pub fn grouped(count: u64) -> String {
    let digits = count.to_string();
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
