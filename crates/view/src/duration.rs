//! Durations as people say them, also of spans that come as seconds with a fraction.

use core::time::Duration;

/// `41 ms`, `4.2 s`, `14 min`, `2 min 28 s`, `3 h 12 min`, `5 d 3 h`.
pub fn duration(span: Duration) -> String {
    let seconds = span.as_secs();
    if seconds < 1 {
        return format!("{} ms", span.as_millis());
    }
    if seconds < 10 {
        let tenths = span.subsec_millis() / 100;
        return if tenths == 0 { format!("{seconds} s") } else { format!("{seconds}.{tenths} s") };
    }
    let (large, small, units) = if seconds < 60 {
        return format!("{seconds} s");
    } else if seconds < 3_600 {
        (seconds / 60, seconds % 60, ("min", "s"))
    } else if seconds < 86_400 {
        (seconds / 3_600, seconds % 3_600 / 60, ("h", "min"))
    } else {
        (seconds / 86_400, seconds % 86_400 / 3_600, ("d", "h"))
    };
    if small == 0 { format!("{large} {}", units.0) } else { format!("{large} {} {small} {}", units.0, units.1) }
}

/// A span in seconds: `41 ms`, `4.2 s`, `3 h 12 min`. What is negative, or no number, is no time at all; what took any
/// time took at least a millisecond.
pub fn span(seconds: f64) -> String {
    let span = of_seconds(seconds);
    duration(if span.is_zero() { span } else { span.max(Duration::from_millis(1)) })
}

/// An age, cut to whole seconds: `4 s`, never `4.2 s`, since an age is old by the time it is read.
pub fn age(seconds: f64) -> String {
    let whole = of_seconds(seconds).as_secs();
    if whole == 0 { "0 s".to_owned() } else { duration(Duration::from_secs(whole)) }
}

fn of_seconds(seconds: f64) -> Duration {
    if seconds > 0.0 { Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX) } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_said_as_people_say_them() {
        let said = |millis| duration(Duration::from_millis(millis));
        assert_eq!(said(41), "41 ms");
        assert_eq!(said(1_000), "1 s");
        assert_eq!(said(4_250), "4.2 s");
        assert_eq!(said(59_999), "59 s");
        assert_eq!(said(60_000), "1 min");
        assert_eq!(said(148_000), "2 min 28 s");
        assert_eq!(said(3 * 3_600_000 + 12 * 60_000), "3 h 12 min");
        assert_eq!(said(123 * 3_600_000), "5 d 3 h");
    }

    #[test]
    fn spans_and_ages_of_any_number() {
        assert_eq!(span(0.000_3), "1 ms");
        assert_eq!(span(0.041), "41 ms");
        assert_eq!(span(11_520.0), "3 h 12 min");
        assert_eq!(span(f64::NAN), "0 ms");
        assert_eq!(span(-1.0), "0 ms");
        assert!(span(f64::INFINITY).contains(" d "));
        assert_eq!(age(4.2), "4 s");
        assert_eq!(age(0.7), "0 s");
        assert_eq!(age(f64::NAN), "0 s");
    }
}
