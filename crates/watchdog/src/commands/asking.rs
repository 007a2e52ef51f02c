//! Commands to a running watchdog, over the control socket in its state directory.

use super::{Place, err, out, to_status, with_config};
use crate::client::{self, Answer, Ask, Endpoint};
use crate::config::Config;
use crate::disk::replace;
use crate::doors::control::SOCKET;
use crate::exit;
use crate::heart::view::View;
use crate::witness::export::Export;
use crate::witness::store::Store;
use failstop_settings::parse_duration;
use serde::Deserialize;
use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

/// Time for an answer. A test waits for services with time-outs of their own.
const ANSWER: Duration = Duration::from_secs(30);
const TEST: Duration = Duration::from_secs(180);

/// Time for the answer about a drill, which waits for an alert and for its end.
pub(super) const DRILL: Duration = Duration::from_secs(180);

/// The largest answer, bytes.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// Asks the watchdog that holds this state directory.
pub(super) async fn ask(
    config: &Config,
    method: &'static str,
    path: &str,
    body: Vec<u8>,
    timeout: Duration,
) -> Result<Answer, String> {
    let socket = config.watchdog.state_dir.join(SOCKET);
    let endpoint = Endpoint { tls: false, host: "failstop".to_owned(), port: 80, path: path.to_owned() };
    let whole = async {
        let stream = UnixStream::connect(&socket).await.map_err(|error| error.to_string())?;
        let mut connection = client::over(stream).await.map_err(|fault| fault.to_string())?;
        let ask = Ask { method, headers: Vec::new(), body };
        let response = connection.send(&endpoint, &ask).await.map_err(|fault| fault.to_string())?;
        client::body(response, ANSWER_MAX).await.map_err(|fault| fault.to_string())
    };
    let answered = tokio::time::timeout(timeout, whole).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
    answered.map_err(|why| {
        format!(
            "no watchdog answers on {}: {why}\n  next: is it running, with this configuration, and are you its user or root?",
            socket.display()
        )
    })
}

#[derive(Deserialize)]
struct Wrong {
    error: String,
}

/// A command that is done or refused.
fn order(place: &Place, path: &'static str, body: serde_json::Value, done: &str) -> u8 {
    with_config(place, |config| {
        to_status(async {
            match ask(&config, "POST", path, body.to_string().into_bytes(), ANSWER).await {
                Err(why) => {
                    err(&why);
                    exit::UNKNOWN
                }
                Ok(answer) if answer.status == 200 => {
                    out(&format!("{done}\n"));
                    exit::GOOD
                }
                Ok(answer) => {
                    let wrong = serde_json::from_slice::<Wrong>(&answer.body).map(|wrong| wrong.error);
                    err(&wrong.unwrap_or_else(|_| format!("HTTP {}", answer.status)));
                    if answer.status >= 500 { exit::UNKNOWN } else { exit::NO }
                }
            }
        })
    })
}

/// Releases a target.
pub fn release(place: &Place, target: &str) -> u8 {
    order(place, "/release", json!({ "target": target }), &format!("{target} is released"))
}

/// Ends a silence.
pub fn resume(place: &Place, target: &str) -> u8 {
    order(place, "/resume", json!({ "target": target }), &format!("{target} is watched again"))
}

/// Acknowledges an incident.
pub fn ack(place: &Place, key: &str) -> u8 {
    order(place, "/ack", json!({ "key": key }), &format!("{key} is acknowledged"))
}

/// Silences a target.
pub fn silence(place: &Place, target: &str, duration: &str, reason: &str) -> u8 {
    let Ok(duration) = parse_duration(duration) else {
        err(&format!("`--for {duration}` is no duration\n  next: write for example --for 30m"));
        return exit::USAGE;
    };
    let body = json!({ "target": target, "for_seconds": duration.as_secs().max(1), "reason": reason });
    order(place, "/silence", body, &format!("{target} is silenced"))
}

/// Shows how everything stands.
pub fn status(place: &Place, as_json: bool) -> u8 {
    with_config(place, |config| {
        to_status(async {
            let answer = match ask(&config, "GET", "/status", Vec::new(), ANSWER).await {
                Ok(answer) => answer,
                Err(why) => {
                    err(&why);
                    return exit::UNKNOWN;
                }
            };
            let Ok(view) = serde_json::from_slice::<View>(&answer.body) else {
                err("its answer is not a status; is it another version?");
                return exit::UNKNOWN;
            };
            if as_json {
                out(&String::from_utf8_lossy(&answer.body));
            } else {
                out(&text(&view));
            }
            let bad = |state: &str| state == "down";
            let states = || view.targets.iter().map(|one| &one.state).chain(view.checkins.iter().map(|one| &one.state));
            if states().any(|state| bad(state)) {
                2
            } else if states().any(|state| state == "unknown" || state == "maintenance") {
                exit::NO
            } else {
                exit::GOOD
            }
        })
    })
}

/// One line a fact.
fn text(view: &View) -> String {
    let role = if view.acting { "acts" } else { "stands by" };
    let mut out = format!("{} {role} since {}\n", view.name, view.started);
    // Writing to a String cannot fail.
    if let Some(since) = &view.blind_since {
        let _ = writeln!(out, "own network down since {since}");
    }
    for target in &view.targets {
        let last = target.last_success.as_deref().unwrap_or("never");
        let _ = write!(out, "{:<12} {:<24} last success {last}", target.state, target.name);
        if target.state != "up" {
            let why = target.unknown.as_ref().or(target.last_error.as_ref());
            let _ = write!(out, "  {}", why.map_or("", String::as_str));
        }
        if let Some(maintenance) = &target.maintenance {
            let _ = write!(out, "  {} ({}), until {}", maintenance.reason, maintenance.owner, maintenance.until);
        }
        if let Some(why) = target.ladder.as_ref().and_then(|ladder| ladder.why.as_ref()) {
            let _ = write!(out, "  held: {why}");
        }
        for key in &target.incidents {
            let _ = write!(out, "  {key}");
        }
        out.push('\n');
    }
    for checkin in &view.checkins {
        let last = checkin.last.as_deref().unwrap_or("never");
        let late = checkin.deadline.as_deref().unwrap_or("never");
        let _ = writeln!(out, "{:<12} {:<24} last {last}  late after {late}", checkin.state, checkin.name);
    }
    out
}

#[derive(Deserialize)]
struct Tested {
    channel: String,
    destination: Option<String>,
    outcome: Result<String, String>,
}

/// Sends a test.
pub fn test_alert(place: &Place, channel: Option<String>) -> u8 {
    with_config(place, |config| to_status(test(&config, channel)))
}

pub(super) async fn test(config: &Config, channel: Option<String>) -> u8 {
    let body = json!({ "channel": channel }).to_string().into_bytes();
    let answer = match ask(config, "POST", "/test", body, TEST).await {
        Ok(answer) => answer,
        Err(why) => {
            err(&why);
            return exit::UNKNOWN;
        }
    };
    let Ok(tested) = serde_json::from_slice::<Vec<Tested>>(&answer.body) else {
        err(&String::from_utf8_lossy(&answer.body));
        return exit::UNKNOWN;
    };
    if tested.is_empty() {
        err("there is no such channel\n  next: see `channels` in [alerts]");
        return exit::NO;
    }
    let mut status = exit::GOOD;
    for one in &tested {
        let to = one.destination.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
        match &one.outcome {
            Ok(proof) => out(&format!("ok      {}{to}: {proof}\n", one.channel)),
            Err(why) => {
                out(&format!("failed  {}{to}: {why}\n", one.channel));
                status = exit::NO;
            }
        }
    }
    status
}

/// Writes what the witness remembers. Reads the store itself: it needs no running watchdog.
pub fn export(place: &Place, origin: &str, output: Option<&Path>) -> u8 {
    with_config(place, |config| {
        let folder = config.watchdog.state_dir.join("witness");
        if !folder.join(format!("{origin}.ndjson")).exists() {
            err(&format!("no journal of `{origin}` is remembered in {}", folder.display()));
            return exit::UNKNOWN;
        }
        let text = match Store::read(&folder, origin) {
            Ok(store) => {
                serde_json::to_string_pretty(&Export::of(config.watchdog.name.as_str(), &store)).unwrap_or_default()
                    + "\n"
            }
            Err(error) => {
                err(&error.to_string());
                return exit::UNKNOWN;
            }
        };
        match output {
            None => out(&text),
            Some(path) => {
                if let Err(error) = replace(path, text.as_bytes(), true) {
                    err(&format!("cannot write {}: {error}", path.display()));
                    return exit::UNKNOWN;
                }
            }
        }
        exit::GOOD
    })
}
