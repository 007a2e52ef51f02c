//! What is taken of a page, and what several series of it come to.

use super::text::Series;
use crate::config::{self, Fold};

/// One metric that is taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Take {
    /// Its name on the page; empty where all of the page is one number.
    pub metric: String,
    /// Only the series with these labels.
    pub labels: Vec<(String, String)>,
    /// What several series come to.
    pub fold: Fold,
    /// What it is called here.
    pub name: String,
    /// Its unit, for people.
    pub unit: String,
}

impl From<&config::Take> for Take {
    fn from(take: &config::Take) -> Self {
        Self {
            metric: take.metric.clone(),
            labels: take.labels.iter().map(|(label, value)| (label.clone(), value.clone())).collect(),
            fold: take.fold,
            name: take.called().to_owned(),
            unit: take.unit.clone().unwrap_or_default(),
        }
    }
}

impl Take {
    fn wants(&self, series: &Series<'_>) -> bool {
        let has = |(label, value): &(String, String)| {
            let found = series.labels.iter().find(|(name, _)| name.as_ref() == label.as_str());
            // A series without a label is one in which it is empty, as in Prometheus.
            found.map_or(value.is_empty(), |(_, found)| found.as_ref() == value.as_str())
        };
        series.name.as_ref() == self.metric.as_str() && self.labels.iter().all(has)
    }
}

/// What a take has come to so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Folded<'a> {
    take: &'a Take,
    value: Option<f64>,
}

impl<'a> Folded<'a> {
    pub(super) const fn of(take: &'a Take) -> Self {
        Self { take, value: None }
    }

    /// Takes a series where it is wanted; whether it is.
    pub(super) fn see(&mut self, series: &Series<'_>) -> bool {
        let wanted = self.take.wants(series);
        if wanted {
            self.value = Some(match self.value {
                None => series.value,
                Some(_) if self.take.fold == Fold::Last => series.value,
                // What is no number makes the whole none: the rest of it would be taken for all.
                Some(so_far) if so_far.is_nan() || series.value.is_nan() => f64::NAN,
                Some(so_far) => match self.take.fold {
                    Fold::Sum => so_far + series.value,
                    Fold::Max => so_far.max(series.value),
                    Fold::Min => so_far.min(series.value),
                    Fold::Last => series.value,
                },
            });
        }
        wanted
    }

    /// What it came to; `None` where no series was there.
    pub(super) const fn value(self) -> Option<f64> {
        self.value
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::super::text::series;
    use super::*;

    #[test]
    fn what_several_series_come_to() {
        for (fold, lines, wanted) in [
            (Fold::Sum, ["a 1", "a 2", "b 9", "a 4"], Some(7.0)),
            (Fold::Max, ["a 1", "a 4", "b 9", "a 2"], Some(4.0)),
            (Fold::Min, ["a 2", "a 1", "b 0", "a 4"], Some(1.0)),
            (Fold::Last, ["a 1", "a 2", "a 3", "b 9"], Some(3.0)),
            (Fold::Sum, ["b 1", "b 2", "b 9", "b 4"], None),
        ] {
            let take =
                Take { metric: "a".to_owned(), labels: Vec::new(), fold, name: "a".to_owned(), unit: String::new() };
            let mut folded = Folded::of(&take);
            for line in lines {
                folded.see(&series(line).unwrap());
            }
            assert_eq!(folded.value(), wanted, "{fold:?} {lines:?}");
            folded.see(&series("a NaN").unwrap());
            assert!(folded.value().unwrap().is_nan(), "{fold:?}");
        }
    }

    #[test]
    fn a_label_that_is_not_there_is_empty() {
        let take = |value: &str| Take {
            metric: "a".to_owned(),
            labels: vec![("x".to_owned(), value.to_owned())],
            fold: Fold::Sum,
            name: "a".to_owned(),
            unit: String::new(),
        };
        let with = series("a{x=\"1\"} 1").unwrap();
        let without = series("a{y=\"1\"} 1").unwrap();
        assert!(take("1").wants(&with) && !take("1").wants(&without));
        assert!(take("").wants(&without) && !take("").wants(&with));
    }
}
