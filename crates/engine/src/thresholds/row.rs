//! Which figures there are, by the configuration: what each is, where it comes from, and the levels that it is held against.

use crate::config::{Basis, Config};
use failstop_core::{Rule, Slot, Trigger};

/// Where a figure comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A metric of this name; where a component is named, only as that one reports it.
    Metric {
        /// Its name.
        name: String,
        /// Whose.
        component: Option<Slot>,
    },
    /// The largest of the log files that are configured.
    LogFile,
    /// Reconnects of WebSockets within an hour.
    Reconnects,
    /// Errors of all requests to APIs.
    Errors,
    /// Success of the worst endpoint.
    Endpoint,
    /// Failures of one endpoint in a row.
    Failures,
    /// Orders or trades that end well.
    Success,
    /// What is lost of the opening equity.
    Loss,
    /// The day's result in money.
    Result,
    /// How long an order takes.
    Execution,
}

/// What bots report the time of an order as.
pub const EXECUTION: &str = "trade_execution_time";

impl Source {
    /// The metric that it is, as this component reports it.
    pub fn metric(&self, who: Slot) -> Option<&str> {
        match self {
            Self::Metric { name, component } => component.is_none_or(|component| component == who).then_some(name),
            Self::Result => Some(DAILY_RESULT),
            Self::Execution => Some(EXECUTION),
            Self::LogFile
            | Self::Reconnects
            | Self::Errors
            | Self::Endpoint
            | Self::Failures
            | Self::Success
            | Self::Loss => None,
        }
    }

    /// Whether it comes of orders, and so is looked at with each of them.
    pub const fn is_of_orders(&self) -> bool {
        match self {
            Self::Success | Self::Execution => true,
            Self::Metric { .. }
            | Self::LogFile
            | Self::Reconnects
            | Self::Errors
            | Self::Endpoint
            | Self::Failures
            | Self::Loss
            | Self::Result => false,
        }
    }

    /// Whether it is looked at with every measurement: what may end in shutdown must not wait, and a row is seen only by looking often.
    pub const fn is_urgent(&self) -> bool {
        match self {
            Self::Errors | Self::Endpoint | Self::Failures | Self::Result => true,
            Self::Metric { .. } | Self::LogFile | Self::Reconnects | Self::Success | Self::Loss | Self::Execution => {
                false
            }
        }
    }
}

impl Source {
    /// Whether a report of this metric is the whole figure, and may end in shutdown: it is judged with the report. A share of several counts is
    /// not: between the reports of two of them it is wrong.
    pub fn is_judged_with(&self, metric: &str) -> bool {
        match self {
            Self::Result => metric == DAILY_RESULT,
            Self::Metric { .. }
            | Self::LogFile
            | Self::Reconnects
            | Self::Errors
            | Self::Endpoint
            | Self::Failures
            | Self::Success
            | Self::Loss
            | Self::Execution => false,
        }
    }
}

/// The metric that is the day's result in money.
pub const DAILY_RESULT: &str = "daily_pnl";

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Its name.
    pub name: String,
    /// The key that sets its levels.
    pub key: String,
    /// The component that it is of, where it is one's alone.
    pub component: Option<String>,
    /// Its unit, for people; empty where nobody says.
    pub unit: String,
    /// Where it comes from.
    pub source: Source,
    /// Its levels.
    pub rule: Rule,
    /// What an emergency is to the core.
    pub trigger: Option<Trigger>,
    /// Who decided its levels.
    pub basis: Basis,
}

/// All of them, the shipped ones first.
pub fn rows(config: &Config) -> Vec<Row> {
    let metric = |name: &str| Source::Metric { name: name.to_owned(), component: None };
    let shipped = config.thresholds.rows().map(|(name, row)| {
        let (source, unit, trigger) = match name {
            "websocket_reconnects" => (Source::Reconnects, "within an hour", None),
            "api_error_rate" => (Source::Errors, "%", Some(Trigger::ApiErrors)),
            "api_endpoint_success" => (Source::Endpoint, "%", None),
            "api_failures_in_a_row" => (Source::Failures, "", None),
            "success_rate" => (Source::Success, "%", None),
            "daily_loss" => (Source::Loss, "%", None),
            DAILY_RESULT => (Source::Result, "", Some(Trigger::DailyLoss)),
            "trade_execution_time" => (Source::Execution, "s", None),
            "balance_check_time" => (metric(name), "s", None),
            "log_file_size" if !config.thresholds.log_files.is_empty() => (Source::LogFile, "bytes", None),
            "log_file_size" => (metric(name), "bytes", None),
            "nonce_rate" => (metric(name), "per second", None),
            "websocket_latency" => (metric(name), "ms", None),
            other => (metric(other), "", None),
        };
        let key = format!("thresholds.{name}");
        let basis = basis_of(config, &key);
        Row {
            name: name.to_owned(),
            key,
            component: None,
            unit: unit.to_owned(),
            source,
            rule: row.rule(),
            trigger,
            basis,
        }
    });
    let own = config.thresholds.figure.iter().map(|figure| {
        let component = figure.component.as_ref().map(|name| name.as_str().to_owned());
        let slot = config.components.iter().position(|one| Some(&one.name) == figure.component.as_ref());
        Row {
            name: figure.name.as_str().to_owned(),
            key: "thresholds.figure".to_owned(),
            source: Source::Metric { name: figure.metric().to_owned(), component: slot.and_then(Slot::component) },
            component,
            unit: figure.unit.clone().unwrap_or_default(),
            rule: figure.rule(),
            trigger: None,
            basis: Basis::Written,
        }
    });
    shipped.chain(own).collect()
}

/// Who decided the levels of a shipped figure: whoever wrote one of them, else the profile.
fn basis_of(config: &Config, key: &str) -> Basis {
    let levels = ["warning", "critical", "emergency_times"];
    let of = |value: &crate::config::Effective| {
        let level = value.key.strip_prefix(key)?.strip_prefix('.')?;
        levels.contains(&level).then_some(value.basis)
    };
    config.values.iter().filter_map(of).max().unwrap_or(Basis::BuiltIn)
}
