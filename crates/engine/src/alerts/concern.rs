//! What people are told of and halts nothing, of the gate, the books, the control listener, the configuration and the engine's host: one
//! incident a concern, as long as it holds.

use super::delivery::{Delivery, Kind};
use super::notice::clock_time;
use failstop_notify::{Change, Key, Nature, Notice, Severity};

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
    /// Orders wait for somebody's confirmation.
    Confirmation,
    /// Much is lost in this trading day.
    LossWarning,
    /// More still.
    LossCritical,
    /// The host is too busy for what only shows, and nothing brings that back by itself.
    StaysShed,
    /// Many who asked at the control listener proved nothing.
    Unproved,
    /// What the configuration file says is not in force.
    Configuration,
    /// Suspense that nobody explained for too long.
    Suspense,
    /// Nobody is heard over Telegram.
    Telegram,
    /// Failstop itself uses more than it may.
    Footprint,
    /// A source of metrics does not say them.
    Metrics,
    /// The engine itself stood still for long.
    StoodStill,
    /// The runtime directory was removed under the engine.
    RuntimeDirectory,
}

impl Delivery {
    /// Tells which orders wait to be confirmed, each in words; none any more where there is none. One incident as long as any waits: a bot
    /// that asks again and again wakes nobody each time. What joins it is news of it, which comes no oftener than its cooldown allows.
    pub fn confirmations(&mut self, waiting: &[String], at: jiff::Timestamp) {
        let words = Concern::Confirmation.words();
        let Some((first, more)) = waiting.split_first() else {
            return self.end_open(&words, at);
        };
        let Some(key) = self.open_or_new(&words, at) else { return };
        let mut notice = if more.is_empty() {
            begun(self, &words, first, key, at)
        } else {
            let title = format!("{} orders wait to be confirmed", waiting.len());
            let named = waiting.iter().take(CONFIRMATIONS_NAMED).cloned().collect::<Vec<_>>().join("; ");
            let rest = waiting.len().saturating_sub(CONFIRMATIONS_NAMED);
            let rest = if rest > 0 { format!("; and {rest} more") } else { String::new() };
            begun(self, &Words { title: &title, ..words }, &format!("{named}{rest}"), key, at)
        };
        notice.metadata.push(("waiting".to_owned(), waiting.len().to_string()));
        self.report(notice);
    }
}

/// How many orders that wait to be confirmed a message names.
const CONFIRMATIONS_NAMED: usize = 5;

struct Words<'a> {
    cause: &'static str,
    severity: Severity,
    title: &'a str,
    runbook: &'static str,
    why: &'static str,
    action: &'static str,
}

impl Words<'_> {
    const fn kind(&self) -> Kind {
        Kind { cause: self.cause, severity: self.severity, nature: Nature::Other, runbook: self.runbook }
    }
}

impl Concern {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::ApiUsage,
        Self::Confirmation,
        Self::LossWarning,
        Self::LossCritical,
        Self::StaysShed,
        Self::Unproved,
        Self::Configuration,
        Self::Suspense,
        Self::Telegram,
        Self::Footprint,
        Self::Metrics,
        Self::StoodStill,
        Self::RuntimeDirectory,
    ];

    /// Those of the gate, but for [`Concern::Confirmation`], which says what joins it.
    pub const OF_GATE: [Self; 3] = [Self::ApiUsage, Self::LossWarning, Self::LossCritical];

    const fn words(self) -> Words<'static> {
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
                why: "an account lost the warning share of its opening equity ([thresholds.daily_loss]), or as much in money as [thresholds.daily_pnl] says where that is not known",
                action: "look at what the bot does; at the limit only what reduces is allowed",
            },
            Self::LossCritical => Words {
                cause: "loss-critical",
                severity: Severity::Critical,
                title: "very much is lost in this trading day",
                runbook: GATE,
                why: "an account lost the critical share of its opening equity ([thresholds.daily_loss]), or as much in money as [thresholds.daily_pnl] says where that is not known",
                action: "decide whether the bot goes on: `failstop kill-switch engage` stops it; at the limit only what reduces is allowed",
            },
            Self::Configuration => Words {
                cause: "configuration",
                severity: Severity::Warning,
                title: "the configuration file is not in force",
                runbook: CONFIGURATION,
                why: "it is not valid, or it changes what needs a restart: all of it is left alone, and the one before stays in force",
                action: "see `failstop config diff`; mend the file, go back with `failstop config rollback`, or restart failstop",
            },
            Self::Footprint => Words {
                cause: "footprint",
                severity: Severity::Warning,
                title: "failstop itself uses more than it may",
                runbook: "docs/runbooks/footprint.md",
                why: "much is asked of it, or something is wrong with it: a cap of [footprint] is exceeded",
                action: "see `failstop status` and who asks its doors; trading goes on, guarded as before, and what only shows is shed",
            },
            Self::Metrics => Words {
                cause: "metrics-source",
                severity: Severity::Warning,
                title: "a source of metrics does not say them",
                runbook: "docs/runbooks/metrics.md",
                why: "its program fails, or its endpoint does not answer; what it said grows stale",
                action: "see `failstop status` and `failstop check --only metrics,metrics-endpoints`; nothing is halted for it",
            },
            Self::StoodStill => Words {
                cause: "stood-still",
                severity: Severity::Warning,
                title: "failstop itself stood still",
                runbook: "docs/runbooks/stood-still.md",
                why: "its process was stopped, its machine was paused, or the host had no processor for it; a standstill ends no bot",
                action: "look at the venue for what was done meanwhile; let systemd (`WatchdogSec`) or the watchdog on another host end an engine that stands still",
            },
            Self::RuntimeDirectory => Words {
                cause: "runtime-directory",
                severity: Severity::Critical,
                title: "the runtime directory is gone",
                runbook: "docs/runbooks/runtime-directory.md",
                why: "somebody, or something that tidies up (systemd's RemoveIPC, a rule of tmpfiles), removed it under the engine",
                action: "restart failstop: what runs keeps its permit, but no command reaches the engine any more and no component that starts gets a permit; `failstop kill-switch engage` works",
            },
            Self::Telegram => Words {
                cause: "telegram-commands",
                severity: Severity::Warning,
                title: "commands over Telegram are not heard",
                runbook: "docs/runbooks/telegram.md",
                why: "Telegram does not answer, does not take the bot's token, or somebody else takes the bot's messages",
                action: "stop by another way if you must: `failstop kill-switch engage`, or the page; see `failstop check --only telegram`",
            },
            Self::Suspense => Words {
                cause: "suspense",
                severity: Severity::Warning,
                title: "money stands unexplained",
                runbook: "docs/runbooks/suspense.md",
                why: "what was posted to the outside account \"suspense\" was not posted on in time",
                action: "find out what it was, and post it from suspense to where it belongs; trading goes on",
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
                title: "many who ask for control prove nothing",
                runbook: CONTROL,
                why: "somebody guesses, a program has a token or a key that is none any more, or strangers write to the bot in Telegram",
                action: "see from where (`failstop events --type x.failstop.control_unproved`); if it is none of yours, close the port to it; Telegram's strangers get no answer",
            },
        }
    }
}

impl Delivery {
    /// Tells that something concerns people, with what it is; or that it does not any more.
    pub fn concern(&mut self, concern: Concern, what: Option<&str>, at: jiff::Timestamp) {
        let words = concern.words();
        let Some(what) = what else {
            return self.end_open(&words, at);
        };
        let Some(key) = self.open_or_new(&words, at) else { return };
        let notice = begun(self, &words, what, key, at);
        self.report(notice);
    }

    /// The incident that is open, or a new one; none, and an error in the log, where it can have no key.
    fn open_or_new(&self, words: &Words<'_>, at: jiff::Timestamp) -> Option<Key> {
        if let Some(open) = self.open_incidents(words.cause).into_iter().next() {
            return Some(open);
        }
        match self.key_from(words.cause, None, u64::try_from(at.as_second()).unwrap_or_default()) {
            Ok((key, _)) => Some(key),
            Err(fault) => {
                tracing::error!(%fault, "an alert has no key and is not sent");
                None
            }
        }
    }

    /// Tells that whatever is open of it is over.
    fn end_open(&mut self, words: &Words<'_>, at: jiff::Timestamp) {
        for key in self.open_incidents(words.cause) {
            let notice = over(self, words, key, at);
            self.report(notice);
        }
    }
}

fn begun(delivery: &Delivery, words: &Words<'_>, what: &str, key: Key, at: jiff::Timestamp) -> Notice {
    let mut notice = delivery.notice(words.kind(), key, Change::Trigger, words.title, at);
    notice.message = format!("At {}: {what}.", clock_time(at));
    notice.root_cause = Some(words.why.to_owned());
    notice.recommended_action = Some(words.action.to_owned());
    notice
}

fn over(delivery: &Delivery, words: &Words<'_>, key: Key, at: jiff::Timestamp) -> Notice {
    let title = format!("over: {}", words.title);
    let mut notice = delivery.notice(words.kind(), key, Change::Resolve, &title, at);
    notice.message = format!("At {}: it is so no more.", clock_time(at));
    notice
}
