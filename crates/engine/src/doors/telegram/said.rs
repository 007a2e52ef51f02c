//! What a text asks for: a question, an order, or nothing. Pure. Nothing is decided here but whether it is well said.

use crate::access::{Access, Control, Role};
use crate::command::{BooksOrder, Command, GateOrder};
use crate::doors::control::wire;
use core::time::Duration;
use failstop_client::status::EndKind;
use failstop_core::gate::{LimitName, Scope};
use failstop_core::{HaltId, Mode, Order, Slot};
use failstop_journal::ledger::{Outcome, Statement};
use serde_json::json;

/// Why the emergency stop was ordered, where nobody says: it does not wait for a reason.
const NO_REASON: &str = "ordered over Telegram";

/// What a text asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// Something that changes nothing.
    Question(Question),
    /// A control.
    Order(What),
    /// A command that is not well said; the text says how.
    Wrong(String),
    /// No command: perhaps a confirmation.
    Text,
}

/// Something that changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// Which commands there are.
    Help,
    /// As what one is known.
    WhoAmI,
    /// How everything stands.
    Status,
    /// The verdict with its reasons.
    Health,
    /// Open incidents.
    Alerts,
    /// Open orders.
    Orders,
    /// Limits, results, positions.
    Risk,
    /// Rates.
    Rates,
    /// Prices.
    Feeds,
}

/// A control with all that it needs.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// An order to the core.
    Operate {
        /// Which.
        order: Order,
        /// Why.
        reason: String,
    },
    /// The end of the engine.
    End {
        /// For good or to be started again.
        kind: EndKind,
        /// Why.
        reason: String,
    },
    /// An incident is taken on.
    Acknowledge {
        /// Which.
        id: String,
    },
    /// A test message.
    TestAlerts {
        /// To this channel only.
        channel: Option<String>,
    },
    /// Something that goes into the books.
    Book(BooksOrder),
    /// A word to the gate.
    Gate(GateOrder),
    /// Everything is shown again.
    ResetBreaker,
    /// What the configuration file would change.
    CompareConfig,
    /// The configuration file is taken.
    ReloadConfig,
}

impl What {
    /// As the loop takes it.
    pub fn command(self, by: Access) -> Command {
        match self {
            Self::Operate { order, reason } => Command::Operate { order, reason, by },
            // This process is the engine that is meant: there is no other epoch to end.
            Self::End { kind, reason } => Command::End { kind, expected_epoch: None, reason, by },
            Self::Acknowledge { id } => Command::AcknowledgeAlert { id, by },
            Self::TestAlerts { channel } => Command::TestAlerts { channel, by },
            Self::Book(what) => Command::Book { what, by },
            Self::Gate(what) => Command::Gate { what, by },
            Self::ResetBreaker => Command::ResetBreaker { by },
            Self::CompareConfig => Command::CompareConfig { by },
            Self::ReloadConfig => Command::ReloadConfig { set: Vec::new(), by },
        }
    }

    /// Whether it is the emergency stop, which waits for nothing.
    pub fn is_emergency_stop(&self) -> bool {
        matches!(self, Self::Operate { order: Order::KillSwitchEngage, .. })
    }

    /// Whether it releases the kill switch.
    pub fn is_release(&self) -> bool {
        matches!(self, Self::Operate { order: Order::KillSwitchRelease, .. })
    }

    /// What would be done, for whoever is to confirm it.
    pub fn words(&self, components: &[String]) -> String {
        let name = |slot: &Slot| slot.index().and_then(|index| components.get(index)).map_or("?", String::as_str);
        match self {
            Self::Operate { order, reason } => {
                let what = match order {
                    Order::Resume(halts) if halts.is_empty() => {
                        "release every latched halt but the kill switch".to_owned()
                    }
                    Order::Resume(halts) => {
                        let halts: Vec<String> = halts.iter().map(|HaltId(number)| format!("h-{number}")).collect();
                        format!("release {}", halts.join(", "))
                    }
                    Order::KillSwitchEngage => "engage the kill switch".to_owned(),
                    Order::KillSwitchRelease => "release the kill switch".to_owned(),
                    Order::Mode(Mode::Dry) => "set the mode to dry".to_owned(),
                    Order::Mode(Mode::Live) => "set the mode to LIVE: orders reach the exchange".to_owned(),
                    Order::MaintenanceOn { span, keep_trading } => {
                        let trading = if *keep_trading { "trading goes on" } else { "nothing is opened" };
                        format!("begin maintenance for {}, {trading}", failstop_view::duration::duration(*span))
                    }
                    Order::MaintenanceOff => "end maintenance".to_owned(),
                    Order::StopComponent(slot) => format!("stop {}", name(slot)),
                    Order::StartComponent(slot) => format!("start {}", name(slot)),
                    Order::RestartComponent(slot) => format!("restart {}", name(slot)),
                    Order::ReloadComponent(slot) => format!("have {} read its configuration", name(slot)),
                };
                because(what, reason)
            }
            Self::End { kind: EndKind::Stop, reason } => because(
                "stop the engine and all components; nobody hears you here until somebody starts it".to_owned(),
                reason,
            ),
            Self::End { kind: EndKind::Restart, reason } => {
                because("restart the engine and all components".to_owned(), reason)
            }
            Self::Acknowledge { id } => format!("take on {id}"),
            Self::TestAlerts { channel: Some(channel) } => format!("send a test alert to {channel}"),
            Self::TestAlerts { channel: None } => "send a test alert to every channel".to_owned(),
            Self::Book(BooksOrder::TakeSnapshot { reason }) => because("take a snapshot".to_owned(), reason),
            Self::Book(BooksOrder::ResolveOrder { id, outcome, reason, source: _ }) => {
                because(format!("record that the order {id} was {}", outcome.name()), reason)
            }
            Self::Book(BooksOrder::Statement(statement)) => {
                format!("compare the statement {} of {} with the book", statement.id, statement.account)
            }
            Self::Book(BooksOrder::Correct { statement, pool, reason }) => {
                let pool = pool.as_ref().map_or_else(String::new, |pool| format!(" (pool {pool})"));
                let what = format!(
                    "make the book agree with the statement {} of {}{pool}, what differs against suspense",
                    statement.id, statement.account
                );
                because(what, reason)
            }
            Self::Gate(GateOrder::Override { limit, scope, of, value, span, reason }) => {
                let whose = of.as_ref().map_or_else(String::new, |of| format!(" of {} {of}", scope.name()));
                let span = failstop_view::duration::duration(*span);
                because(format!("set the limit {}{whose} to {value} for {span}", limit.name()), reason)
            }
            Self::Gate(GateOrder::EndOverride { name }) => format!("end the override {name}"),
            Self::Gate(GateOrder::Confirm { client_id }) => format!("let the order {client_id} go to the exchange"),
            Self::ResetBreaker => "have everything shown again".to_owned(),
            Self::CompareConfig => "say what of the configuration file is not in force".to_owned(),
            Self::ReloadConfig => "take the configuration file as it is now".to_owned(),
        }
    }
}

fn because(what: String, reason: &str) -> String {
    if reason.is_empty() { what } else { format!("{what} (reason: {reason})") }
}

/// Whether a control waits for a confirmation. What tightens never does, nor what only informs; what loosens always does, and so does
/// what ends the engine (nobody would hear the phone afterwards) or goes into the books.
pub(super) const fn waits(control: Control) -> bool {
    match control {
        Control::EmergencyStop
        | Control::ModeDry
        | Control::StopComponent
        | Control::AcknowledgeAlert
        | Control::TestAlerts
        | Control::TakeSnapshot
        | Control::ResetBreaker
        | Control::CompareConfig => false,
        Control::Resume
        | Control::ModeLive
        | Control::ReleaseKillSwitch
        | Control::MaintenanceOn
        | Control::MaintenanceOff
        | Control::StopEngine
        | Control::RestartEngine
        | Control::StartComponent
        | Control::RestartComponent
        | Control::ReloadComponent
        | Control::ResolveOrder
        | Control::Import
        | Control::CorrectBooks
        | Control::ConfirmOrder
        | Control::OverrideLimit
        | Control::EndOverride
        | Control::ReloadConfig => true,
    }
}

/// A line of the help.
pub(super) struct Line {
    /// The least role that it is for.
    pub least: Role,
    /// How it is written.
    pub usage: &'static str,
    /// What it does.
    pub about: &'static str,
}

const fn line(least: Role, usage: &'static str, about: &'static str) -> Line {
    Line { least, usage, about }
}

/// Every command, as the help lists it.
pub(super) static HELP: [Line; 30] = {
    use Role::{Admin, SuperAdmin, Viewer};
    [
        line(Viewer, "/system_status", "how everything stands"),
        line(Viewer, "/health", "the verdict and why"),
        line(Viewer, "/alerts", "open incidents"),
        line(Viewer, "/orders", "open orders, and those in doubt"),
        line(Viewer, "/risk_summary", "limits, results, what waits to be confirmed"),
        line(Viewer, "/rate_limits", "what is used of each rate"),
        line(Viewer, "/price_feeds", "prices and their sources"),
        line(Viewer, "/whoami", "your number and role"),
        line(Admin, "/emergency_stop [REASON]", "engages the kill switch, at once"),
        line(Admin, "/execution_mode dry [REASON]", "paper only, at once"),
        line(Admin, "/component stop|start|restart|reload NAME [REASON]", "one component"),
        line(Admin, "/ack ID", "takes an incident on"),
        line(Admin, "/alerts_test [CHANNEL]", "sends a test alert"),
        line(Admin, "/snapshot [REASON]", "takes a snapshot"),
        line(Admin, "/order_resolve ID OUTCOME REASON", "says what became of an order"),
        line(Admin, "/order_confirm ID", "lets an order go that waits for it"),
        line(Admin, "/import STATEMENT", "compares a venue's statement (JSON) with the book"),
        line(Admin, "/breaker_reset", "has everything shown again"),
        line(Admin, "/config_diff", "what of the configuration file is not in force"),
        line(Admin, "/stop_engine [REASON]", "stops everything, this too"),
        line(Admin, "/restart_engine REASON", "restarts everything"),
        line(SuperAdmin, "/emergency_resume REASON", "releases the kill switch"),
        line(SuperAdmin, "/resume [h-N ...] REASON", "releases latched halts"),
        line(SuperAdmin, "/execution_mode live REASON", "orders reach the exchange"),
        line(SuperAdmin, "/maintenance_mode on 30m [keep-trading] REASON", "begins maintenance"),
        line(SuperAdmin, "/maintenance_mode off [REASON]", "ends it"),
        line(SuperAdmin, "/import_correct STATEMENT", "makes the book agree with it (JSON with a reason)"),
        line(SuperAdmin, "/limit_override LIMIT VALUE 1h [component:NAME] REASON", "another limit for a while"),
        line(SuperAdmin, "/limit_end NAME", "ends that"),
        line(SuperAdmin, "/config_reload", "takes the configuration file"),
    ]
};

/// What a text asks for; `components` are those of the configuration, in order.
pub(super) fn read(text: &str, components: &[String]) -> Said {
    let text = text.trim();
    let Some(command) = text.strip_prefix('/') else { return Said::Text };
    let (word, rest) = split(command);
    // In a chat with several bots a command names its bot; here there is one.
    let word = word.split('@').next().unwrap_or_default().to_ascii_lowercase();
    match command_of(&word, rest, components) {
        Ok(said) => said,
        Err(wrong) => Said::Wrong(wrong),
    }
}

fn command_of(word: &str, rest: &str, components: &[String]) -> Result<Said, String> {
    let asks = |question| Ok(Said::Question(question));
    match word {
        "start" | "help" => return asks(Question::Help),
        "whoami" => return asks(Question::WhoAmI),
        "system_status" | "status" => return asks(Question::Status),
        "health" => return asks(Question::Health),
        "alerts" => return asks(Question::Alerts),
        "orders" => return asks(Question::Orders),
        "risk_summary" | "risk" | "limits" | "positions" => return asks(Question::Risk),
        "rate_limits" | "rates" => return asks(Question::Rates),
        "price_feeds" | "feeds" => return asks(Question::Feeds),
        "kill_switch" if rest == "status" => return asks(Question::Status),
        // Without more they ask.
        "execution_mode" | "mode" | "maintenance_mode" | "maintenance" | "kill_switch" if rest.is_empty() => {
            return asks(Question::Status);
        }
        _ => {}
    }
    order_of(word, rest, components).map(Said::Order)
}

fn order_of(word: &str, rest: &str, components: &[String]) -> Result<What, String> {
    let operate = |order, reason: String| Ok(What::Operate { order, reason });
    match word {
        "emergency_stop" => Ok(stop(rest)),
        "emergency_resume" => operate(Order::KillSwitchRelease, needed(rest, "/emergency_resume REASON")?),
        "kill_switch" => match split(rest) {
            ("engage", reason) => Ok(stop(reason)),
            ("release", reason) => operate(Order::KillSwitchRelease, needed(reason, "/kill_switch release REASON")?),
            _ => Err(usage("/kill_switch engage [REASON], or /kill_switch release REASON")),
        },
        "resume" => {
            let (halts, reason) = halts(rest)?;
            operate(Order::Resume(halts), needed(reason, "/resume [h-31 ...] REASON")?)
        }
        "execution_mode" | "mode" => match split(rest) {
            ("dry", reason) => operate(Order::Mode(Mode::Dry), wire::cut(reason)),
            ("live", reason) => operate(Order::Mode(Mode::Live), needed(reason, "/execution_mode live REASON")?),
            _ => Err(usage("/execution_mode dry [REASON], or /execution_mode live REASON")),
        },
        "maintenance_mode" | "maintenance" => maintenance(rest),
        "component" => component(rest, components),
        "ack" => {
            let (id, _) = one(rest, "/ack ID, as /alerts shows it")?;
            if id.len() > wire::ALERT_ID_MAX_BYTES {
                return Err(format!("an incident's id has at most {} bytes", wire::ALERT_ID_MAX_BYTES));
            }
            Ok(What::Acknowledge { id: id.to_owned() })
        }
        "alerts_test" => Ok(What::TestAlerts { channel: (!rest.is_empty()).then(|| split(rest).0.to_owned()) }),
        "snapshot" => Ok(What::Book(BooksOrder::TakeSnapshot { reason: optional(rest)? })),
        "order_resolve" => resolve(rest),
        "order_confirm" => {
            let (id, _) = one(rest, "/order_confirm ID, as /risk_summary shows it")?;
            Ok(What::Gate(GateOrder::Confirm { client_id: id.to_owned() }))
        }
        "import" => {
            let statement: Statement = serde_json::from_str(rest)
                .map_err(|error| format!("this is no statement: {error}. Write /import and its JSON behind it"))?;
            Ok(What::Book(BooksOrder::Statement(Box::new(statement))))
        }
        "import_correct" => {
            let wire::CorrectBooks { statement, pool, reason } = serde_json::from_str(rest).map_err(|error| {
                format!("this is no correction: {error}. Write /import_correct {{\"statement\": ..., \"reason\": ...}}")
            })?;
            let reason = needed(reason.trim(), "it into the JSON")?;
            Ok(What::Book(BooksOrder::Correct { statement: Box::new(statement), pool, reason }))
        }
        "limit_override" => limit(rest),
        "limit_end" => {
            let (name, _) = one(rest, "/limit_end NAME, as /risk_summary shows it")?;
            Ok(What::Gate(GateOrder::EndOverride { name: name.to_owned() }))
        }
        "breaker_reset" => Ok(What::ResetBreaker),
        "config_diff" => Ok(What::CompareConfig),
        "config_reload" => Ok(What::ReloadConfig),
        "stop_engine" => Ok(What::End { kind: EndKind::Stop, reason: why_stopped(rest) }),
        "restart_engine" => Ok(What::End { kind: EndKind::Restart, reason: needed(rest, "/restart_engine REASON")? }),
        _ => Err("there is no such command; /help lists them".to_owned()),
    }
}

/// However long its reason is, and with none: it waits for nothing.
fn stop(reason: &str) -> What {
    What::Operate { order: Order::KillSwitchEngage, reason: why_stopped(reason) }
}

fn why_stopped(reason: &str) -> String {
    if reason.is_empty() { NO_REASON.to_owned() } else { wire::cut(reason) }
}

fn maintenance(rest: &str) -> Result<What, String> {
    const USAGE: &str = "/maintenance_mode on 30m [keep-trading] REASON, or /maintenance_mode off [REASON]";
    match split(rest) {
        ("off", reason) => Ok(What::Operate { order: Order::MaintenanceOff, reason: optional(reason)? }),
        ("on", rest) => {
            let (span, rest) = one(rest, USAGE)?;
            let span = time(span, wire::MAINTENANCE_MAX_SECONDS)?;
            let (keep_trading, reason) = match split(rest) {
                ("keep-trading", reason) => (true, reason),
                _ => (false, rest),
            };
            Ok(What::Operate { order: Order::MaintenanceOn { span, keep_trading }, reason: needed(reason, USAGE)? })
        }
        _ => Err(usage(USAGE)),
    }
}

fn component(rest: &str, components: &[String]) -> Result<What, String> {
    const USAGE: &str = "/component stop|start|restart|reload NAME [REASON]";
    let (verb, rest) = one(rest, USAGE)?;
    let (name, reason) = one(rest, USAGE)?;
    let order: fn(Slot) -> Order = match verb {
        "stop" => Order::StopComponent,
        "start" => Order::StartComponent,
        "restart" => Order::RestartComponent,
        "reload" => Order::ReloadComponent,
        _ => return Err(usage(USAGE)),
    };
    let slot = components.iter().position(|known| known == name).and_then(Slot::component);
    let slot =
        slot.ok_or_else(|| format!("there is no component of that name; there is: {}", components.join(", ")))?;
    let order = order(slot);
    let reason = if matches!(order, Order::StopComponent(_)) { wire::cut(reason) } else { optional(reason)? };
    Ok(What::Operate { order, reason })
}

fn resolve(rest: &str) -> Result<What, String> {
    const USAGE: &str = "/order_resolve ID OUTCOME REASON";
    let (id, rest) = one(rest, USAGE)?;
    let (word, reason) = one(rest, USAGE)?;
    let outcome: Outcome = serde_json::from_value(json!(word))
        .map_err(|_| "an outcome is accepted, filled, cancelled, rejected, expired or not-sent".to_owned())?;
    let reason = needed(reason, USAGE)?;
    Ok(What::Book(BooksOrder::ResolveOrder { id: id.to_owned(), outcome, reason, source: None }))
}

fn limit(rest: &str) -> Result<What, String> {
    const USAGE: &str = "/limit_override LIMIT VALUE 1h [component:NAME|instrument:NAME|user:NAME] REASON";
    let (name, rest) = one(rest, USAGE)?;
    let (value, rest) = one(rest, USAGE)?;
    let (span, rest) = one(rest, USAGE)?;
    let limit = LimitName::ALL.into_iter().find(|known| known.name() == name);
    let limit = limit.ok_or_else(|| format!("limits are: {}", LimitName::ALL.map(LimitName::name).join(", ")))?;
    let span = time(span, wire::OVERRIDE_MAX_SECONDS)?;
    let (word, after) = split(rest);
    let scope = word.split_once(':').and_then(|(scope, of)| {
        let scope = match scope {
            "component" => Scope::Component,
            "instrument" => Scope::Instrument,
            "user" => Scope::User,
            _ => return None,
        };
        Some((scope, of.to_owned()))
    });
    let (scope, of, reason) = match scope {
        Some((scope, of)) => (scope, Some(of), after),
        None => (Scope::System, None, rest),
    };
    let reason = needed(reason, USAGE)?;
    Ok(What::Gate(GateOrder::Override { limit, scope, of, value: value.to_owned(), span, reason }))
}

/// Halts at the beginning, and what stands behind them.
fn halts(mut rest: &str) -> Result<(Vec<HaltId>, &str), String> {
    let mut halts = Vec::new();
    loop {
        let (word, after) = split(rest);
        let Some(digits) = word.strip_prefix("h-") else { return Ok((halts, rest)) };
        let number = digits.trim_end_matches(',').parse();
        halts.push(HaltId(number.map_err(|_| "halts are named like h-31, as /system_status shows them".to_owned())?));
        rest = after;
    }
}

/// The first word and what stands behind it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

fn one<'a>(rest: &'a str, how: &str) -> Result<(&'a str, &'a str), String> {
    match split(rest) {
        ("", _) => Err(usage(how)),
        found => Ok(found),
    }
}

fn usage(how: &str) -> String {
    format!("write {how}")
}

fn time(text: &str, most_seconds: u64) -> Result<Duration, String> {
    let most = Duration::from_secs(most_seconds);
    let span = failstop_settings::parse_duration(text).ok();
    span.filter(|span| (Duration::from_secs(1)..=most).contains(span)).ok_or_else(|| {
        format!("a time is written like 30m or 2h, from 1s to {}", failstop_settings::write_duration(most))
    })
}

fn needed(reason: &str, how: &str) -> Result<String, String> {
    if reason.is_empty() {
        Err(format!("a reason is needed, the journal keeps it: write {how}"))
    } else {
        optional(reason)
    }
}

fn optional(reason: &str) -> Result<String, String> {
    if reason.len() > wire::REASON_MAX_BYTES {
        return Err(format!("the reason has {} bytes and may have {}", reason.len(), wire::REASON_MAX_BYTES));
    }
    Ok(reason.to_owned())
}
