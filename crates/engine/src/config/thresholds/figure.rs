//! `[[thresholds.figure]]`: a figure of the user's own.

use super::{Mark, Row, in_order, rule};
use failstop_core::{Rule, Side};
use failstop_settings::{Choice, Consistent, Kind, Name, Places, Reading, section, within};
use std::time::Duration;

section! {
    /// A figure of your own: what a bot, a command or a Prometheus endpoint reports under a name, and its levels.
    pub struct Figure {
        /// Its name, for alerts and metrics.
        name: Name, required "orders_waiting";
        /// The metric that it is. Absent: the one of its name.
        metric: Option<String>, absent "orders.waiting";
        /// Only what this component reports counts. Absent: whoever reports it.
        component: Option<Name>, absent "bot";
        /// Its unit, for people.
        unit: Option<String>, absent "orders";
        /// Which way is bad: "above" or "below" the levels.
        direction: Direction, default "above";
        /// Beyond this people are told. "off": never.
        warning: Mark, default "off";
        /// Beyond this it is urgent, and health is degraded. "off": never.
        critical: Mark, default "off";
        /// For how long without a break it must be beyond, as far as the looks show.
        r#for: Duration, default "0s", within("0s", "24h");
        /// Good for this long, it is over.
        clear_for: Duration, default "5m", within("0s", "24h");
        /// So long after that it is not told again, unless it is worse.
        cooldown: Duration, default "10m", within("0s", "24h");
    }
}

/// Which way is bad, as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Above the levels.
    Above,
    /// Below them.
    Below,
}

impl Choice for Direction {
    const WORDS: &'static [(&'static str, Self)] = &[("above", Self::Above), ("below", Self::Below)];
    const WANTED: &'static str = "\"above\" or \"below\"";
}

impl From<Direction> for Side {
    fn from(direction: Direction) -> Self {
        match direction {
            Direction::Above => Self::Above,
            Direction::Below => Self::Below,
        }
    }
}

/// The longest name of a metric and the longest unit, bytes, as on the bot socket.
const TEXT_MAX_BYTES: usize = 128;

impl Consistent for Figure {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        if self.warning == Mark::Off && self.critical == Mark::Off {
            let message = format!("{} has neither `warning` nor `critical`: nothing would ever be said", places.label);
            let help = "write a level, like warning = 50";
            reading.refuse(Kind::Missing, &places.first_of(&["warning", "critical"]), message, help);
        }
        for (key, text) in [("metric", &self.metric), ("unit", &self.unit)] {
            if text.as_ref().is_some_and(|text| text.len() > TEXT_MAX_BYTES || text.chars().any(char::is_control)) {
                let message = format!("`{key}` of {} is too long, or no plain text", places.label);
                let help = format!("write at most {TEXT_MAX_BYTES} bytes on one line");
                reading.refuse(Kind::BadValue, &places.first_of(&[key]), message, help);
            }
        }
        in_order(self.direction.into(), self.warning, self.critical, places, reading);
    }
}

impl Figure {
    /// The metric that it is.
    pub fn metric(&self) -> &str {
        self.metric.as_deref().unwrap_or(self.name.as_str())
    }

    /// As the core judges it.
    pub fn rule(&self) -> Rule {
        let side = self.direction.into();
        let row = Row {
            side,
            warning: self.warning,
            critical: self.critical,
            emergency: None,
            hold: self.r#for,
            clear_for: self.clear_for,
            cooldown: self.cooldown,
        };
        rule(side, &row)
    }
}
