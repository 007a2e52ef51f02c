//! What the shipped figures have in common: their levels and times, each with a default of its own.

use super::{Mark, rule};
use failstop_core::{Rule, Side};
use std::time::Duration;

/// The levels and times of one figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Which way is bad.
    pub side: Side,
    /// Where people are told.
    pub warning: Mark,
    /// Where it is urgent.
    pub critical: Mark,
    /// Where everything is shut down.
    pub emergency: Option<f64>,
    /// For how long it must be beyond.
    pub hold: Duration,
    /// For how long it must not be, before it is over.
    pub clear_for: Duration,
    /// How long it rests after that.
    pub cooldown: Duration,
}

impl Row {
    /// As the core judges it.
    pub fn rule(&self) -> Rule {
        rule(self.side, self)
    }
}

// A section for one shipped figure: its levels, and where the last word is there, by how many times `critical` is an emergency.
macro_rules! row {
    (
        $(#[doc = $doc:literal])*
        $vis:vis struct $name:ident $side:ident, warning $warning:tt, critical $critical:tt $(, emergency $times:tt)?
    ) => {
        failstop_settings::section! {
            $(#[doc = $doc])*
            $vis struct $name {
                /// Beyond this people are told. "off": never.
                warning: $crate::config::thresholds::Mark, default $warning;
                /// Beyond this it is urgent, and health is degraded. "off": never.
                critical: $crate::config::thresholds::Mark, default $critical;
                $(
                    /// Beyond so many times `critical` everything is shut down, unless [failsafe] emergency_shutdown is false. "off": never.
                    emergency_times: $crate::config::thresholds::Mark, default $times;
                )?
                /// For how long without a break it must be beyond, as far as the looks show. An emergency never waits.
                r#for: std::time::Duration, default "0s", failstop_settings::within("0s", "24h");
                /// Good for this long, it is over.
                clear_for: std::time::Duration, default "5m", failstop_settings::within("0s", "24h");
                /// So long after that it is not told again, unless it is worse.
                cooldown: std::time::Duration, default "10m", failstop_settings::within("0s", "24h");
            }
        }

        impl failstop_settings::Consistent for $name {
            fn check(
                &self,
                places: &failstop_settings::Places<'_>,
                reading: &mut failstop_settings::Reading<'_>,
            ) {
                let side = $crate::config::thresholds::row::$side;
                $crate::config::thresholds::in_order(side, self.warning, self.critical, places, reading);
                $(
                    let _: &str = $times;
                    $crate::config::thresholds::row::times_make_sense(side, self.emergency_times, self.critical, places, reading);
                )?
            }
        }

        impl $name {
            /// Its levels and times.
            fn row(&self) -> $crate::config::thresholds::Row {
                // By how many times `critical`, where that is an emergency at all.
                let times: &[$crate::config::thresholds::Mark] = &[$({
                    let _: &str = $times;
                    self.emergency_times
                })?];
                let times = times.first().and_then(|times| times.at());
                let emergency = times.zip(self.critical.at()).map(|(times, level)| times * level);
                $crate::config::thresholds::Row {
                    side: $crate::config::thresholds::row::$side,
                    warning: self.warning,
                    critical: self.critical,
                    emergency,
                    hold: self.r#for,
                    clear_for: self.clear_for,
                    cooldown: self.cooldown,
                }
            }
        }
    };
}
pub(super) use row;

#[expect(non_upper_case_globals, reason = "words of the macro above")]
pub(super) const above: Side = Side::Above;
#[expect(non_upper_case_globals, reason = "words of the macro above")]
pub(super) const below: Side = Side::Below;

/// An emergency that came before what is critical would be none.
pub(super) fn times_make_sense(
    side: Side,
    times: Mark,
    critical: Mark,
    places: &failstop_settings::Places<'_>,
    reading: &mut failstop_settings::Reading<'_>,
) {
    let Some(times) = times.at() else { return };
    if times < 1.0 {
        let message = format!("`emergency_times` of {} is {times}: that comes before `critical`", places.label);
        let origin = places.first_of(&["emergency_times"]);
        let help = "write a number from 1, or \"off\"";
        reading.refuse(failstop_settings::Kind::OutOfRange, &origin, message, help);
        return;
    }
    let Some(critical) = critical.at() else { return };
    // Twice a level on the good side of 0 lies further on the good side, and twice 0 is 0.
    let emergency = times * critical;
    let beyond = match side {
        Side::Above => emergency > critical,
        Side::Below => emergency < critical,
    };
    if times > 1.0 && !beyond {
        let message = format!(
            "{times} times `critical` ({critical}) of {} is {emergency}: everything would be shut down at what is not even critical, or no \
             worse than that",
            places.label
        );
        let origin = places.first_of(&["critical", "emergency_times"]);
        let help = "write emergency_times = \"off\", or another `critical`";
        reading.refuse(failstop_settings::Kind::Contradiction, &origin, message, help);
    }
}
