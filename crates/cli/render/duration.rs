//! Spans that come as seconds with a fraction, in the words that the whole product uses for durations.

use core::time::Duration;
use failstop_engine::words;

/// A span in seconds: `41 ms`, `4.2 s`, `3 h 12 min`. What is negative, or no number, is no time at all; what took any
/// time took at least a millisecond.
pub fn span(seconds: f64) -> String {
    let span = duration(seconds);
    words::duration(if span.is_zero() { span } else { span.max(Duration::from_millis(1)) })
}

/// An age, cut to whole seconds: `4 s`, never `4.2 s`, since an age is old by the time it is read.
pub fn age(seconds: f64) -> String {
    let whole = duration(seconds).as_secs();
    if whole == 0 { "0 s".to_owned() } else { words::duration(Duration::from_secs(whole)) }
}

fn duration(seconds: f64) -> Duration {
    if seconds > 0.0 { Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX) } else { Duration::ZERO }
}

#[cfg(test)]
mod tests {
    use super::*;

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
