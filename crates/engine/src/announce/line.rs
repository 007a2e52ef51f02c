//! One line of text for each record that a person at the terminal wants to see.

use crate::status::next_step;
use crate::words;
use core::time::Duration;
use failstop_core::{AfterExit, ClearedBy, ComponentName, HealthStatus, Hook, Level, Record};

/// A line: what it is about, and what happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// A component's name, `permission`, `halt`, `health`, `mode`, `operator` or `engine`.
    pub topic: String,
    /// What happened.
    pub text: String,
}

/// The line for `record` of the system `system`; `None` for records that only machines want.
pub fn line(record: &Record, system: &str) -> Option<Line> {
    let (topic, text) = match record {
        Record::EngineStarted { .. } | Record::Heartbeat { .. } => return None,
        Record::EngineStopped { permission } => {
            ("engine", format!("stopped on request, permission was {}", words::permission(*permission)))
        }
        Record::HaltRaised(halt) => {
            let about = halt.component.as_ref().map(|name| format!(" of {}", name.0)).unwrap_or_default();
            let clears = if halt.latched {
                format!("latched; next: {}", next_step(halt, system))
            } else {
                "clears by itself".to_owned()
            };
            let cap = words::permission(halt.cap);
            let cause = words::cause(halt.cause);
            ("halt", format!("{cause}{about}: {}: {cap} (h-{}, {clears})", halt.evidence, halt.id.0))
        }
        Record::HaltCleared { id, cause, by } => {
            let by = match by {
                ClearedBy::Itself => "its condition has passed".to_owned(),
                ClearedBy::Operator { who, reason } => format!("released by {who}{}", because(reason)),
            };
            ("halt", format!("{} (h-{}) cleared: {by}", words::cause(*cause), id.0))
        }
        Record::PermissionChanged { from, to } => {
            ("permission", format!("{} -> {}", words::permission(*from), words::permission(*to)))
        }
        Record::ModeSet { mode, by, reason } => {
            ("mode", format!("{} set by {by}{}", words::mode(*mode), because(reason)))
        }
        Record::ComponentStarted { component, pid, .. } => {
            return Some(Line { topic: component.0.clone(), text: format!("started, pid {pid}") });
        }
        Record::ComponentStartFailed { component, error, .. } => {
            return Some(Line { topic: component.0.clone(), text: format!("could not be started: {error}") });
        }
        Record::ComponentReady { component, after_ms, .. } => {
            let after = words::duration(Duration::from_millis(*after_ms));
            return Some(Line { topic: component.0.clone(), text: format!("ready after {after}") });
        }
        Record::ComponentHook { component, hook, status, signal, error, timed_out, took_ms, .. } => {
            let hook = match hook {
                Hook::PreStop => "pre_stop",
                Hook::PostStop => "post_stop",
            };
            let took = words::duration(Duration::from_millis(*took_ms));
            let how = match (timed_out, error, status, signal) {
                (true, ..) => format!("was killed after {took}: its time was up"),
                (false, Some(error), ..) => format!("could not be started: {error}"),
                (false, None, Some(status), _) => format!("ended with status {status} after {took}"),
                (false, None, None, Some(signal)) => {
                    format!("ended by signal {} after {took}", words::signal(*signal))
                }
                (false, None, None, None) => format!("ended after {took}"),
            };
            return Some(Line { topic: component.0.clone(), text: format!("hook {hook} {how}") });
        }
        Record::ComponentReloading { component, .. } => {
            return Some(Line { topic: component.0.clone(), text: "reads its configuration again".to_owned() });
        }
        Record::ComponentReloaded { component, after_ms, .. } => {
            let after = words::duration(Duration::from_millis(*after_ms));
            return Some(Line { topic: component.0.clone(), text: format!("reloaded after {after}") });
        }
        Record::ComponentMainChanged { component, from, pid, .. } => {
            let from = from.map(|from| format!(" (it was {from})")).unwrap_or_default();
            return Some(Line { topic: component.0.clone(), text: format!("its main process is {pid} now{from}") });
        }
        Record::ComponentStopping { component, reason, .. } => {
            return Some(Line { topic: component.0.clone(), text: format!("being stopped: {reason}") });
        }
        Record::ComponentKilled { component, reason, .. } => {
            return Some(Line {
                topic: component.0.clone(),
                text: format!("being killed with its whole tree: {reason}"),
            });
        }
        Record::ComponentExited {
            component,
            status,
            signal,
            requested,
            killed,
            out_of_memory,
            said,
            up_ms,
            next,
            ..
        } => {
            let how = match (status, signal) {
                (_, Some(signal)) => format!("exited by signal {}", words::signal(*signal)),
                (Some(status), None) => format!("exited with status {status}"),
                (None, None) => "ended, nobody knows how".to_owned(),
            };
            let asked = match (*requested, *killed) {
                (true, _) => "as requested",
                (false, true) => "killed by failstop",
                (false, false) => "not requested",
            };
            let asked = match out_of_memory {
                Some(certainty) => format!("{asked}; killed for want of memory: {}", certainty.word()),
                None => asked.to_owned(),
            };
            let up = words::duration(Duration::from_millis(*up_ms));
            let next = match next {
                AfterExit::RestartNow => "restarting now".to_owned(),
                AfterExit::RestartAfterMs(ms) => {
                    format!("restarting in {}", words::duration(Duration::from_millis(*ms)))
                }
                AfterExit::AfterMaintenanceMs(ms) => format!(
                    "not restarted during maintenance, which ends in {}; next: failstop start {}, or failstop maintenance off",
                    words::duration(Duration::from_millis(*ms)),
                    component.0
                ),
                AfterExit::Stay => "stays down".to_owned(),
                AfterExit::StartLimit => "stays down: too many starts".to_owned(),
                AfterExit::NotAllowed => "stays down until it is allowed to run".to_owned(),
                AfterExit::Dependency => "stays down until what it depends on is ready".to_owned(),
                AfterExit::Asking => {
                    "too many starts, unless a dependency that it needs does not answer: asking".to_owned()
                }
            };
            let said = said.as_ref().map(|said| format!("; it had said: {said}")).unwrap_or_default();
            return Some(Line { topic: component.0.clone(), text: format!("{how} ({asked}), up {up}{said}; {next}") });
        }
        Record::LimitWarned { component, resource, level, used, limit } => {
            let (used, limit) = (resource.amount(*used), resource.value(*limit));
            let text = match level {
                Level::Near => format!("near its limit: {used}, warning above {limit}"),
                Level::Over => format!("over its limit: {used} of {limit}; nothing is done about it"),
                Level::Restarted => format!("over its limit: {used} of {limit}; it did not give back"),
            };
            return Some(Line { topic: whose(component.as_ref()), text });
        }
        Record::LimitPassed { component, resource, level, used } => {
            let what = match level {
                Level::Near => "no longer near its limit",
                Level::Over | Level::Restarted => "below its limit again",
            };
            return Some(Line {
                topic: whose(component.as_ref()),
                text: format!("{what}: {}", resource.amount(*used)),
            });
        }
        Record::HealthChanged { status, overall, reasons } => {
            let word = match status {
                HealthStatus::Healthy => "healthy",
                HealthStatus::Degraded => "degraded",
                HealthStatus::Critical => "critical",
            };
            let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
            ("health", format!("{word} ({}.{:02}){why}", overall / 1000, overall % 1000 / 10))
        }
        Record::PermitLapsed { times } => {
            ("permit", format!("ran out {} because the engine or the disk was late", words::times(*times)))
        }
        Record::CheckFinished { class, failure } => match failure {
            None => ("checks", format!("{class} passed")),
            Some(failure) => ("checks", format!("{class} failed: {failure}")),
        },
        Record::Maintenance { on: true, span_ms, by, reason } => {
            let span = words::duration(Duration::from_millis(*span_ms));
            ("maintenance", format!("on for {span} by {by}: {reason}"))
        }
        Record::Maintenance { on: false, by, reason, .. } => ("maintenance", format!("off by {by}{}", because(reason))),
        Record::ComponentHeld { component, held, by, reason } => {
            let what = if *held { "kept stopped" } else { "may start again" };
            let text = format!("{what}, by {by}{}", because(reason));
            return Some(Line { topic: component.0.clone(), text });
        }
        Record::ConfigChanged(change) => {
            let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
            let mut keys: Vec<String> = change
                .keys
                .iter()
                .map(|key| format!("{} {} -> {}", key.key, value(&key.from), value(&key.to)))
                .collect();
            if change.more > 0 {
                keys.push(format!("and {} more", change.more));
            }
            ("config", format!("changed by {}: {}", change.by, keys.join("; ")))
        }
        Record::OperatorOrder { order, by, reason } => ("operator", format!("{order} by {by}{}", because(reason))),
        Record::OperatorRefused { order, by, refusals } => {
            ("operator", format!("{order} by {by} refused: {}", refusals.join("; ")))
        }
    };
    Some(Line { topic: topic.to_owned(), text })
}

/// `: REASON`, where one was given.
fn because(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(": {reason}") }
}

/// Whose limit: a component's, or that of all together.
fn whose(component: Option<&ComponentName>) -> String {
    component.map_or_else(|| "limits".to_owned(), |name| name.0.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use failstop_core::{Cause, Halt, HaltId, Instance, Mode, Permission, Scope};

    #[test]
    fn an_exit_says_how_whether_asked_and_what_follows() {
        let mut record = Record::ComponentExited {
            component: ComponentName("bot".to_owned()),
            instance: Instance(1),
            status: None,
            signal: Some(9),
            requested: false,
            killed: false,
            failure: true,
            out_of_memory: None,
            said: None,
            up_ms: 148_000,
            next: AfterExit::RestartNow,
        };
        let say = |record: &Record| line(record, "demo").map(|line| (line.topic, line.text));
        let text = "exited by signal 9 (SIGKILL) (not requested), up 2 min 28 s; restarting now";
        assert_eq!(say(&record), Some(("bot".to_owned(), text.to_owned())));
        let Record::ComponentExited { killed, .. } = &mut record else { return };
        *killed = true;
        let text = "exited by signal 9 (SIGKILL) (killed by failstop), up 2 min 28 s; restarting now";
        assert_eq!(say(&record), Some(("bot".to_owned(), text.to_owned())));
        let Record::ComponentExited { killed, out_of_memory, .. } = &mut record else { return };
        (*killed, *out_of_memory) = (false, Some(failstop_core::OutOfMemory::Proven));
        let text = "exited by signal 9 (SIGKILL) (not requested; killed for want of memory: proven), up 2 min 28 s; restarting now";
        assert_eq!(say(&record), Some(("bot".to_owned(), text.to_owned())));
        let Record::ComponentExited { out_of_memory, next, .. } = &mut record else { return };
        (*out_of_memory, *next) = (None, AfterExit::AfterMaintenanceMs(480_000));
        let said = line(&record, "demo").map(|line| line.text).unwrap_or_default();
        let end = "up 2 min 28 s; not restarted during maintenance, which ends in 8 min; next: failstop start bot, or \
                   failstop maintenance off";
        assert!(said.ends_with(end), "{said}");
    }

    #[test]
    fn who_gave_no_reason_is_not_followed_by_a_colon() {
        let off = |reason: &str| {
            let (by, reason) = ("root (0)".to_owned(), reason.to_owned());
            let released = ClearedBy::Operator { who: by.clone(), reason: reason.clone() };
            let cleared = Record::HaltCleared { id: HaltId(4), cause: Cause::Maintenance, by: released };
            [Record::Maintenance { on: false, span_ms: 0, by, reason }, cleared]
                .map(|record| line(&record, "demo").map(|line| line.text).unwrap_or_default())
        };
        assert_eq!(off(""), ["off by root (0)", "maintenance (h-4) cleared: released by root (0)"]);
        assert_eq!(off("it is in")[0], "off by root (0): it is in");
    }

    #[test]
    fn a_latched_halt_says_how_to_release_it() {
        let halt = Halt {
            id: HaltId(31),
            cause: Cause::HeartbeatLost,
            component: Some(ComponentName("bot".to_owned())),
            scope: Scope::System,
            cap: Permission::ObserveOnly,
            latched: true,
            trigger: None,
            evidence: "no heartbeat for 5 s".to_owned(),
        };
        let text = line(&Record::HaltRaised(halt), "demo").map(|line| line.text).unwrap_or_default();
        assert!(text.contains("heartbeat-lost of bot: no heartbeat for 5 s: observe-only"), "{text}");
        assert!(text.contains("failstop resume --halt h-31"), "{text}");
    }

    #[test]
    fn mode_names_are_those_of_the_glossary() {
        let record = Record::ModeSet { mode: Mode::Live, by: "root (0)".to_owned(), reason: "go".to_owned() };
        assert_eq!(line(&record, "demo").map(|line| line.text), Some("live set by root (0): go".to_owned()));
    }
}
