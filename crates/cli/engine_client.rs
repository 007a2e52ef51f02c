//! Asks a running engine: over its control socket, or (reading only) over its observe address. The one place of the
//! command line that knows the engine's HTTP paths.

use crate::failure::Failure;
use crate::place::Place;
use failstop_client::status::Status;
use failstop_engine::runtime_dir::{self, EngineInfo, EngineState, Lookup};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long an engine may take to answer. One that lives answers within milliseconds, but a release is answered when
/// its record is durable, and a slow disk takes its time.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read.
const ANSWER_MAX_BYTES: usize = 8 << 20;

/// A running engine, or what should be one.
#[derive(Clone, Debug)]
pub enum Engine {
    /// Its control socket.
    Socket(PathBuf),
    /// Its observe address.
    Observe(Uri),
}

/// An answer as it came.
struct Reply {
    status: StatusCode,
    body: Bytes,
}

impl Engine {
    /// The engine of a system: the first of the places where its control socket may be at which somebody listens.
    pub fn of(place: &Place) -> Result<Self, Failure> {
        let lookup = Lookup {
            system: place.name.as_deref(),
            runtime_dir: place.runtime.as_deref(),
            state_dir: place.state.as_deref(),
        };
        let sockets: Vec<PathBuf> =
            runtime_dir::find(&lookup).iter().map(|dir| runtime_dir::control_socket_path(dir)).collect();
        let mut failure = None;
        for socket in sockets {
            match std::os::unix::net::UnixStream::connect(&socket) {
                Ok(_listens) => return Ok(Self::Socket(socket)),
                Err(error) => failure = failure.or(Some((socket, error))),
            }
        }
        let (at, why) = match failure {
            Some((socket, error)) => (socket.display().to_string(), error.to_string()),
            None => (place.describe(), "it has no runtime directory".to_owned()),
        };
        Err(Failure::NoEngine { at, why, next: start_it(place) })
    }

    /// The engine behind a control socket.
    pub fn at_socket(path: &Path) -> Self {
        Self::Socket(path.to_owned())
    }

    /// The engine behind an observe address, as in `http://127.0.0.1:8080`.
    pub fn at_url(url: &str) -> Result<Self, Failure> {
        let usage = |what: String| Failure::Usage {
            what,
            next: "write it as http://HOST:PORT, the engine's observe address".to_owned(),
        };
        let uri: Uri = url.parse().map_err(|error| usage(format!("--url {url}: {error}")))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => Ok(Self::Observe(uri)),
            (Some("https"), Some(_)) => Err(usage(format!("--url {url}: only plain http is spoken here"))),
            _ => Err(usage(format!("--url {url}: not an address"))),
        }
    }

    /// The whole status.
    pub fn status(&self) -> Result<Status, Failure> {
        let reply = self.ask(Method::GET, "/api/status", None)?;
        if !reply.status.is_success() {
            return Err(self.refused(&reply));
        }
        serde_json::from_slice(&reply.body).map_err(|error| self.silent(format!("its answer is not a status: {error}")))
    }

    /// Releases latched halts: these, or all but the kill switch.
    pub fn resume(&self, halts: &[u64], reason: &str, confirm: &str) -> Result<(), Failure> {
        let halts: Vec<String> = halts.iter().map(|id| format!("h-{id}")).collect();
        self.order("/api/control/resume", &json!({ "halts": halts, "reason": reason, "confirm": confirm }))
    }

    /// Releases the kill switch.
    pub fn release_kill_switch(&self, reason: &str, confirm: &str) -> Result<(), Failure> {
        self.order("/api/control/kill-switch/release", &json!({ "reason": reason, "confirm": confirm }))
    }

    /// Sets the mode: `dry` or `live`.
    pub fn set_mode(&self, mode: &str, reason: Option<&str>, confirm: Option<&str>) -> Result<(), Failure> {
        let mut body = json!({ "mode": mode });
        if let Some(reason) = reason {
            body["reason"] = json!(reason);
        }
        if let Some(confirm) = confirm {
            body["confirm"] = json!(confirm);
        }
        self.order("/api/control/mode", &body)
    }

    fn order(&self, path: &str, body: &Value) -> Result<(), Failure> {
        let reply = self.ask(Method::POST, path, Some(body))?;
        if reply.status.is_success() { Ok(()) } else { Err(self.refused(&reply)) }
    }

    fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|source| Failure::System { what: "start a runtime for one request", source })?;
        let exchange = async { tokio::time::timeout(ANSWER_TIMEOUT, self.exchange(method, path, body)).await };
        match runtime.block_on(exchange) {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(error)) => Err(self.silent(error.to_string())),
            Err(_elapsed) => Err(self.silent(format!("it does not answer within {} s", ANSWER_TIMEOUT.as_secs()))),
        }
    }

    async fn exchange(&self, method: Method, path: &str, body: Option<&Value>) -> io::Result<Reply> {
        match self {
            Self::Socket(socket) => {
                let stream = tokio::net::UnixStream::connect(socket).await?;
                converse(stream, "localhost", method, path, body).await
            }
            Self::Observe(uri) => {
                let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
                let stream = tokio::net::TcpStream::connect((host, uri.port_u16().unwrap_or(80))).await?;
                let authority = uri.authority().map_or(host, |authority| authority.as_str());
                converse(stream, authority, method, path, body).await
            }
        }
    }

    /// An answer that is not a yes.
    fn refused(&self, reply: &Reply) -> Failure {
        let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
        let error = body["error"].as_str().map(str::to_owned);
        let mut reasons: Vec<String> =
            body["refusals"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        if reasons.is_empty() {
            reasons.extend(error);
        }
        if reply.status.is_server_error() || reasons.is_empty() {
            let why = if reasons.is_empty() { String::new() } else { format!(": {}", reasons.join("; ")) };
            return self.silent(format!("it answered {}{why}", reply.status));
        }
        Failure::Refused { reasons }
    }

    /// No usable answer: with what is known of the process that should have given one.
    fn silent(&self, why: String) -> Failure {
        match self {
            Self::Socket(socket) => {
                let info = socket.parent().and_then(|dir| EngineInfo::read(dir).ok());
                let next = match info.map(|info| (info.engine_state(), info)) {
                    Some((EngineState::Frozen, info)) => format!(
                        "the engine is stopped and denies all orders; `kill -CONT {}` wakes it, \
                         `failstop kill-switch engage` works without it",
                        info.engine.pid
                    ),
                    Some((EngineState::Gone, _)) => "start it with `failstop run`".to_owned(),
                    Some((EngineState::Running, _)) => {
                        "try again; `failstop kill-switch engage` works without it".to_owned()
                    }
                    None => "see whether this is the control socket of a system that runs".to_owned(),
                };
                Failure::NoEngine { at: socket.display().to_string(), why, next }
            }
            Self::Observe(uri) => Failure::NoEngine {
                at: uri.to_string(),
                why,
                next: "see whether the system runs there, and [observe] listen in its configuration".to_owned(),
            },
        }
    }
}

fn start_it(place: &Place) -> String {
    let run = match &place.config {
        Some(path) => format!("`failstop run --config {}`", path.display()),
        None => "`failstop run`".to_owned(),
    };
    format!("start it with {run}; `failstop events` shows what it did last")
}

async fn converse<S>(stream: S, host: &str, method: Method, path: &str, body: Option<&Value>) -> io::Result<Reply>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    let payload = body.map(Value::to_string).unwrap_or_default();
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .header("content-type", "application/json")
        .header("connection", "close")
        .body(Full::new(Bytes::from(payload)))
        .map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX_BYTES).collect().await.map_err(io::Error::other)?;
        Ok(Reply { status, body: body.to_bytes() })
    };
    // The connection must be driven while the answer is awaited; whichever of its ends comes first, the answer counts.
    let driver = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        answer = answer => answer,
        () = driver => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it closed the connection")),
    }
}
