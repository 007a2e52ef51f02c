//! The paths of the watchdog's address. GET but for check-ins, which also come by POST; nothing here changes what is watched.

use super::server::{Asked, Reply};
use crate::heart::checkin::Signal;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// The page.
    Page,
    /// Everything, in JSON.
    Status,
    /// The watchdog's own health.
    Health,
    /// Prometheus text.
    Metrics,
    /// For the other watchdog.
    Peer,
    /// What is remembered of a journal.
    Witness {
        /// Of which system.
        origin: &'a str,
    },
    /// A job checks in.
    Ping {
        /// Its name.
        name: &'a str,
        /// What it says.
        signal: Signal,
    },
}

/// Which route a request takes, or the answer that says why none.
///
/// # Errors
/// 404 or 405.
pub fn route(asked: &Asked) -> Result<Route<'_>, Reply> {
    let get = asked.method == "GET";
    let only_get = |route| if get { Ok(route) } else { Err(Reply::method("GET, HEAD")) };
    match asked.path.as_str() {
        "/" => return only_get(Route::Page),
        "/status" => return only_get(Route::Status),
        "/health" | "/healthz" => return only_get(Route::Health),
        "/metrics" => return only_get(Route::Metrics),
        "/api/peer" => return only_get(Route::Peer),
        _ => {}
    }
    if let Some(origin) = asked.path.strip_prefix("/witness/") {
        return only_get(Route::Witness { origin });
    }
    if let Some(rest) = asked.path.strip_prefix("/ping/") {
        if !get && asked.method != "POST" {
            return Err(Reply::method("GET, HEAD, POST"));
        }
        let (name, word) = rest.split_once('/').unwrap_or((rest, ""));
        let signal = match word {
            "" | "success" => Signal::Success,
            "start" => Signal::Start,
            "fail" => Signal::Fail,
            "log" => Signal::Log,
            status => match status.parse() {
                Ok(status) => Signal::Exit(status),
                Err(_) => {
                    return Err(Reply::error(
                        404,
                        "a check-in takes /start, /success, /fail, /log, or an exit status from 0 to 255",
                    ));
                }
            },
        };
        return Ok(Route::Ping { name, signal });
    }
    Err(Reply::error(404, "paths: / /status /health /metrics /ping/NAME /witness/NAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str) -> Asked {
        Asked {
            method: method.to_owned(),
            path: path.to_owned(),
            target: path.to_owned(),
            authorization: None,
            body: Vec::new(),
            user: None,
        }
    }

    #[test]
    fn paths_and_methods() {
        for (path, signal) in [
            ("/ping/n", Signal::Success),
            ("/ping/n/success", Signal::Success),
            ("/ping/n/start", Signal::Start),
            ("/ping/n/fail", Signal::Fail),
            ("/ping/n/log", Signal::Log),
            ("/ping/n/0", Signal::Exit(0)),
            ("/ping/n/137", Signal::Exit(137)),
        ] {
            for method in ["GET", "POST"] {
                assert_eq!(route(&asked(method, path)).ok(), Some(Route::Ping { name: "n", signal: signal.clone() }));
            }
        }
        for (method, path, status) in [
            ("GET", "/nothing", 404),
            ("GET", "/ping/n/256", 404),
            ("GET", "/ping/n/-1", 404),
            ("DELETE", "/ping/n", 405),
            ("POST", "/status", 405),
            ("POST", "/witness/x", 405),
        ] {
            assert_eq!(route(&asked(method, path)).err().map(|reply| reply.status), Some(status), "{method} {path}");
        }
        assert_eq!(route(&asked("GET", "/witness/demo")).ok(), Some(Route::Witness { origin: "demo" }));
    }
}
