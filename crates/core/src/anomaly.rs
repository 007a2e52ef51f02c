//! Whether a figure is unlike its own last day: a hint, by median and median absolute deviation, which a few wild values do not
//! move. It decides nothing.

/// What is unlike enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AnomalyRule {
    /// With fewer values than this nothing is said.
    pub min_samples: usize,
    /// How many deviations away it must be. One is the median absolute deviation, scaled so that it is the standard deviation where
    /// values are normal.
    pub deviations: f64,
    /// How far away it must be besides, as a share of the median's size: what hardly varies varies by chance.
    pub min_share: f64,
}

/// A figure that is unlike its last day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unlike {
    /// The figure now.
    pub value: f64,
    /// The median of the last day.
    pub median: f64,
    /// How many deviations it is away, above 0.
    pub deviations: f64,
}

/// Makes the median absolute deviation of normal values their standard deviation.
const SCALE: f64 = 1.482_6;

/// Whether `value` is unlike `past`, which is put into another order. What is no number is left out. Where the past did not vary at
/// all nothing can be said of how far is far.
pub fn unlike(value: f64, past: &mut Vec<f64>, rule: &AnomalyRule) -> Option<Unlike> {
    past.retain(|one| one.is_finite());
    if !value.is_finite() || past.is_empty() || past.len() < rule.min_samples {
        return None;
    }
    let median = median(past)?;
    past.iter_mut().for_each(|one| *one = (*one - median).abs());
    let deviation = self::median(past)? * SCALE;
    let away = (value - median).abs();
    if deviation <= 0.0 || away <= rule.deviations * deviation || away <= rule.min_share * median.abs() {
        return None;
    }
    Some(Unlike { value, median, deviations: away / deviation })
}

/// The middle one, of an even count the mean of the two.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if middle >= values.len() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (before, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if !even {
        return Some(upper);
    }
    let lower = before.iter().copied().max_by(f64::total_cmp)?;
    Some(lower / 2.0 + upper / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: AnomalyRule = AnomalyRule { min_samples: 5, deviations: 6.0, min_share: 0.2 };

    fn of(value: f64, past: &[f64]) -> Option<Unlike> {
        unlike(value, &mut past.to_vec(), &RULE)
    }

    #[test]
    fn the_middle_is_the_middle() {
        for (values, middle) in [
            (vec![], None),
            (vec![3.0], Some(3.0)),
            (vec![4.0, 1.0], Some(2.5)),
            (vec![9.0, 1.0, 2.0], Some(2.0)),
            (vec![4.0, 1.0, 3.0, 2.0], Some(2.5)),
            (vec![f64::MAX, f64::MAX], Some(f64::MAX)),
        ] {
            assert_eq!(median(&mut values.clone()), middle, "{values:?}");
        }
    }

    #[test]
    fn what_is_far_from_an_ordinary_day_is_unlike_it() {
        // Median 100, median absolute deviation 1: one deviation is 1.4826, six are 8.9; a fifth of the median is 20.
        let day = [98.0, 99.0, 100.0, 101.0, 102.0];
        assert_eq!(of(100.0, &day), None);
        assert_eq!(of(115.0, &day), None, "ten deviations, but less than a fifth");
        assert_eq!(of(120.0, &day), None, "just not");
        let far = of(120.1, &day);
        assert!(
            far.is_some_and(|one| one.median == 100.0 && (one.deviations - 20.1 / 1.482_6).abs() < 1e-9),
            "{far:?}"
        );
        assert!(of(79.9, &day).is_some(), "either way");
    }

    #[test]
    fn a_wild_value_of_the_past_hides_nothing() {
        let day = [98.0, 99.0, 100.0, 101.0, 102.0, 1e9, -1e9];
        assert!(of(150.0, &day).is_some());
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        assert_eq!(of(500.0, &[98.0, 99.0, 101.0, 102.0]), None, "too few");
        assert_eq!(of(500.0, &[98.0, 99.0, f64::NAN, 101.0, 102.0]), None, "what is no number counts as none");
        assert_eq!(of(500.0, &[100.0; 50]), None, "it never varied");
        assert_eq!(of(f64::NAN, &[98.0, 99.0, 100.0, 101.0, 102.0]), None);
        assert_eq!(of(f64::INFINITY, &[98.0, 99.0, 100.0, 101.0, 102.0]), None);
        assert_eq!(unlike(1.0, &mut Vec::new(), &AnomalyRule { min_samples: 0, ..RULE }), None);
    }
}
