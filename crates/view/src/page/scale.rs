//! The axis of a chart: from where to where it reaches, and how its figures are said.

use crate::duration::age;
use crate::number::{decimal, size};

/// So often a step of an axis is doubled until its ends read differently.
const STEPS: usize = 16;

/// From where to where the drawing reaches: from zero where that is not far, to a round figure, and never nothing at all.
pub(super) fn scale(low: f64, high: f64, unit: &str) -> (f64, f64) {
    match unit {
        "ratio" => return (0.0, 1.0_f64.max(high)),
        // All processors are a hundred: a scale that moves would show a busy host like an idle one.
        "percent" if high > 10.0 => return (0.0, 100.0_f64.max(high)),
        _ => {}
    }
    // All close together and far from zero: what moves is to be seen. Ages are from zero all the same.
    let close = unit != "seconds" && low > 0.0 && high > low && low >= high * 0.8;
    let from = if close || low < 0.0 { low } else { 0.0 };
    let to = if high < 0.0 { 0.0 } else { high };
    if to <= from {
        return (0.0, 1.0);
    }
    let step = round_step((to - from) / 4.0, unit);
    let at = |step: f64| {
        let (floor, ceiling) = ((from / step).floor() * step, (to / step).ceil() * step);
        (floor, if ceiling > floor { ceiling } else { floor + step })
    };
    // So far apart that their words are, too: 31.6 and 32.4 MB are both said as 32 MB.
    let mut steps = std::iter::successors(Some(step), |step| Some(step * 2.0)).take(STEPS).map(at);
    let differ = |(floor, ceiling): &(f64, f64)| mark(*floor, unit) != mark(*ceiling, unit);
    steps.find(differ).unwrap_or_else(|| at(step))
}

/// The least of the round figures that is not below `step`: 1, 2 or 5 of a power of ten, and of time what clocks have.
fn round_step(step: f64, unit: &str) -> f64 {
    const OF_TIME: [f64; 12] = [1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1_800.0, 3_600.0];
    // What is counted has no halves; of what a bot measures nobody knows.
    let least = if matches!(unit, "seconds" | "count" | "bytes") { 1.0 } else { 1e-9 };
    let step = step.max(least);
    if unit == "seconds"
        && let Some(round) = OF_TIME.into_iter().find(|round| *round >= step)
    {
        return round;
    }
    let power = 10.0_f64.powf(step.log10().floor());
    // A tenth of a tenth more than it is by its own arithmetic is no step further.
    [1.0, 2.0, 5.0].into_iter().map(|digit| digit * power).find(|round| *round >= step * 0.999).unwrap_or(10.0 * power)
}

pub(super) fn said(value: f64, unit: &str) -> String {
    match unit {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
        "bytes" => size(value as u64),
        "percent" if value == 0.0 || value >= 10.0 => format!("{value:.0} %"),
        "percent" => format!("{value:.1} %"),
        "seconds" => age(value),
        "ratio" => format!("{value:.2}"),
        "count" => format!("{value:.0}"),
        _ => decimal(value),
    }
}

/// The same at the end of an axis, which is a round figure.
pub(super) fn mark(value: f64, unit: &str) -> String {
    match unit {
        "percent" => format!("{} %", decimal(value)),
        "ratio" => decimal(value),
        _ => said(value, unit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_has_a_height_whatever_is_drawn_and_ends_at_round_figures() {
        for (low, high, unit, wanted) in [
            (0.0, 0.0, "count", (0.0, 1.0)),
            (1.0, 1.0, "ratio", (0.0, 1.0)),
            (4.0, 4.0, "", (0.0, 4.0)),
            (0.0, 7.0, "count", (0.0, 8.0)),
            (0.0, 1.0, "count", (0.0, 1.0)),
            (90.0, 100.0, "", (90.0, 100.0)),
            (993.54, 1_007.0, "", (990.0, 1_010.0)),
            (-12.5, -12.5, "", (-15.0, 0.0)),
            (-40.0, 20.0, "", (-40.0, 20.0)),
            (-6.46, 7.2, "", (-10.0, 10.0)),
            (0.02, 0.13, "", (0.0, 0.15)),
            (0.0, 100.0, "percent", (0.0, 100.0)),
            (65.6, 65.6, "percent", (0.0, 100.0)),
            (100.0, 100.0, "percent", (0.0, 100.0)),
            (0.0, 0.1, "percent", (0.0, 0.1)),
            (1.0, 1.1, "seconds", (0.0, 2.0)),
            (0.0, 122.0, "seconds", (0.0, 180.0)),
            (48e6, 53e6, "bytes", (48e6, 54e6)),
            (31.9e6, 32.2e6, "bytes", (31.2e6, 32.8e6)),
        ] {
            let (floor, ceiling) = scale(low, high, unit);
            assert!(
                (floor - wanted.0).abs() < 1e-9 && (ceiling - wanted.1).abs() < 1e-9,
                "{low} {high} {unit}: {floor} {ceiling}"
            );
            assert_ne!(mark(floor, unit), mark(ceiling, unit), "{low} {high} {unit}");
            assert!(floor <= low && ceiling >= high, "{low} {high} {unit}");
        }
    }
}
