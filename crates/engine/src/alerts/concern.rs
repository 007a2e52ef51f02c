//! What people are told of and halts nothing, of the gate, the control listener, the configuration and the engine's host: one incident a
//! concern, as long as it holds.

use super::delivery::Delivery;
use super::notice::clock_time;
use crate::words::fnv1a;
use failstop_notify::{Change, Key, KeyFault, Notice, Severity};

/// Where those of the gate are explained.
const GATE: &str = "docs/runbooks/gate.md";

/// Where that of the control listener is.
const CONTROL: &str = "docs/runbooks/control.md";

/// Where a configuration that is not taken is.
const CONFIGURATION: &str = "docs/runbooks/configuration.md";

/// What people are told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// Four fifths of one of the venue's request budgets are used.
    ApiUsage,
    /// An order waits for somebody's confirmation.
    Confirmation,
    /// Much is lost in this trading day.
    LossWarning,
    /// More still.
    LossCritical,
    /// Too few orders end well.
    SuccessRate,
    /// The venue takes long.
    SlowOrders,
    /// The host is too busy for what only shows, and nothing brings that back by itself.
    StaysShed,
    /// Many who asked at the control listener proved nothing.
    Unproved,
    /// What the configuration file says is not in force.
    Configuration,
}

impl Delivery {
    /// Tells of an order that waits to be confirmed, or that it does not any more. Each has an incident of its own: its time is shorter
    /// than what people are spared of one incident's updates.
    pub fn confirmation(&mut self, client_id: &str, what: Option<&str>, at: jiff::Timestamp) {
        let words = Concern::Confirmation.words();
        let key = match Key::of(&self.sender().system, words.cause, None, fnv1a(client_id.as_bytes())) {
            Ok(key) => key,
            Err(fault) => return tracing::error!(%fault, "an alert has no key and is not sent"),
        };
        let notice = match what {
            Some(what) => begun(self, &words, what, Some(key), at),
            None if self.open_incidents(words.cause).contains(&key) => Ok(over(self, &words, key, at)),
            None => return,
        };
        match notice {
            Ok(notice) => self.report(notice),
            Err(fault) => tracing::error!(%fault, "an alert has no key and is not sent"),
        }
    }

    /// No order waits to be confirmed: those that an earlier life told of are over.
    pub fn confirmations_over(&mut self, at: jiff::Timestamp) {
        let words = Concern::Confirmation.words();
        for key in self.open_incidents(words.cause) {
            let notice = over(self, &words, key, at);
            self.report(notice);
        }
    }
}

struct Words {
    cause: &'static str,
    severity: Severity,
    title: &'static str,
    runbook: &'static str,
    why: &'static str,
    action: &'static str,
}

impl Concern {
    /// Every one.
    pub const ALL: [Self; 9] = [
        Self::ApiUsage,
        Self::Confirmation,
        Self::LossWarning,
        Self::LossCritical,
        Self::SuccessRate,
        Self::SlowOrders,
        Self::StaysShed,
        Self::Unproved,
        Self::Configuration,
    ];

    const fn words(self) -> Words {
        match self {
            Self::ApiUsage => Words {
                cause: "api-usage",
                severity: Severity::Warning,
                title: "the venue's request budget is nearly used",
                runbook: GATE,
                why: "the bot makes more requests than the venue allows for long",
                action: "let the bot ask less often; a venue that is asked too often locks the key out, and then nothing can be closed",
            },
            Self::Confirmation => Words {
                cause: "confirmation",
                severity: Severity::Warning,
                title: "an order waits to be confirmed",
                runbook: GATE,
                why: "it is worth more than `confirm_above`",
                action: "look at it (`failstop status --section risk`) and confirm it, or let its time pass",
            },
            Self::LossWarning => Words {
                cause: "loss-near",
                severity: Severity::Warning,
                title: "much is lost in this trading day",
                runbook: GATE,
                why: "12 % of an account's opening equity are lost, or 50 in money where no opening equity is known",
                action: "look at what the bot does; at the limit only what reduces is allowed",
            },
            Self::LossCritical => Words {
                cause: "loss-critical",
                severity: Severity::Critical,
                title: "very much is lost in this trading day",
                runbook: GATE,
                why: "15 % of an account's opening equity are lost, or 50 in money where no opening equity is known",
                action: "decide whether the bot goes on: `failstop kill-switch engage` stops it; at the limit only what reduces is allowed",
            },
            Self::SuccessRate => Words {
                cause: "success-rate",
                severity: Severity::Critical,
                title: "too few orders end well",
                runbook: GATE,
                why: "the venue refuses them, or the bot does not hear what becomes of them",
                action: "see what the bot says became of them: `failstop events --type order.outcome`",
            },
            Self::Configuration => Words {
                cause: "configuration",
                severity: Severity::Warning,
                title: "the configuration file is not in force",
                runbook: CONFIGURATION,
                why: "it is not valid, or it changes what needs a restart: all of it is left alone, and the one before stays in force",
                action: "see `failstop config diff`; mend the file, go back with `failstop config rollback`, or restart failstop",
            },
            Self::SlowOrders => Words {
                cause: "slow-orders",
                severity: Severity::Warning,
                title: "the venue takes long for orders",
                runbook: GATE,
                why: "the venue or the way to it is slow",
                action: "see how the venue is; prices move while an order waits",
            },
            Self::StaysShed => Words {
                cause: "monitoring-shed",
                severity: Severity::Warning,
                title: "dashboard and history stay shed",
                runbook: "docs/runbooks/monitoring-shed.md",
                why: "the host's processors or memory are nearly all in use, and were at each try to come back",
                action: "see what uses the host, then `failstop breaker reset`; trading goes on, guarded as before",
            },
            Self::Unproved => Words {
                cause: "control-unproved",
                severity: Severity::Warning,
                title: "many requests to the control listener prove nothing",
                runbook: CONTROL,
                why: "somebody guesses, or a program has a token or a key that is none any more",
                action: "see from where (`failstop events --type x.failstop.control_unproved`); if it is none of yours, close the port to it",
            },
        }
    }
}

impl Delivery {
    /// Tells that something concerns people, with what it is; or that it does not any more.
    pub fn concern(&mut self, concern: Concern, what: Option<&str>, at: jiff::Timestamp) {
        let words = concern.words();
        let open = self.open_incident(words.cause);
        let notice = match (what, open) {
            (Some(what), key) => begun(self, &words, what, key, at),
            (None, Some(key)) => Ok(over(self, &words, key, at)),
            (None, None) => return,
        };
        match notice {
            Ok(notice) => self.report(notice),
            Err(fault) => tracing::error!(%fault, "an alert has no key and is not sent"),
        }
    }
}

fn begun(
    delivery: &Delivery,
    words: &Words,
    what: &str,
    open: Option<Key>,
    at: jiff::Timestamp,
) -> Result<Notice, KeyFault> {
    let system = &delivery.sender().system;
    let number = u64::try_from(at.as_second()).unwrap_or_default();
    let key = match open {
        Some(key) => key,
        None => Key::of(system, words.cause, None, number)?,
    };
    let mut notice = of(delivery, words, key, Change::Trigger, format!("{system}: {}", words.title), at);
    notice.message = format!("At {}: {what}.", clock_time(at));
    notice.root_cause = Some(words.why.to_owned());
    notice.recommended_action = Some(words.action.to_owned());
    Ok(notice)
}

fn over(delivery: &Delivery, words: &Words, key: Key, at: jiff::Timestamp) -> Notice {
    let title = format!("{}: over: {}", delivery.sender().system, words.title);
    let mut notice = of(delivery, words, key, Change::Resolve, title, at);
    notice.message = format!("At {}: it is so no more.", clock_time(at));
    notice
}

fn of(delivery: &Delivery, words: &Words, key: Key, change: Change, title: String, at: jiff::Timestamp) -> Notice {
    let sender = delivery.sender();
    let mut notice = Notice::new(key, change, words.severity, title, at);
    notice.system.clone_from(&sender.system);
    notice.environment.clone_from(&sender.environment);
    words.cause.clone_into(&mut notice.cause);
    notice.runbook = Some(words.runbook.to_owned());
    notice
}
