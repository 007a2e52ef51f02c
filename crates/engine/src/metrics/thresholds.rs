//! Figures and the levels that they are held against.

use super::exposition::{Exposition, Kind, whole};
use crate::thresholds::{Shown, Standing, number_of};

/// How each figure stands.
pub(super) fn thresholds(text: &mut Exposition, shown: &Shown) {
    let mut family = text.family(
        "failstop_threshold_level",
        Kind::Gauge,
        "How a figure stands: 0 good, 1 warning, 2 critical, 3 emergency; absent while it is not known.",
    );
    for figure in shown.figures.iter() {
        if let Some(level) = number_of(figure.level) {
            family.sample(&[("threshold", &figure.name)], level);
        }
    }
    let mut values = |name, help, value: fn(&Standing) -> Option<f64>| {
        let mut family = text.family(name, Kind::Gauge, help);
        for figure in shown.figures.iter() {
            if let Some(value) = value(figure) {
                family.sample(&[("threshold", &figure.name)], value);
            }
        }
    };
    values(
        "failstop_threshold_value",
        "A figure as it was looked at last, in its unit; absent while it is not known.",
        |figure| figure.value,
    );
    values("failstop_threshold_warning", "Beyond this people are told; absent where never.", |figure| figure.warning);
    values("failstop_threshold_critical", "Beyond this it is urgent; absent where never.", |figure| figure.critical);
    values("failstop_threshold_emergency", "Beyond this everything is shut down; absent where never.", |figure| {
        figure.emergency
    });
    let hints = u64::try_from(shown.hints.len()).unwrap_or(u64::MAX);
    text.family("failstop_anomaly_hints", Kind::Gauge, "Figures that are unlike their last day.")
        .sample(&[], whole(hints));
}
