//! What an alert says: as a colleague would write at night. What happened to which system and since when, what failstop did
//! already, what to do now. The title alone is enough on a phone's lock screen.

use super::{Alert, AlertChange, Subject};
use crate::halt::{Cause, Halt, Scope, Trigger};
use crate::input::Unclean;
use crate::next_step::next_step;
use crate::permission::Permission;
use crate::record::ClearedBy;
use crate::turn::{one_line, span};

/// What the words need that the core does not know.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The system's name.
    pub system: &'a str,
    /// When it happened, as people read it: `20:51:07Z`.
    pub at: &'a str,
}

/// An alert in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// One line.
    pub title: String,
    /// A few lines.
    pub message: String,
    /// Why, as far as it is known.
    pub root_cause: Option<String>,
    /// What to do now; absent when there is nothing left to do.
    pub recommended_action: Option<String>,
    /// The page of the repository that says more.
    pub runbook: String,
}

impl Alert {
    /// The words.
    pub fn words(&self, place: &Place<'_>) -> Words {
        if let Some(crossing) = &self.crossing {
            return self.limit_words(place, crossing);
        }
        let runbook = runbook(self.id.subject);
        match (&self.change, &self.halt) {
            (AlertChange::Trigger, Some(halt)) => self.triggered(place, halt, runbook),
            (AlertChange::Recovered, Some(halt)) => {
                let name = subject_name(halt);
                Words {
                    title: format!("{}: {name} runs again and waits for `failstop resume`", place.system),
                    message: format!(
                        "{name} was restarted and is healthy since {}. {}\nTrading stays closed until somebody resumes it.",
                        place.at,
                        self.now_allowed()
                    ),
                    root_cause: Some(one_line(&halt.evidence)),
                    recommended_action: Some(next_step(halt, place.system)),
                    runbook,
                }
            }
            (AlertChange::Resolve(by), Some(halt)) => {
                let who = match by {
                    ClearedBy::Itself => "it cleared by itself".to_owned(),
                    ClearedBy::Operator { who, reason } => one_line(&format!("{who}: {reason}")),
                };
                Words {
                    title: format!("{}: over: {}", place.system, what(halt)),
                    message: format!("Over at {} after {}: {who}.\n{}", place.at, span(self.stood), self.now_allowed()),
                    root_cause: Some(one_line(&halt.evidence)),
                    recommended_action: None,
                    runbook,
                }
            }
            (AlertChange::Trigger | AlertChange::Recovered, None) => engine_died(place, self.unclean, runbook),
            (AlertChange::Resolve(_), None) => Words {
                title: format!("{}: failstop is back, its start-up checks passed", place.system),
                message: format!("Over at {}: the engine runs again. {}", place.at, self.now_allowed()),
                root_cause: None,
                recommended_action: None,
                runbook,
            },
        }
    }

    fn triggered(&self, place: &Place<'_>, halt: &Halt, runbook: String) -> Words {
        let since = if self.stood.is_zero() {
            format!("At {}", place.at)
        } else {
            format!("For {} (at {})", span(self.stood), place.at)
        };
        Words {
            title: format!("{}: {}, {}", place.system, what(halt), effect(halt)),
            message: format!("{since}: {}.\n{}\n{}", one_line(&halt.evidence), did(halt), self.now_allowed()),
            root_cause: Some(one_line(&halt.evidence)),
            recommended_action: Some(action(halt, place.system)),
            runbook,
        }
    }

    pub(super) fn now_allowed(&self) -> String {
        let permission = match self.permission {
            Permission::Active => "active: the system may trade",
            Permission::ReduceOnly => "reduce-only: positions may only shrink",
            Permission::ObserveOnly => "observe-only: no order is allowed",
            Permission::Shutdown => "shutdown: nothing that could place an order runs",
        };
        match self.others {
            0 => format!("Permission now {permission}."),
            1 => format!("Permission now {permission}. Another halt stands, see `failstop status`."),
            more => format!("Permission now {permission}. {more} other halts stand, see `failstop status`."),
        }
    }
}

pub(super) fn runbook(subject: Subject) -> String {
    format!("docs/runbooks/{}.md", subject.name())
}

fn engine_died(place: &Place<'_>, Unclean { left_alive, guard_died }: Unclean, runbook: String) -> Words {
    if guard_died {
        return Words {
            title: format!("{}: the guard of the last engine died, and that engine ended; a new one runs", place.system),
            message: format!(
                "At {} failstop started and found that the engine before it had lost its guard: it revoked the permit, killed every \
                 component and ended, since nothing would have ended them after it. Latched halts stand as before, and the start-up \
                 checks run now.",
                place.at
            ),
            root_cause: Some("the guard's process was killed: by hand, by something that tidies up, or for want of memory".to_owned()),
            recommended_action: Some(
                "look for who killed it in the system's log (`journalctl -k`, `dmesg`), check open orders at the venue, then \
                 `failstop status`"
                    .to_owned(),
            ),
            runbook,
        };
    }
    let meanwhile = match left_alive {
        0 => "The permit ran out within its lease, and no process of a component was left.".to_owned(),
        1 => "The permit ran out within its lease, but the guard died with it: one process of a component had run on \
              until now and was killed by this start."
            .to_owned(),
        more => format!(
            "The permit ran out within its lease, but the guard died with it: {more} processes of components had run \
             on until now and were killed by this start."
        ),
    };
    let look = "look for the reason in the system's log (`journalctl -k`, `dmesg`), check open orders at the venue, then \
                `failstop status`";
    Words {
        title: format!("{}: the last engine did not end as it should; a new one runs", place.system),
        message: format!(
            "At {} failstop started and found that the engine before it was killed, crashed, or lost its machine. \
             {meanwhile} Latched halts stand as before, and the start-up checks run now.",
            place.at
        ),
        root_cause: Some(
            "the journal was not sealed: SIGKILL, out of memory, a crash, a power cut or a reset of the machine"
                .to_owned(),
        ),
        recommended_action: Some(match left_alive {
            0 => look.to_owned(),
            _ => format!(
                "check at the venue what they did since (components with `orders = \"direct\"` need no permit), then {look}"
            ),
        }),
        runbook,
    }
}

/// `failstop run` gave up before its loop began; `error` is what it said.
pub fn start_failed(place: &Place<'_>, error: &str) -> Words {
    Words {
        title: format!("{}: failstop could not start, nothing runs", place.system),
        message: format!(
            "At {} `failstop run` gave up before anything was started. No component runs and no permit was given.",
            place.at
        ),
        root_cause: Some(error.to_owned()),
        recommended_action: Some("mend what it names, run `failstop check`, then start failstop again".to_owned()),
        runbook: runbook(Subject::StartFailed),
    }
}

/// An incident that an earlier engine opened, whose halt does not stand any more: title and message of its end. `carried_on`
/// is the incident of the same cause that stands now, if one does.
pub fn gone(place: &Place<'_>, was: &str, carried_on: Option<&str>) -> (String, String) {
    let title = was.strip_prefix(place.system).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(was);
    match carried_on {
        Some(other) => (
            format!("{}: goes on as {other}: {title}", place.system),
            format!("At {}: the engine that reported it ended. It stands on, as {other}.", place.at),
        ),
        None => (
            format!("{}: over: {title}", place.system),
            format!(
                "At {}: the engine that reported it ended, and the present one does not find it any more. What still \
                 stands is in `failstop status`.",
                place.at
            ),
        ),
    }
}

/// The component that a halt is about, or the system.
fn subject_name(halt: &Halt) -> &str {
    halt.component.as_ref().map_or("the system", |name| name.0.as_str())
}

/// What happened, in few words.
fn what(halt: &Halt) -> String {
    let name = subject_name(halt);
    match halt.cause {
        Cause::KillSwitch => "kill switch engaged".to_owned(),
        Cause::Failsafe => format!("fail-safe, {}", halt.trigger.map_or("an emergency", tripped)),
        Cause::Integrity => "journal or state is damaged".to_owned(),
        Cause::Storage => "the journal cannot be written".to_owned(),
        Cause::Witness => "the journal's past was changed".to_owned(),
        Cause::NewJournal => "empty state directory although it is to trade live".to_owned(),
        Cause::OrdersInDoubt => "orders without a known outcome".to_owned(),
        Cause::HeartbeatLost => format!("{name} stopped beating"),
        Cause::NoProgress => format!("{name} beats but makes no progress"),
        Cause::Hung => format!("{name} hangs"),
        Cause::ComponentFailed => format!("{name} failed too often and stays down"),
        Cause::Unhealthy => "unhealthy".to_owned(),
        Cause::Starting => "start-up checks do not end".to_owned(),
        Cause::Environment => "a dependency or the host is not as it must be".to_owned(),
        Cause::ComponentDown => format!("{name} is down"),
        Cause::Reclaiming => format!("{name} does not give memory or load back"),
        Cause::DailyLoss => "daily loss limit reached".to_owned(),
        Cause::Maintenance => "maintenance".to_owned(),
        Cause::Clock => "no fresh input since the clock jumped".to_owned(),
        Cause::Overload => "the engine is late again and again".to_owned(),
        Cause::BotRequest => format!("{name} asked to be held back"),
    }
}

/// What fired a fail-safe, in few words.
const fn tripped(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::MarketData => "market data stalled",
        Trigger::JournalSilent => "the journal was not written for too long",
        Trigger::SnapshotAge => "the last snapshot is too old",
        Trigger::Capital => "capital does not reconcile",
        Trigger::BotFatal => "the bot reported an unrecoverable error",
        Trigger::UnhealthyTooLong => "unhealthy for too long",
        Trigger::Memory => "memory far above its threshold",
        Trigger::ApiErrors => "API errors far above their threshold",
        Trigger::DailyLoss => "daily loss far above its limit",
        Trigger::Limit => "a resource limit could not be kept",
        Trigger::StaleSourceAgain => "a component's own source went stale twice",
        Trigger::ClockBackwards => "the clock went backwards",
    }
}

/// What a halt keeps from happening, in few words.
fn effect(halt: &Halt) -> String {
    let whose = match (halt.scope, &halt.component) {
        (Scope::Component, Some(component)) => format!("{}'s trading", component.0),
        (Scope::System, _) | (Scope::Component, None) => "trading".to_owned(),
    };
    match halt.cap {
        Permission::Shutdown => format!("{whose} is shut down"),
        Permission::ObserveOnly => format!("{whose} is halted"),
        Permission::ReduceOnly => "positions may only shrink".to_owned(),
        Permission::Active => format!("{whose} goes on"),
    }
}

/// What failstop did already.
fn did(halt: &Halt) -> String {
    let name = subject_name(halt);
    match halt.cause {
        Cause::KillSwitch => "failstop revoked every permit first and then killed every component. It stays so over \
                              restarts and reboots. Orders that are open at the venue stay open unless an emergency \
                              action cancels them."
            .to_owned(),
        Cause::Failsafe => {
            "failstop closed the gate and stops every component that could place an order. It stays up so \
                            that it can be asked, and stays so until somebody resumes it."
                .to_owned()
        }
        Cause::Integrity => "failstop closed the gate. It repairs nothing by itself and keeps what it found; the head \
                             below is the last one that it had."
            .to_owned(),
        Cause::Storage => {
            "failstop revoked every permit and stops every component; nothing is allowed that could not be \
                           recorded. This engine ends when they are down."
                .to_owned()
        }
        Cause::Witness => {
            "failstop closed the gate and stops every component that could place an order. The journal on \
                           this host is not the one that the watchdog remembers."
                .to_owned()
        }
        Cause::NewJournal => "failstop does not trade: a lost latch would look the same as a first start.".to_owned(),
        Cause::OrdersInDoubt => "failstop closed the gate until the outcome of each is known.".to_owned(),
        Cause::HeartbeatLost | Cause::NoProgress | Cause::Hung => {
            let end = if halt.latched {
                "Trading stays closed until somebody resumes it, even when it is well again."
            } else {
                "Trading opens again by itself once it is well."
            };
            format!(
                "failstop closed the gate, killed {name} with everything it had started, and starts it again. {end}"
            )
        }
        Cause::ComponentFailed => {
            format!("failstop closed the gate, stopped starting {name}, and leaves it down until somebody resumes it.")
        }
        Cause::Unhealthy => {
            "failstop closed the gate and opens it again by itself when the system is healthy. Without a \
                             break this becomes a fail-safe shutdown."
                .to_owned()
        }
        Cause::Starting => {
            "Nothing trades before the integrity checks have passed; they have not come out yet.".to_owned()
        }
        Cause::Environment => "failstop closed the gate and keeps trying, with growing pauses.".to_owned(),
        Cause::ComponentDown => format!("{name} may not trade until it runs again and gave a fresh sign of life."),
        Cause::Reclaiming => {
            format!("failstop asked {name} to give memory or load back and holds its trading until it has.")
        }
        Cause::DailyLoss => "failstop lets positions shrink and refuses whatever would open or enlarge one.".to_owned(),
        Cause::Maintenance => "An operator asked for it.".to_owned(),
        Cause::Clock => {
            "failstop closed the gate when the clock jumped and opens it again on the first fresh input of \
                         everything that must give some."
                .to_owned()
        }
        Cause::Overload => {
            "The permit ran out each time, so nothing traded late. failstop holds trading back until it has \
                            been on time for a minute."
                .to_owned()
        }
        Cause::BotRequest => format!("failstop holds {name} back as it asked, until somebody resumes it."),
    }
}

/// What to do now.
fn action(halt: &Halt, system: &str) -> String {
    let next = next_step(halt, system);
    let name = subject_name(halt);
    match halt.cause {
        Cause::KillSwitch => format!("check positions and open orders at the venue; when all is well: {next}"),
        Cause::Failsafe | Cause::DailyLoss | Cause::NewJournal => format!("find out why; {next}"),
        Cause::HeartbeatLost | Cause::NoProgress | Cause::Hung => {
            format!(
                "read what {name} wrote last (`failstop logs {name}`), check its open orders at the venue, then {next}"
            )
        }
        Cause::ComponentFailed => format!("read what {name} wrote last (`failstop logs {name}`), mend it, then {next}"),
        Cause::BotRequest => format!("find out what {name} wants from `failstop logs {name}`, then {next}"),
        Cause::ComponentDown => {
            format!("read what {name} wrote last (`failstop logs {name}`) and start it again; it {next}")
        }
        Cause::Integrity | Cause::Storage | Cause::Witness | Cause::OrdersInDoubt => next,
        Cause::Unhealthy
        | Cause::Environment
        | Cause::Starting
        | Cause::Clock
        | Cause::Reclaiming
        | Cause::Overload => {
            if halt.latched {
                format!("`failstop status` and `failstop check` say what is wrong; then {next}")
            } else {
                format!("`failstop status` and `failstop check` say what is wrong; it {next}")
            }
        }
        Cause::Maintenance => next,
    }
}
