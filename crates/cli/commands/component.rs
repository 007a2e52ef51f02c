//! `failstop stop`, `start`, `restart` and `reload`: an order about components, and what became of it.
//!
//! The engine answers an order when it is recorded. What follows takes as long as the components take; the engine bounds
//! each of its steps (grace, start period), so that waiting for the outcome needs no bound of its own.

use crate::args::{ComponentArgs, Format};
use crate::engine_client::Engine;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::out;
use failstop_client::status::{ComponentSummary, Status};
use failstop_engine::doors::control::wire::ComponentVerb;
use failstop_engine::printable::printable;
use serde::Serialize;
use std::time::Duration;

/// How long between two looks at what became of an order.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What became of one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Became {
    /// It is as it was ordered.
    Done,
    /// Recorded; nobody waited for the rest.
    Ordered,
    /// The engine refused.
    Refused,
    /// Allowed, and it will be done when something else is: see the reasons.
    Waiting,
    /// It came out otherwise.
    Failed,
}

/// One component's outcome, as it is printed.
#[derive(Debug, Serialize)]
struct Outcome {
    name: String,
    outcome: Became,
    state: String,
    pid: Option<u32>,
    reasons: Vec<String>,
}

/// All outcomes, as they are printed.
#[derive(Debug, Serialize)]
struct Report {
    result: Became,
    components: Vec<Outcome>,
}

/// Gives the order to each component, waits until it is carried out, and says what became of it.
pub fn component(verb: ComponentVerb, args: ComponentArgs) -> Result<Exit, Failure> {
    let engine = Engine::by(&args.place)?;
    let mut names = args.components;
    let mut seen = std::collections::BTreeSet::new();
    names.retain(|name| seen.insert(name.clone()));
    let before = engine.status()?;
    known(&names, &before)?;
    let mut outcomes = Vec::new();
    let reason = args.reason.unwrap_or_default();
    for name in &names {
        let refused = match engine.component(verb, name, reason.clone()) {
            Ok(()) => None,
            Err(Failure::Refused { reasons }) => Some(reasons),
            Err(failure) => return Err(failure),
        };
        let starts = of(&before, name).map_or(0, |component| component.starts);
        outcomes.push((name, starts, refused));
    }
    let status = engine.status()?;
    let mut decided: Vec<Option<(Became, Vec<String>)>> = outcomes
        .iter()
        .map(|(_, _, refused)| match refused {
            Some(reasons) => Some((Became::Refused, reasons.clone())),
            None => args.no_wait.then(|| (Became::Ordered, Vec::new())),
        })
        .collect();
    let last = watch(&engine, status, |status| {
        for ((name, starts, _), decided) in outcomes.iter().zip(&mut decided) {
            if decided.is_none() {
                *decided = judge(verb, status, name, *starts);
            }
        }
        decided.iter().all(Option::is_some)
    })?;
    let components = outcomes.iter().zip(decided).map(|((name, _, _), decided)| {
        let (outcome, reasons) = decided.unwrap_or((Became::Failed, Vec::new()));
        let component = of(&last, name);
        Outcome {
            name: (*name).clone(),
            outcome,
            state: component.map(|component| component.state.clone()).unwrap_or_default(),
            pid: component.and_then(|component| component.pid),
            reasons,
        }
    });
    let components: Vec<Outcome> = components.collect();
    let good = |outcome: &Outcome| matches!(outcome.outcome, Became::Done | Became::Ordered);
    let worst = components.iter().find(|outcome| !good(outcome)).or(components.first());
    let report = Report { result: worst.map_or(Became::Done, |outcome| outcome.outcome), components };
    out::print_last(&match args.format {
        Format::Text => text(&report),
        Format::Json => out::json_line(&report)?,
    })?;
    Ok(if report.components.iter().all(good) { Exit::Good } else { Exit::No })
}

/// Refuses names that are no component's before anything is ordered: nothing of a mistyped list is done half.
fn known(names: &[String], status: &Status) -> Result<(), Failure> {
    let there: Vec<&str> = status.components.iter().map(|component| component.name.as_str()).collect();
    let unknown: Vec<String> =
        names.iter().filter(|name| !there.contains(&name.as_str())).map(|name| printable(name).into_owned()).collect();
    match unknown.as_slice() {
        [] => Ok(()),
        [one] => Err(no_such(format!("there is no component named {one}"), &there)),
        many => Err(no_such(format!("there are no components named {}", many.join(", ")), &there)),
    }
}

fn no_such(what: String, there: &[&str]) -> Failure {
    Failure::Usage { what, next: format!("nothing was done; the components are: {}", there.join(", ")) }
}

/// Looks again and again until `settled` says that everything is. Returns the last look.
fn watch(engine: &Engine, first: Status, mut settled: impl FnMut(&Status) -> bool) -> Result<Status, Failure> {
    let mut status = first;
    while !settled(&status) {
        std::thread::sleep(LOOK_EVERY);
        status = engine.status()?;
    }
    Ok(status)
}

fn of<'a>(status: &'a Status, name: &str) -> Option<&'a ComponentSummary> {
    status.components.iter().find(|component| component.name == name)
}

/// What became of an order, once that can be said. `starts` is how often it had been started before.
fn judge(verb: ComponentVerb, status: &Status, name: &str, starts: u64) -> Option<(Became, Vec<String>)> {
    let Some(component) = of(status, name) else {
        return Some((Became::Failed, vec!["the engine does not know it any more".to_owned()]));
    };
    let done = Some((Became::Done, Vec::new()));
    match verb {
        ComponentVerb::Stop => match component.state.as_str() {
            "stopped" | "failed" => done,
            _ if component.held.is_none() => Some((Became::Failed, vec!["somebody started it again".to_owned()])),
            _ => None,
        },
        ComponentVerb::Start if component.state == "ready" => done,
        ComponentVerb::Restart if component.state == "ready" && component.starts > starts => done,
        ComponentVerb::Reload if component.starts > starts || component.state != "ready" => {
            Some((Became::Failed, vec!["it ended meanwhile; see `failstop events`".to_owned()]))
        }
        ComponentVerb::Reload => (!component.reloading).then_some((Became::Done, Vec::new())),
        ComponentVerb::Start | ComponentVerb::Restart => match component.state.as_str() {
            "failed" => Some((Became::Failed, vec!["it is down for good; see `failstop status`".to_owned()])),
            "stopped" => Some((Became::Waiting, vec![kept(status, component)])),
            "backoff" if !component.waits_for.is_empty() => {
                let coming = |name: &String| of(status, name).is_some_and(|other| is_coming(&other.state));
                (!component.waits_for.iter().all(coming)).then(|| {
                    let others = component.waits_for.join(", ");
                    (Became::Waiting, vec![format!("it is started when {others} is ready; see `failstop status`")])
                })
            }
            "backoff" if component.starts > starts => {
                Some((Became::Failed, vec!["its start failed; see `failstop events` and its log".to_owned()]))
            }
            _ => None,
        },
    }
}

/// Whether a component will be ready, or is not, without anybody's doing.
fn is_coming(state: &str) -> bool {
    matches!(state, "starting" | "stopping" | "ready")
}

/// What keeps a component that may start from running.
fn kept(status: &Status, component: &ComponentSummary) -> String {
    if let Some(held) = &component.held {
        return format!("{} stopped it again", held.by);
    }
    if component.orders == "direct" {
        return format!(
            "it asks nobody, so it is started when the permission is active and the mode live; now they are {} and {}",
            status.permission, status.mode
        );
    }
    format!("it is started when the permission allows; now it is {}: see `failstop status`", status.permission)
}

fn text(report: &Report) -> String {
    let width = report.components.iter().map(|outcome| outcome.name.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for outcome in &report.components {
        let pid = outcome.pid.map(|pid| format!(", pid {pid}")).unwrap_or_default();
        let what = match outcome.outcome {
            Became::Done | Became::Failed => format!("{}{pid}", outcome.state),
            Became::Ordered => format!("ordered; {}{pid}", outcome.state),
            Became::Refused => "refused".to_owned(),
            Became::Waiting => format!("may start; {}", outcome.state),
        };
        let why = if outcome.reasons.is_empty() { String::new() } else { format!(": {}", outcome.reasons.join("; ")) };
        text.push_str(&format!("{:<width$}   {}\n", printable(&outcome.name), printable(&format!("{what}{why}"))));
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed setup fails the test")]
    use super::*;
    use serde_json::{Value, json};

    fn status(components: &Value) -> Status {
        serde_json::from_value(json!({
            "system": "demo", "epoch": 1, "permission": "active", "mode": "dry", "kill_switch": false,
            "health": {"status": "healthy", "overall_health": 1.0, "reasons": []}, "halts": [],
            "components": components, "journal": {"seq": 1, "head": "a", "jid": "b"}, "uptime_seconds": 1.0,
        }))
        .unwrap()
    }

    fn bot(state: &str, starts: u64, more: Value) -> Value {
        let mut bot = json!({"name": "bot", "state": state, "pid": null, "restarts": 0, "ready": state == "ready",
            "starts": starts});
        bot.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        bot
    }

    fn became(verb: ComponentVerb, components: &Value) -> Option<Became> {
        judge(verb, &status(components), "bot", 1).map(|(became, _)| became)
    }

    #[test]
    fn a_restart_is_done_when_a_later_start_is_ready() {
        use ComponentVerb::Restart;
        for (state, starts, expected) in [
            ("ready", 1, None),
            ("stopping", 1, None),
            ("backoff", 1, None),
            ("starting", 2, None),
            ("ready", 2, Some(Became::Done)),
            ("backoff", 2, Some(Became::Failed)),
            ("failed", 2, Some(Became::Failed)),
            ("stopped", 1, Some(Became::Waiting)),
        ] {
            assert_eq!(became(Restart, &json!([bot(state, starts, json!({}))])), expected, "{state} {starts}");
        }
    }

    #[test]
    fn a_stop_is_done_when_nothing_runs_and_a_start_when_it_is_ready() {
        let held = json!({"held": {"by": "ana", "reason": ""}});
        assert_eq!(became(ComponentVerb::Stop, &json!([bot("stopping", 1, held.clone())])), None);
        assert_eq!(became(ComponentVerb::Stop, &json!([bot("stopped", 1, held)])), Some(Became::Done));
        assert_eq!(became(ComponentVerb::Stop, &json!([bot("ready", 2, json!({}))])), Some(Became::Failed));
        assert_eq!(became(ComponentVerb::Start, &json!([bot("ready", 1, json!({}))])), Some(Became::Done));
    }

    #[test]
    fn a_start_waits_for_what_comes_and_not_for_what_does_not() {
        let waits = bot("backoff", 1, json!({"waits_for": ["feed"]}));
        let feed = |state: &str| json!({"name": "feed", "state": state, "pid": null, "restarts": 0, "ready": false});
        assert_eq!(became(ComponentVerb::Start, &json!([waits, feed("starting")])), None);
        assert_eq!(became(ComponentVerb::Start, &json!([waits, feed("stopped")])), Some(Became::Waiting));
    }

    #[test]
    fn a_reload_is_done_when_it_is_over_and_the_same_process_is_ready() {
        use ComponentVerb::Reload;
        assert_eq!(became(Reload, &json!([bot("ready", 1, json!({"reloading": true}))])), None);
        assert_eq!(became(Reload, &json!([bot("ready", 1, json!({}))])), Some(Became::Done));
        assert_eq!(became(Reload, &json!([bot("ready", 2, json!({}))])), Some(Became::Failed));
    }
}
