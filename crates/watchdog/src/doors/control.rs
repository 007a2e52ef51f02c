//! The control socket: `control.sock` in the state directory, for the watchdog's own commands. Who asks is what the kernel says
//! of the process that connected: this watchdog's user and root may, nobody else.

use super::server::{Asked, Reply};
use failstop_notify::{Acknowledged, Refused, Reply as Waiting, Severity};
use serde::Deserialize;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

/// The socket's name in the state directory.
pub const SOCKET: &str = "control.sock";

/// The longest reason, bytes.
const REASON_MAX: usize = 2000;

/// A command to a running watchdog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// How everything stands.
    Status,
    /// Incidents.
    Alerts,
    /// Release a ladder, a journal alarm.
    Release {
        /// Whose.
        target: String,
    },
    /// End a silence.
    Resume {
        /// Whose.
        target: String,
    },
    /// Silence a target.
    Silence {
        /// Which.
        target: String,
        /// For so long.
        for_seconds: u64,
        /// Why.
        reason: String,
    },
    /// Acknowledge an incident.
    Ack {
        /// Its key.
        key: String,
    },
    /// Send a test.
    Test {
        /// To one channel, or to all.
        channel: Option<String>,
    },
    /// Rehearse an incident.
    Drill {
        /// As bad as this.
        severity: Severity,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    for_seconds: Option<u64>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    channel: Option<String>,
    #[serde(default)]
    severity: Option<Severity>,
}

/// Opens the socket, mode 0600. One that a dead watchdog left is replaced: the lock on the state directory is held.
///
/// # Errors
/// Those of binding.
pub fn listen(state_dir: &Path) -> io::Result<UnixListener> {
    let path = state_dir.join(SOCKET);
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(&path)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Whether this user may command.
///
/// # Errors
/// 403.
pub fn may(user: Option<u32>) -> Result<(), Reply> {
    let own = nix::unistd::getuid().as_raw();
    match user {
        Some(user) if user == own || user == 0 => Ok(()),
        Some(_) | None => Err(Reply::error(403, "only the watchdog's own user and root may command it")),
    }
}

/// Who asks, for people.
pub fn name_of(user: Option<u32>) -> String {
    let Some(id) = user else { return "nobody".to_owned() };
    match nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(id)) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => format!("user {id}"),
    }
}

/// What is commanded.
///
/// # Errors
/// 400, 404 or 405.
pub fn parse(asked: &Asked) -> Result<Command, Reply> {
    let get = asked.method == "GET";
    match asked.path.as_str() {
        "/status" if get => return Ok(Command::Status),
        "/alerts" if get => return Ok(Command::Alerts),
        "/status" | "/alerts" => return Err(Reply::method("GET")),
        "/release" | "/resume" | "/silence" | "/ack" | "/test" | "/drill" if asked.method == "POST" => {}
        "/release" | "/resume" | "/silence" | "/ack" | "/test" | "/drill" => return Err(Reply::method("POST")),
        _ => return Err(Reply::error(404, "no such command")),
    }
    let body: Body =
        serde_json::from_slice(&asked.body).map_err(|error| Reply::error(400, format!("the body: {error}")))?;
    let needed = |value: Option<String>, key: &str| {
        value.filter(|value| !value.is_empty()).ok_or_else(|| Reply::error(400, format!("`{key}` is missing")))
    };
    match asked.path.as_str() {
        "/release" => Ok(Command::Release { target: needed(body.target, "target")? }),
        "/resume" => Ok(Command::Resume { target: needed(body.target, "target")? }),
        "/ack" => Ok(Command::Ack { key: needed(body.key, "key")? }),
        "/drill" => Ok(Command::Drill { severity: body.severity.unwrap_or(Severity::Critical) }),
        "/test" => Ok(Command::Test { channel: body.channel }),
        _ => {
            let reason = needed(body.reason, "reason")?;
            if reason.len() > REASON_MAX {
                return Err(Reply::error(400, format!("`reason` is longer than {REASON_MAX} bytes")));
            }
            let for_seconds = body.for_seconds.filter(|seconds| *seconds > 0);
            let for_seconds = for_seconds.ok_or_else(|| Reply::error(400, "`for_seconds` is missing"))?;
            Ok(Command::Silence { target: needed(body.target, "target")?, for_seconds, reason })
        }
    }
}

/// It is done.
pub fn done() -> Reply {
    Reply::json(200, &serde_json::json!({ "done": true }))
}

/// There is no such target.
pub fn no_target(target: &str) -> Reply {
    Reply::error(404, format!("there is no target `{target}`: see `failstop-watchdog status`"))
}

/// What became of an acknowledgement.
pub fn acknowledged(key: &str, acknowledged: Acknowledged) -> Reply {
    match acknowledged {
        Acknowledged::Done => done(),
        Acknowledged::Already => Reply::error(409, format!("{key} was acknowledged before")),
        Acknowledged::Unknown => {
            Reply::error(404, format!("no incident {key} is open: see `failstop-watchdog status`"))
        }
    }
}

/// Answers once the notifier has.
pub fn answer_later<T: 'static>(
    reply: oneshot::Sender<Reply>,
    waiting: Result<Waiting<T>, String>,
    answer: impl FnOnce(T) -> Reply + 'static,
) {
    match waiting {
        // Whoever asked may be gone.
        Err(why) => drop(reply.send(Reply::error(503, why))),
        Ok(waiting) => drop(tokio::task::spawn_local(async move {
            let answer = match waiting.answer().await {
                Ok(value) => answer(value),
                Err(Refused::Ended | Refused::QueueFull) => Reply::error(503, "the notifier has ended"),
            };
            let _ = reply.send(answer);
        })),
    }
}
