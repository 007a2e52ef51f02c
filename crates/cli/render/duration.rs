//! Spans of time as people say them: `41 ms`, `4 s`, `2 min 28 s`, `3 h 12 min`, `5 d`.

/// A span in seconds. What is not a number, or negative, is said as `0 ms` would be: a span has no direction.
pub fn span(seconds: f64) -> String {
    if !(seconds > 0.0) {
        return "0 s".to_owned();
    }
    if seconds < 0.9995 {
        return format!("{} ms", whole(seconds * 1_000.0).max(1));
    }
    // Below ten seconds a tenth may matter; above, it is noise.
    if seconds < 9.95 {
        let tenths = whole(seconds * 10.0);
        return if tenths % 10 == 0 { format!("{} s", tenths / 10) } else { format!("{}.{} s", tenths / 10, tenths % 10) };
    }
    let seconds = whole(seconds);
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    if seconds < 60 {
        format!("{seconds} s")
    } else if minutes < 10 {
        two(minutes, "min", seconds % 60, "s")
    } else if hours < 1 {
        format!("{minutes} min")
    } else if hours < 48 {
        two(hours, "h", minutes % 60, "min")
    } else {
        two(days, "d", hours % 24, "h")
    }
}

/// An age in whole seconds: `4 s`, never `4.2 s`, since an age is old by the time it is read.
pub fn age(seconds: f64) -> String {
    if seconds < 60.0 { format!("{} s", whole(seconds.max(0.0))) } else { span(seconds) }
}

/// Rounded to a whole number; what does not fit becomes the largest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates, which is what is wanted")]
fn whole(number: f64) -> u64 {
    number.round() as u64
}

/// The larger unit, and the smaller one where it is not zero.
fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large} {large_unit}") } else { format!("{large} {large_unit} {small} {small_unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_as_people_say_them() {
        for (seconds, text) in [
            (0.0, "0 s"),
            (-3.0, "0 s"),
            (f64::NAN, "0 s"),
            (0.000_2, "1 ms"),
            (0.041, "41 ms"),
            (0.999_4, "999 ms"),
            (1.0, "1 s"),
            (4.25, "4.3 s"),
            (9.96, "10 s"),
            (59.4, "59 s"),
            (60.0, "1 min"),
            (148.0, "2 min 28 s"),
            (840.0, "14 min"),
            (11_520.0, "3 h 12 min"),
            (90_000.0, "25 h"),
            (172_800.0, "2 d"),
            (277_200.0, "3 d 5 h"),
        ] {
            assert_eq!(span(seconds), text, "{seconds}");
        }
        assert!(span(f64::INFINITY).ends_with(" h") || span(f64::INFINITY).ends_with(" d"));
    }

    #[test]
    fn ages_are_whole() {
        assert_eq!(age(4.2), "4 s");
        assert_eq!(age(0.3), "0 s");
        assert_eq!(age(-1.0), "0 s");
        assert_eq!(age(148.0), "2 min 28 s");
    }
}
