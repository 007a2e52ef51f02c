//! `[thresholds]`: which figures are held against which levels. The shipped ones by name, and figures of the user's own.

mod figure;
mod mark;
mod row;

pub use figure::{Direction, Figure};
pub use mark::Mark;
pub use row::Row;

use super::Component;
use failstop_core::{AnomalyRule, Degree, Rule, Side};
use failstop_settings::document::Table;
use failstop_settings::{Consistent, Kind, Places, Reading, nearest, origin_in, section, within};
use std::path::PathBuf;
use std::time::Duration;

/// The most log files that are looked at.
pub const MAX_LOG_FILES: usize = 32;

/// The most figures of the user's own.
pub const MAX_FIGURES: usize = 48;

row::row! {
    /// The size of the largest log that failstop does not rotate itself, in bytes: of `log_files`, or `log_file_size` as the bot reports it.
    pub struct LogFileSize above, warning "8000000", critical "off"
}

row::row! {
    /// `nonce_rate`: nonces a second, as the bot reports it.
    pub struct NonceRate below, warning "off", critical "1000"
}

row::row! {
    /// By how much `websocket_reconnects`, the count that the bot reports, rose within an hour.
    pub struct Reconnects above, warning "5", critical "off"
}

row::row! {
    /// How many of `api_requests` were `api_errors` within five minutes, per cent: counts that the bots report. Judged with at least
    /// 1000 requests, an emergency with at least 200; looked at with every measurement ([limits] sample_every).
    pub struct ApiErrorRate above, warning "off", critical "0.1", emergency "10"
}

row::row! {
    /// How many requests of the worst endpoint succeeded within five minutes, per cent: `api_requests` and `api_errors` with the label
    /// `endpoint`. Judged with at least 20 requests.
    pub struct ApiEndpoint below, warning "80", critical "off"
}

row::row! {
    /// How many requests of one endpoint failed in a row, as far as its counts show at each measurement.
    pub struct ApiFailures above, warning "4", critical "off"
}

row::row! {
    /// How many orders ended well within a day, per cent. With a [gate] what it heard became of them, otherwise the counts
    /// `trades_executed` and `trades_succeeded` that the bot reports. Judged with at least 20.
    pub struct SuccessRate below, warning "off", critical "85"
}

row::row! {
    /// With a [gate]: what an account lost of its opening equity in this trading day, per cent.
    pub struct DailyLoss above, warning "12", critical "15"
}

row::row! {
    /// The day's result in money. With a [gate] the one that it counts, of an account whose opening equity is not known; otherwise
    /// `daily_pnl`, as the bot reports it.
    pub struct DailyResult below, warning "off", critical "-50", emergency "2"
}

row::row! {
    /// `balance_check_time`: how long the venue took to say a balance, as the bot reports it, in seconds.
    pub struct BalanceTime above, warning "2", critical "off"
}

row::row! {
    /// `websocket_latency`: as the bot reports it, in milliseconds.
    pub struct WebsocketLatency above, warning "1000", critical "off"
}

row::row! {
    /// How long the venue took for an order, in seconds. With a [gate] as the result of the last order says, otherwise
    /// `trade_execution_time`, as the bot reports it.
    pub struct ExecutionTime above, warning "5", critical "off"
}

section! {
    /// Hints at figures that are unlike their own last day: more than so many deviations (median absolute deviation) from its median.
    /// A line in the log, and `/api/thresholds`. A hint wakes nobody and decides nothing.
    pub struct Anomaly {
        /// Whether there are hints at all.
        enabled: bool, default false;
        /// How many deviations away.
        deviations: u32, default 6, within("2", "1000");
        /// How far away from the median besides, per cent of it.
        min_percent: u32, default 20, within("0", "100000");
        /// With fewer minutes of history than this nothing is said.
        min_minutes: u32, default 120, within("10", "1440");
    }
}

impl Consistent for Anomaly {}

impl Anomaly {
    /// As the core wants it; `None` where there are no hints.
    pub fn rule(&self) -> Option<AnomalyRule> {
        self.enabled.then(|| AnomalyRule {
            min_samples: usize::try_from(self.min_minutes).unwrap_or(usize::MAX),
            deviations: f64::from(self.deviations),
            min_share: f64::from(self.min_percent) / 100.0,
        })
    }
}

section! {
    /// Figures and their levels (docs/guide/thresholds.md). Beyond `warning` people are told; beyond `critical` they are told that it
    /// is urgent, and health is degraded. Memory has its levels in [limits]; what makes the system unhealthy is in [health].
    pub struct Thresholds {
        /// Figures are looked at this often, whatever [limits] sample_every says; those that come of orders with each order, too, and
        /// `daily_pnl` with each report.
        every: Duration, default "300s", within("1s", "24h");
        /// A figure that was not reported for this long is not known: no alarm, and no end of one.
        stale_after: Duration, default "15m", within("1s", "168h");
        /// Logs that failstop does not rotate itself, for `log_file_size`. Absent: what the bot reports under that name.
        log_files: Vec<PathBuf>, default [];
        /// The size of the largest of `log_files`, or as the bot reports it, in bytes.
        log_file_size: LogFileSize, default {};
        /// Nonces a second, as the bot reports it. Low is bad: beyond a level is below it.
        nonce_rate: NonceRate, default {};
        /// By how much the reported count of reconnects rose within an hour.
        websocket_reconnects: Reconnects, default {};
        /// How many of `api_requests` were `api_errors` within five minutes, per cent, of at least 1000 requests; for an emergency of at
        /// least 200.
        api_error_rate: ApiErrorRate, default {};
        /// How many requests of the worst endpoint succeeded within five minutes, per cent, of at least 20. Low is bad: beyond a level is below it.
        api_endpoint_success: ApiEndpoint, default {};
        /// How many requests to one endpoint failed in a row.
        api_failures_in_a_row: ApiFailures, default {};
        /// How many orders or trades ended well within a day, per cent, of at least 20. Low is bad: beyond a level is below it.
        success_rate: SuccessRate, default {};
        /// With a [gate]: what an account lost of its opening equity in this trading day, per cent.
        daily_loss: DailyLoss, default {};
        /// The day's result in money: as the bot reports it, or with a [gate] its own, where no opening equity is known. Low is bad: beyond a level is below it.
        daily_pnl: DailyResult, default {};
        /// How long the venue took to say a balance, as the bot reports it, in seconds.
        balance_check_time: BalanceTime, default {};
        /// As the bot reports it, in milliseconds.
        websocket_latency: WebsocketLatency, default {};
        /// How long the venue took for an order, in seconds.
        trade_execution_time: ExecutionTime, default {};
        /// Figures of your own: each a [[thresholds.figure]].
        figure: Vec<Figure>, default [];
        /// Hints at what is unlike the last day.
        anomaly: Anomaly, default {};
    }
}

impl Consistent for Thresholds {
    fn check(&self, places: &Places<'_>, reading: &mut Reading<'_>) {
        let at = || places.first_of(&["figure"]);
        if self.figure.len() > MAX_FIGURES {
            let message = format!("{} has {} figures", places.label, self.figure.len());
            reading.refuse(Kind::OutOfRange, &at(), message, format!("write at most {MAX_FIGURES}"));
        }
        if self.log_files.len() > MAX_LOG_FILES {
            let message = format!("{} has {} log files", places.label, self.log_files.len());
            let help = format!("write at most {MAX_LOG_FILES}");
            reading.refuse(Kind::OutOfRange, &places.first_of(&["log_files"]), message, help);
        }
        let mut names: Vec<&str> = self.figure.iter().map(|figure| figure.name.as_str()).collect();
        if let Some(shipped) = names.iter().find(|name| self.rows().any(|(shipped, _)| shipped == **name)) {
            let message = format!("\"{shipped}\" is a figure that failstop knows already");
            reading.refuse(Kind::Duplicate, &at(), message, format!("write its levels below [thresholds.{shipped}]"));
        }
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]) {
            let message = format!("{} has two figures with the name \"{twice}\"", places.label);
            let help = format!("write another name, for example \"{twice}-2\"; `metric` may be the same");
            reading.refuse(Kind::Duplicate, &at(), message, help);
        }
    }
}

impl Thresholds {
    /// The shipped figures by name.
    pub fn rows(&self) -> impl Iterator<Item = (&'static str, Row)> {
        [
            ("log_file_size", self.log_file_size.row()),
            ("nonce_rate", self.nonce_rate.row()),
            ("websocket_reconnects", self.websocket_reconnects.row()),
            ("api_error_rate", self.api_error_rate.row()),
            ("api_endpoint_success", self.api_endpoint_success.row()),
            ("api_failures_in_a_row", self.api_failures_in_a_row.row()),
            ("success_rate", self.success_rate.row()),
            ("daily_loss", self.daily_loss.row()),
            ("daily_pnl", self.daily_pnl.row()),
            ("balance_check_time", self.balance_check_time.row()),
            ("websocket_latency", self.websocket_latency.row()),
            ("trade_execution_time", self.trade_execution_time.row()),
        ]
        .into_iter()
    }
}

/// Refuses figures of components that there are not.
pub(super) fn check(root: &Table, thresholds: &Thresholds, components: &[Component], reading: &mut Reading<'_>) {
    let known = || components.iter().map(|component| component.name.as_str());
    for figure in &thresholds.figure {
        let Some(name) = figure.component.as_ref().map(failstop_settings::Name::as_str) else { continue };
        if known().any(|one| one == name) {
            continue;
        }
        let help = match nearest(name, known()) {
            Some(known) => format!("did you mean \"{known}\"?"),
            None => format!("components: {}", known().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("the figure \"{}\" is of component \"{name}\", which there is not", figure.name);
        reading.refuse(Kind::UnknownName, &origin_in(root, "thresholds", 0, "figure"), message, help);
    }
}

/// The levels of a row as the core holds figures against them.
fn rule(side: Side, row: &Row) -> Rule {
    let level = |degree: Degree| match degree {
        Degree::Warning => row.warning.at(),
        Degree::Critical => row.critical.at(),
        Degree::Emergency => row.emergency,
    };
    Rule { side, levels: Degree::ALL.map(level), hold: row.hold, clear_for: row.clear_for, cooldown: row.cooldown }
}

/// What is wrong with two levels of one figure.
fn in_order(side: Side, warning: Mark, critical: Mark, places: &Places<'_>, reading: &mut Reading<'_>) {
    let (Some(warning), Some(critical)) = (warning.at(), critical.at()) else { return };
    let wrong = match side {
        Side::Above => critical < warning,
        Side::Below => critical > warning,
    };
    if wrong {
        let message = format!(
            "`critical` ({critical}) of {} is reached before `warning` ({warning}): what is {} it is bad",
            places.label,
            side.word()
        );
        let help = "write a `critical` that is as far as the warning or further, or warning = \"off\"";
        reading.refuse(Kind::Contradiction, &places.first_of(&["critical", "warning"]), message, help);
    }
}

#[cfg(test)]
mod tests;
